"""drop-identity removes nodes that hand their operand on."""

from __future__ import annotations

from hypothesis import given

from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Graph, Input, Level, Node, Primitive
from pinnir.passes.tidying.drop_identity import DropIdentity
from tests.helpers import assert_same_values, context, points
from tests.strategies import onnx_models

X = Node("x", Input(1))


def identities(graph: Graph) -> list[str]:
    return [
        node.name
        for node in graph.nodes
        if isinstance(node.op, Primitive) and node.op.kind == "Identity"
    ]


@given(proto=onnx_models())
def test_values_are_exactly_the_same(proto):
    before = import_bytes(proto.SerializeToString()).graph
    after = DropIdentity().apply(before, context(before))
    assert_same_values(before, after, points(before, 16, 1), tolerance=0)
    assert not identities(after)
    assert len(after.nodes) == len(before.nodes) - len(identities(before))


def test_a_chain_of_identities():
    first = Node("first", Primitive("Identity"), (X,))
    second = Node("second", Primitive("Identity"), (first,))
    total = Node("total", Primitive("Add"), (second, first))
    graph = Graph(Level.TENSOR, (X,), (total, second))
    after = DropIdentity().apply(graph, context(graph))
    assert [node.name for node in after.nodes] == ["x", "total"]
    assert after.node("total").operands == (X, X)
    assert after.outputs[1] is X
