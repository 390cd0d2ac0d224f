"""fold-constants computes what depends on constants only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.base.errors import GraphError
from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive
from pinnir.passes.tidying.fold_constants import FoldConstants
from tests.helpers import assert_same_values, context, points
from tests.strategies import onnx_models


def foldable(graph: Graph) -> list[Node]:
    return [
        node
        for node in graph.nodes
        if isinstance(node.op, Primitive) and all(isinstance(o.op, Constant) for o in node.operands)
    ]


@given(proto=onnx_models())
def test_values_are_exactly_the_same(proto):
    before = import_bytes(proto.SerializeToString()).graph
    after = FoldConstants().apply(before, context(before))
    assert_same_values(before, after, points(before, 16, 1), tolerance=0)
    assert not foldable(after)


def test_a_whole_constant_subgraph_collapses():
    two, three = (Node(f"c{v}", Constant(np.array(v))) for v in (2.0, 3.0))
    total = Node("total", Primitive("Add"), (two, three))
    square = Node("square", Primitive("Mul"), (total, total))
    x = Node("x", Input(1))
    y = Node("y", Primitive("Mul"), (x, square))
    before = Graph(Level.TENSOR, (x,), (y,))
    after = FoldConstants().apply(before, context(before))
    assert [node.name for node in after.nodes] == ["x", "square", "y"]
    assert after.node("square").op.value == 25
    assert foldable(before) == [total]


def test_constants_that_do_not_fit():
    two, three = (Node(f"c{n}", Constant(np.ones(n))) for n in (2, 3))
    graph = Graph(Level.TENSOR, (), (Node("total", Primitive("Add"), (two, three)),))
    with pytest.raises(GraphError) as caught:
        FoldConstants().apply(graph, None)
    assert str(caught.value) == (
        f"Add 'total': cannot be computed: {caught.value.__cause__}\n"
        "hint: check the shapes in the ONNX model"
    )
