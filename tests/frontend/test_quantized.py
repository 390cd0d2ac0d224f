"""Quantised networks mean what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

import pinnir
from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Constant, Input
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import context, onnx_model, save

RNG = np.random.default_rng(0)


def quantised(name: str, **attributes):
    """A value rounded to steps and read back."""
    return [
        helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}q"], "q", **attributes),
        helper.make_node("DequantizeLinear", [f"{name}q", "s", "z"], ["y"], "d", **attributes),
    ]


@settings(max_examples=60)
@given(
    kind=st.sampled_from([np.int8, np.uint8, np.int16, np.uint16]),
    scale=st.floats(2.0**-10, 2, width=32),
    zero=st.integers(0, 127),
)
def test_rounding_saturates_and_goes_to_even(kind, scale, zero):
    weights = {"s": np.float32(scale).reshape(()), "z": np.asarray(zero, kind)}
    proto = onnx_model(quantised("x"), weights, opset=21)
    proto.ir_version = 10
    model = import_bytes(proto.SerializeToString())
    steps = np.array([[-1e6, 1e6], [-1.3, 1.7], [-0.2, 0.4], [0.0, 3.1]])
    x = (scale * steps).astype(np.float32)
    (one,) = evaluate(model.graph, {"x": x})
    np.testing.assert_allclose(one, OnnxRunner(model.data)([x])[0], rtol=1e-6)


def test_ties_go_to_even():
    weights = {"s": np.array(0.5, np.float32), "z": np.array(3, np.int8)}
    model = import_bytes(onnx_model(quantised("x"), weights).SerializeToString())
    x = 0.5 * np.array([[-1.5, -0.5], [0.5, 1.5], [2.5, 3.5]])
    (one,) = evaluate(model.graph, {"x": x})
    np.testing.assert_array_equal(one, OnnxRunner(model.data)([x])[0])


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": -1}])
def test_weights_fold(options):
    size = {0: 2, -1: 3}.get(options.get("axis"))
    shape = () if size is None else (size,)
    weights = {
        "w": RNG.integers(-128, 128, (2, 3)).astype(np.int8),
        "s": RNG.uniform(0.01, 0.1, shape).astype(np.float32),
        "z": RNG.integers(-9, 9, shape).astype(np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["v"], **options),
        helper.make_node("MatMul", ["x", "v"], ["y"]),
    ]
    model = import_bytes(onnx_model(nodes, weights).SerializeToString())
    x = RNG.uniform(-1, 1, (9, 2))
    graph = FoldConstants().apply(model.graph, context(model.graph))
    graph = FuseAffine().apply(graph, context(model.graph))
    assert {type(node.op) for node in graph.nodes} - {Constant, Input} == {Affine}
    (one,) = evaluate(graph, {"x": x})
    np.testing.assert_allclose(one, OnnxRunner(model.data)([x])[0], rtol=1e-5, atol=1e-5)


def test_a_scale_that_is_computed():
    nodes = [helper.make_node("ReduceMax", ["x"], ["s"], keepdims=0), *quantised("x")]
    model = onnx_model(nodes, {"z": np.array(0, np.int8)})
    with pytest.raises(FrontendError) as caught:
        import_bytes(model.SerializeToString())
    assert "QuantizeLinear 'q': has a scale that is computed" in str(caught.value)


def test_a_type_that_is_no_integer():
    proto = onnx_model(quantised("x"), {"s": np.array(0.5, np.float32)}, opset=19)
    zero = helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, [], [0.0])
    proto.graph.initializer.append(zero)
    with pytest.raises(FrontendError, match="initializer 'z': holds float8"):
        import_bytes(proto.SerializeToString())


def perceptron(*, rounded: bool):
    """Two layers of 12 neurons, quantised to 8 bits or not."""
    rng = np.random.default_rng(3)
    nodes, weights, value, columns = [], {}, "x", 2

    def both(name: str, scale: float) -> str:
        if not rounded:
            return name
        weights.update({f"{name}s": np.float32(scale).reshape(()), f"{name}z": np.int8(0)})
        ends = [f"{name}s", f"{name}z"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *ends], [f"{name}q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}q", *ends], [f"{name}d"]))
        return f"{name}d"

    for layer, outputs in enumerate((12, 12, 1)):
        weights[f"w{layer}"] = rng.normal(size=(columns, outputs)).astype(np.float32)
        weights[f"w{layer}"] *= 1.5 / np.sqrt(columns)
        nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"p{layer}"]))
        value, columns = f"p{layer}", outputs
        if layer < 2:
            value = both(value, 0.03)
            nodes.append(helper.make_node("Tanh", [value], [f"t{layer}"]))
            value = both(f"t{layer}", 1 / 127)
    nodes.append(helper.make_node("Identity", [value], ["y"]))
    return onnx_model(nodes, {key: np.asarray(one) for key, one in weights.items()})


@pytest.mark.parametrize("form", QuantFormat, ids=str)
def test_a_network_that_onnx_runtime_quantised(form, tmp_path):
    """In both of its forms, with signed numbers, of which all processors make the same."""
    points = RNG.uniform(-1, 1, (4, 64, 2)).astype(np.float32)

    class Points(CalibrationDataReader):
        batches = iter(points)

        def get_next(self):
            return next(({"x": batch} for batch in self.batches), None)

    path, signed = tmp_path / "whole.onnx", QuantType.QInt8
    source = save(tmp_path, perceptron(rounded=False))
    quantize_static(
        source, path, Points(), quant_format=form, activation_type=signed, weight_type=signed
    )
    program = pinnir.compile(path, domain="-1:1")
    assert program.metrics["core_mac_share"] == 1
    assert program.metrics["rel_l2_upper"] <= 1e-2


def test_a_quantised_network_takes_about_as_many_neurons_as_the_one_it_was_made_of(tmp_path):
    plain, own = (
        pinnir.compile(save(tmp_path, perceptron(rounded=rounded)), domain="-1:1", effort=1)
        for rounded in (False, True)
    )
    assert own.metrics["neurons"] <= 1.2 * plain.metrics["neurons"]
    assert own.metrics["rel_l2_upper"] <= 1e-2
    assert own.metrics["core_mac_share"] == 1


def test_kernels_and_scales_that_are_made_of_constants():
    """Read back from integers, widened from half precision."""
    weights = {
        "w": RNG.integers(-128, 128, (3, 2, 1, 1)).astype(np.int8),
        "half": np.array(0.5, np.float16),
        "z": np.array(3, np.int8),
        "image": np.array([-1, 2, 1, 1]),
        "table": np.array([-1, 3]),
    }
    nodes = [
        helper.make_node("Cast", ["half"], ["s"], to=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["v"]),
        helper.make_node("Reshape", ["x", "image"], ["i"]),
        helper.make_node("Conv", ["i", "v"], ["c"]),
        helper.make_node("Reshape", ["c", "table"], ["y"]),
    ]
    model = import_bytes(onnx_model(nodes, weights).SerializeToString())
    x = RNG.uniform(-1, 1, (9, 2))
    (one,) = evaluate(model.graph, {"x": x})
    np.testing.assert_allclose(one, OnnxRunner(model.data)([x])[0], rtol=1e-5, atol=1e-5)
