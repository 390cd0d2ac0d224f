"""Casts: between floats they are nothing, from and to integers they are kept."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Primitive
from pinnir.search.compile import compile as compile_
from tests.backends.networks import model
from tests.helpers import onnx_model

X = np.random.default_rng(0).normal(size=(64, 2)) * 3


def kinds(graph) -> list[str]:
    return [node.op.kind for node in graph.nodes if isinstance(node.op, Primitive)]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (
            [
                ("Cast", ["x"], {"to": TensorProto.DOUBLE}),
                ("Cast", ["a"], {"to": TensorProto.FLOAT}),
            ],
            ["Identity", "Identity"],
        ),
        (
            [
                ("Cast", ["x"], {"to": TensorProto.INT64}),
                ("Cast", ["a"], {"to": TensorProto.FLOAT}),
            ],
            ["Cast", "Cast"],
        ),
        (
            [("Greater", ["x", "x"], {}), ("Cast", ["a"], {"to": TensorProto.FLOAT})],
            ["Greater", "Cast"],
        ),
    ],
)
def test_casts_equal_onnx_runtime(nodes, expected):
    names = ["x", "a", "y"]
    protos = [
        helper.make_node(kind, operands, [out], **attributes)
        for (kind, operands, attributes), out in zip(nodes, names[1:], strict=True)
    ]
    proto = onnx_model(protos)
    graph = import_bytes(proto.SerializeToString()).graph
    assert kinds(graph) == expected
    (truth,) = OnnxRunner(proto.SerializeToString())([X])
    (value,) = evaluate(graph, {"x": X})
    np.testing.assert_allclose(value, truth, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_subdomain_chosen_by_comparison_runs_on_the_host(dtype):
    """XPINN: a mask of the inputs, cast to numbers, weighs the network."""
    rng = np.random.default_rng(1)
    weights = {
        "w": rng.normal(size=(2, 8)),
        "v": rng.normal(size=(8, 1)),
        "zero": np.zeros(1),
        "column": rng.normal(size=(2, 1)),
    }
    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Tanh", ["z"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["n"]),
        helper.make_node("MatMul", ["x", "column"], ["side"]),
        helper.make_node("Less", ["side", "zero"], ["left"]),
        helper.make_node("Cast", ["left"], ["mask"], to=kind),
        helper.make_node("Mul", ["mask", "n"], ["y"]),
    ]
    weights = {name: value.astype(dtype) for name, value in weights.items()}
    program = compile_(model(onnx_model(nodes, weights, kind=kind)), "-1:1", levels=1024)
    assert [segment.label for segment in program.segments] == ["core.1", "host.2"]
    assert program.metrics["rel_l2"] < 1e-2
