"""Operators that ONNX Runtime writes into the models that it optimises."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import pinnir
from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Constant, Input
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import context, onnx_model, save

RNG = np.random.default_rng(0)
WEIGHTS = {
    "w1": RNG.normal(size=(6, 2)).astype(np.float32),
    "b1": RNG.normal(size=6).astype(np.float32),
    "w2": RNG.normal(size=(6, 1)).astype(np.float32),
}


def fused(kind: str, operands: list[str], y: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, operands, [y], "n", domain="com.microsoft", **attributes)


def optimised(nodes: list[onnx.NodeProto], weights=None) -> onnx.ModelProto:
    model = onnx_model(nodes, WEIGHTS if weights is None else weights)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def layers(activation: str) -> onnx.ModelProto:
    told = {"transB": 1, "activation": activation}
    if activation == "LeakyRelu":
        told["activation_alpha"] = 0.2
    hidden = fused("FusedGemm", ["x", "w1", "b1"], "h", **told)
    return optimised([hidden, fused("FusedMatMul", ["h", "w2"], "y", alpha=0.5)])


@pytest.mark.parametrize("activation", ["Tanh", "Relu", "Sigmoid", "LeakyRelu"])
def test_fused_layers_are_maps_and_activations(activation):
    model = import_bytes(layers(activation).SerializeToString())
    x = RNG.uniform(-1, 1, (9, 2))
    graph = model.graph
    for step in (FoldConstants(), FuseAffine(), FuseActivations()):
        graph = step.apply(graph, context(model.graph))
    assert {type(node.op) for node in graph.nodes} - {Constant, Input} == {Affine, Activation}
    (one,) = evaluate(graph, {"x": x})
    np.testing.assert_allclose(one, OnnxRunner(model.data)([x])[0], rtol=1e-5, atol=1e-5)


def test_a_program_of_fused_layers_can_be_read(tmp_path):
    program = pinnir.compile(save(tmp_path, layers("Tanh")), domain="-1:1")
    program.save(tmp_path / "program.nir")
    result = pinnir.read(tmp_path / "program.nir").run(RNG.uniform(-1, 1, (500, 2)))
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert error < 0.02


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            fused("FusedGemm", ["x", "w1", "b1"], "y", transB=1, activation="Other"),
            "ends in the unknown activation 'Other'",
        ),
        (
            fused("FusedMatMul", ["x", "w1"], "y", transB=1, transBatchA=1),
            "turns the stacks that it multiplies",
        ),
    ],
)
def test_what_is_not_read(node, problem):
    with pytest.raises(FrontendError) as caught:
        import_bytes(optimised([node]).SerializeToString())
    assert str(caught.value) == (
        f"com.microsoft::{node.op_type} 'n': {problem}\n"
        "hint: give the model as it was before ONNX Runtime optimised it"
    )
