"""Operator sets 6 to 8 go through ONNX's own converter."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend import read_model
from pinnir.ir.evaluate import evaluate
from tests.helpers import onnx_model, save

RNG = np.random.default_rng(0)
WEIGHTS = {
    "w": RNG.normal(size=(2, 3)).astype(np.float32),
    "b": RNG.normal(size=3).astype(np.float32),
}


def network(opset: int, ir_version: int) -> onnx.ModelProto:
    """``tanh(x w + b) + b``; broadcasting was an attribute before operator set 7."""
    told = {"broadcast": 1} if opset < 7 else {}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h1"], **told),
        helper.make_node("Tanh", ["h1"], ["h2"]),
        helper.make_node("Add", ["h2", "b"], ["y"], **told),
    ]
    listed = {name: value.shape for name, value in WEIGHTS.items()} if ir_version < 4 else {}
    model = onnx_model(nodes, WEIGHTS, opset=opset, inputs={"x": (None, 2)} | listed)
    model.ir_version = ir_version
    return model


@pytest.mark.parametrize("ir_version", [3, 8])
@pytest.mark.parametrize("opset", [6, 7, 8])
def test_old_networks_mean_what_they_meant(tmp_path, opset, ir_version):
    model = read_model(save(tmp_path, network(opset, ir_version)))
    x = RNG.uniform(-1, 1, (9, 2))
    expected = np.tanh(x @ WEIGHTS["w"] + WEIGHTS["b"]) + WEIGHTS["b"]
    assert [node.name for node in model.graph.inputs] == ["x"]
    np.testing.assert_allclose(evaluate(model.graph, {"x": x})[0], expected, rtol=1e-6)
    np.testing.assert_allclose(OnnxRunner(model.data)([x])[0], expected, rtol=1e-5)


def test_open_dimensions_stay_open(tmp_path):
    model = onnx.load_from_string(read_model(save(tmp_path, network(6, 3))).data)
    for value in (model.graph.input[0], model.graph.output[0]):
        assert not value.type.tensor_type.shape.dim[0].HasField("dim_value")
    assert not model.graph.value_info


@pytest.mark.parametrize(
    ("kind", "reason"), [("Reshape", "[ShapeInferenceError]"), ("Scan", "Unsupported conversion")]
)
def test_a_network_that_cannot_be_converted(tmp_path, kind, reason):
    path = save(tmp_path, onnx_model([helper.make_node(kind, ["x"], ["y"])], opset=8))
    with pytest.raises(FrontendError) as caught:
        read_model(path)
    assert str(caught.value).startswith(
        f"{path} uses operator set 8, and ONNX cannot convert it to 9: {reason}"
    )
    assert str(caught.value).endswith("\nhint: export with opset 9 or newer")
