"""What importers and tidying passes add never takes the name of another node."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph
from pinnir.ir.rules import check_rules
from pinnir.passes import pipelines
from pinnir.pipeline.manager import PassManager
from tests.helpers import context, onnx_model, points

ROW = np.array([0.5, 2.0], np.float32)
WEIGHTS = {
    "w": np.eye(2, dtype=np.float32),
    "w2": np.ones((2, 1), np.float32),
    "r": ROW,
    "zero": np.array(3, np.uint8),
}
STEP = {"s": np.array(0.25, np.float32)}
NODES = {
    "batch normalisation": helper.make_node("BatchNormalization", ["h", "r", "r", "r", "r"], ["v"]),
    "gelu": helper.make_node("Gelu", ["h"], ["v"]),
    "quantise": helper.make_node("QuantizeLinear", ["h", "s", "zero"], ["v"]),
    "softmax": helper.make_node("Softmax", ["h"], ["v"], axis=1),
    "layer normalisation": helper.make_node("LayerNormalization", ["h", "r"], ["v"]),
    "split": helper.make_node("Split", ["h", "halves"], ["v", "rest"], axis=1),
    "product": helper.make_node("Mul", ["h", "x0"], ["v"]),
}


def model(kind: str, *taken: str) -> onnx.ModelProto:
    """A network with such a node, and rows under these names that are added to its input."""
    last = np.ones((1 if kind == "split" else 2, 1), np.float32)
    own = {"halves": np.array([1, 1]), "last": last}
    weights = WEIGHTS | STEP | own | dict.fromkeys(taken, ROW)
    nodes = [
        *[helper.make_node("Add", [f"x{i}", name], [f"x{i + 1}"]) for i, name in enumerate(taken)],
        helper.make_node("MatMul", [f"x{len(taken)}", "w"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        NODES[kind],
    ]
    nodes.append(helper.make_node("Sub", ["v", "rest" if kind == "split" else "t"], ["d"]))
    nodes.append(helper.make_node("MatMul", ["d", "last"], ["y"]))
    return onnx_model(nodes, weights, inputs={"x0": (None, 2)}, opset=20)


def compiled(graph: Graph, *, flat: bool) -> Graph:
    passes = pipelines.SPLIT_FEATURES[:-1] if flat else pipelines.RECOGNISE
    return PassManager(passes).run(graph, context(graph))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", NODES)
def test_names_of_parts_may_be_taken(kind, flat):
    source = import_bytes(model(kind).SerializeToString()).graph
    known = {"x0", "h", "t", "v", "d", "y", "rest", *WEIGHTS, *STEP, "halves", "last"}
    parts = {n.name for graph in (source, compiled(source, flat=flat)) for n in graph.nodes}
    taken = sorted(parts - known)
    assert taken or not flat
    proto = model(kind, *taken)
    graph = import_bytes(proto.SerializeToString()).graph
    check_rules(graph)
    after = compiled(graph, flat=flat)
    at = graph.bind(points(graph, 9, 0))
    np.testing.assert_allclose(evaluate(after, at)[0], evaluate(graph, at)[0], atol=1e-9)
