"""Graphs: order, users, segments, rewriting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.base.errors import GraphError
from pinnir.ir.graph import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    Staircase,
    columns_of,
    width,
)
from pinnir.neurons import IF, Threshold
from tests.strategies import SEEDS

X = Node("x", Input(2))
UNUSED = Node("unused", Input(1))
TWO = Node("two", Constant(np.array(2.0)))
PRODUCT = Node("product", Primitive("Mul"), (X, TWO), "host.0")
SINE = Node("sine", Activation("sin"), (PRODUCT,), "host.0")
TOTAL = Node("total", Primitive("Add"), (SINE, PRODUCT), "host.10")
SQUARE = Node("square", Primitive("Mul"), (PRODUCT, PRODUCT), "core.2")
GRAPH = Graph(Level.TENSOR, (X, UNUSED), (TOTAL, SQUARE))


def names(nodes) -> list[str]:
    return [node.name for node in nodes]


def test_nodes_are_in_topological_order_inputs_first():
    assert names(GRAPH.nodes) == ["x", "unused", "two", "product", "sine", "total", "square"]


def test_a_deep_graph_needs_no_recursion():
    node = X
    for number in range(5000):
        node = Node(f"n{number}", Activation("tanh"), (node,))
    assert len(Graph(Level.TENSOR, (X,), (node,)).nodes) == 5001


def test_users():
    assert names(GRAPH.users[PRODUCT]) == ["sine", "total", "square"]
    assert GRAPH.users[UNUSED] == GRAPH.users[TOTAL] == ()


def test_segments_run_in_order_of_their_number():
    assert {label: names(nodes) for label, nodes in GRAPH.segments.items()} == {
        "host.0": ["product", "sine"],
        "core.2": ["square"],
        "host.10": ["total"],
    }
    assert list(GRAPH.segments) == ["host.0", "core.2", "host.10"]


def test_one_segment_without_labels():
    graph = GRAPH.rewrite(lambda node: Node(node.name, node.op, node.operands))
    assert names(graph.segments[""]) == ["product", "sine", "total", "square"]


def test_node_by_name():
    assert GRAPH.node("sine") is SINE
    with pytest.raises(GraphError) as caught:
        GRAPH.node("nothing")
    assert str(caught.value) == "'nothing': the graph has no such node"


def test_rewrite_shares_what_did_not_change():
    def change(node: Node) -> Node:
        return node.with_op(Activation("cos")) if node.name == "sine" else node

    graph = GRAPH.rewrite(change, level=Level.SPIKING, steps=4)
    assert (graph.level, graph.steps, graph.read_out) == (Level.SPIKING, 4, "last")
    assert graph.inputs == GRAPH.inputs
    assert graph.outputs[1] is SQUARE
    assert graph.node("product") is PRODUCT
    assert graph.node("total").operands == (graph.node("sine"), PRODUCT)
    assert graph.node("total").segment == "host.10"
    assert GRAPH.node("sine").op.function == "sin"


def test_rewrite_changes_a_shared_node_once():
    seen: list[str] = []
    GRAPH.rewrite(lambda node: seen.append(node.name) or node)
    assert seen == names(GRAPH.nodes)


def test_with_operands_keeps_an_equal_node():
    assert SINE.with_operands(PRODUCT) is SINE
    assert SINE.with_operands(X).operands == (X,)
    assert TOTAL.with_operands(SINE).operands == (SINE,)


def test_bind_splits_points_into_inputs():
    points = np.arange(6.0).reshape(2, 3)
    bound = GRAPH.bind(points)
    np.testing.assert_array_equal(bound["x"], points[:, :2])
    np.testing.assert_array_equal(bound["unused"], points[:, 2:])
    assert list(bound) == ["x", "unused"]


def test_width():
    assert width(X) == 2
    for node in (Node("x", Input()), SINE):
        with pytest.raises(GraphError) as caught:
            width(node)
        assert str(caught.value) == (
            f"Input '{node.name}': the number of columns of this input is not fixed in the model\n"
            "hint: export the model with a fixed last dimension"
        )


def test_columns_of():
    affine = Node("a", Affine(np.ones((3, 2)), np.zeros(3)), (X,))
    zeros = np.zeros(4)
    staircase = Staircase(
        np.zeros((4, 0)), np.zeros((4, 0), np.int8), zeros.astype(np.int32), zeros, zeros
    )
    units = np.zeros(4, np.int32)
    assert columns_of(affine) == columns_of(Node("t", Activation("tanh"), (affine,))) == 3
    assert columns_of(X) == 2
    assert columns_of(Node("s", staircase, (affine,))) == 4
    assert columns_of(Node("i", IF(zeros), (affine,))) == 4
    assert columns_of(Node("p", Threshold(zeros, units, units), (affine,))) == 4
    assert columns_of(PRODUCT) is columns_of(SINE) is columns_of(Node("x", Input())) is None


def test_an_operation_of_a_known_kind():
    assert PRODUCT.op_as(Primitive).kind == "Mul"
    with pytest.raises(AssertionError):
        PRODUCT.op_as(Constant)


def test_errors_name_the_node():
    error = PRODUCT.error(GraphError, "is wrong", "put it right")
    assert str(error) == "Mul 'product': is wrong\nhint: put it right"
    assert str(SINE.error(GraphError, "is wrong")) == "Activation 'sine': is wrong"


# staircases


def test_staircase_levels_by_hand():
    inf = np.inf
    staircase = Staircase(
        boundaries=np.array([[-1.0, 0.0, 2.0], [0.5, inf, inf]]),
        directions=np.array([[1, 1, -1], [1, 0, 0]], np.int8),
        start=np.array([-1, 5], np.int32),
        base=np.array([10.0, 0.0]),
        step=np.array([0.5, 2.0]),
    )
    z = np.array([[-1.5, 0.4], [-1.0, 0.5], [0.0, 9.0], [2.0, -9.0]])
    np.testing.assert_array_equal(staircase.level_table, [[-1, 0, 1, 0], [5, 6, 6, 6]])
    np.testing.assert_array_equal(staircase.levels(z), [[-1, 5], [0, 6], [1, 6], [0, 5]])
    np.testing.assert_array_equal(staircase(z), [[9.5, 10], [10, 12], [10.5, 12], [10, 10]])


@given(seed=SEEDS)
def test_staircases_of_many_samples_are_those_of_few(seed):
    rng = np.random.default_rng(seed)
    boundaries = np.sort(np.rint(rng.normal(size=(3, 20)) * 4) / 4, axis=1)
    boundaries[1, 12:] = np.inf
    directions = np.where(np.isfinite(boundaries), rng.choice([-1, 1], (3, 20)), 0).astype(np.int8)
    start, base, step = rng.integers(-9, 9, 3).astype(np.int32), rng.normal(size=3), rng.random(3)
    op = Staircase(boundaries, directions, start, base, step)
    z = np.concatenate([rng.normal(size=(900, 3)) * 2, np.tile(boundaries[0, :, None], (1, 3))])
    z[0, 0], z[1, 1] = np.inf, -np.inf
    pieces = [op.intervals(part) for part in np.array_split(z, 10)]
    np.testing.assert_array_equal(op.intervals(z), np.concatenate(pieces))
    for told in (op.levels, op):
        parts = np.concatenate([told(part) for part in np.array_split(z, 10)])
        np.testing.assert_array_equal(told(z), parts)
        assert told(z).dtype == parts.dtype
    z[2, 2] = np.nan
    np.testing.assert_array_equal(op.intervals(z)[2], op.intervals(z[2:3])[0])
