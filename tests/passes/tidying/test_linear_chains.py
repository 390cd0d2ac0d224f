"""Chains of linear operators equal their combination."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Op, Primitive
from pinnir.ir.sample_axes import layouts
from pinnir.numerics.matrix import BlockDiagonal
from pinnir.passes.tidying.linear_chains import Combiner, is_linear, starts
from tests.dags import LINEAR, Strand
from tests.helpers import points
from tests.strategies import SEEDS

X = Node("x", Input(3))
Y = Node("y", Input(3))


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """A random network of linear operators on two inputs of three columns each."""
    build = Strand(np.random.default_rng(draw(SEEDS)))
    values = [(X, 3), (Y, 3)]
    for kind in draw(st.lists(st.sampled_from(("Affine", "Neg", *LINEAR)), max_size=8)):
        one, width = values[draw(st.integers(0, len(values) - 1))]
        if kind == "Affine":
            outputs = draw(st.integers(1, 4))
            values.append((build.affine(one, width, outputs), outputs))
            continue
        other = draw(st.sampled_from([value for value, size in values if size == width]))
        if kind == "Neg":
            values.append((build.node(kind, Primitive(kind), one), width))
        else:
            values.append(build.join(kind, one, other, width))
    return Graph(Level.TENSOR, (X, Y), (values[-1][0],))


@given(graph=chains())
def test_chains_equal_their_combination(graph):
    (end,) = graph.outputs
    known = layouts(graph)
    assert all(is_linear(n, known) for n in graph.nodes if not isinstance(n.op, Input | Constant))
    weights, bias = Combiner(known, lambda node: isinstance(node.op, Input)).of(end)
    found = starts(end, lambda node: isinstance(node.op, Input))
    assert set(weights) == set(found) <= {X, Y}
    inputs = graph.bind(points(graph, 16, 0))
    total = bias + sum(inputs[source.name] @ weight.T for source, weight in weights.items())
    (value,) = evaluate(graph, inputs)
    np.testing.assert_allclose(total, value, rtol=0, atol=1e-12 * max(1.0, np.abs(value).max()))


def affine(name: str, *operands: Node, columns: int = 3) -> Node:
    weight = np.arange(2.0 * columns).reshape(2, columns)
    return Node(name, Affine(weight, np.ones(2)), operands)


def combined(node: Node, *stops: Node) -> tuple[dict[str, list[list[float]]], list[float]]:
    graph = Graph(Level.TENSOR, (X, Y), (node,))
    stopping = Combiner(layouts(graph), lambda one: one in stops or one in (X, Y))
    weights, bias = stopping.of(node)
    return {s.name: w.tolist() for s, w in weights.items()}, bias.tolist()


def test_a_value_where_chains_start_is_itself():
    assert combined(X) == ({"x": np.eye(3).tolist()}, [0, 0, 0])


def test_a_map_of_a_sum():
    value = affine("a", X, Y)
    weight = value.op.weight.tolist()
    assert combined(value) == ({"x": weight, "y": weight}, [1, 1])


def test_one_source_along_two_ways():
    twice = Node("twice", Primitive("Add"), (affine("a", X), affine("b", X)))
    weight, bias = combined(twice)
    assert weight == {"x": [[0, 2, 4], [6, 8, 10]]}
    assert bias == [2, 2]


def test_chains_end_where_they_are_told_to():
    inner = affine("inner", X)
    outer = Node("outer", Primitive("Neg"), (inner,))
    assert combined(outer, inner) == ({"inner": [[-1, 0], [0, -1]]}, [0, 0])


def test_block_diagonal_maps():
    blocks = BlockDiagonal(np.array([[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]]))
    wide = Node("wide", Affine(blocks, np.zeros(6)), (X,))
    weight, _ = combined(Node("neg", Primitive("Neg"), (wide,)))
    assert weight["x"] == [[-1, 0, 0], [-2, 0, 0], [0, -3, 0], [0, -4, 0], [0, 0, -5], [0, 0, -6]]


# ------------------------------------------------------------------------------ what is not linear


def constant(name: str, value: object) -> Node:
    return Node(name, Constant(np.asarray(value)))


TWO, AXIS, ROW = constant("two", 2.0), constant("axis", [1]), constant("row", [[1.0, 2.0, 3.0]])
WHERE = tuple(constant(f"w{i}", [v]) for i, v in enumerate((0, 1, 1)))


@pytest.mark.parametrize(
    ("op", "operands", "linear"),
    [
        (Primitive("Mul"), (X, TWO), True),
        (Primitive("Mul"), (TWO, X), True),
        (Primitive("Mul"), (X, Y), False),
        (Primitive("Mul"), (X, X), False),
        (Primitive("Div"), (X, ROW), True),
        (Primitive("Div"), (TWO, X), False),
        (Primitive("Div"), (X, Y), False),
        (Primitive("Add"), (X, ROW), True),
        (Primitive("Sub"), (TWO, X), True),
        (Primitive("Concat", {"axis": 1}), (X, Y), True),
        (Primitive("Concat", {"axis": -1}), (X, Y, X), True),
        (Primitive("Slice"), (X, *WHERE), True),
        (Primitive("Gather", {"axis": 1}), (X, constant("which", [2, 0])), True),
        (Primitive("Gather", {"axis": 1}), (X, constant("which", 2)), False),
        (Primitive("ReduceSum", {"keepdims": 1}), (X, AXIS), True),
        (Primitive("ReduceSum", {"keepdims": 0}), (X, AXIS), False),
        (Primitive("ReduceL2", {"keepdims": 1}), (X, AXIS), False),
        (Primitive("Abs"), (X,), False),
        (Primitive("Pow"), (X, TWO), False),
        (Primitive("Unsqueeze"), (X, AXIS), False),
        (Primitive("Max"), (X, Y), False),
        (Activation("tanh"), (X,), False),
        (Affine(np.ones((2, 3)), np.ones(2)), (X, Y), True),
    ],
)
def test_is_linear(op: Op, operands: tuple[Node, ...], linear: bool):
    graph = Graph(Level.TENSOR, (X, Y), (Node("z", op, operands),))
    assert is_linear(graph.outputs[0], layouts(graph)) is linear


def test_values_of_different_axes_are_not_combined():
    other = Node("other", Input(3, axis=1))
    product = Node("p", Primitive("Einsum", {"equation": "ir,jr->ij"}), (X, other))
    graph = Graph(Level.TENSOR, (X, other), (product,))
    assert not is_linear(product, layouts(graph))


def test_a_constant_row_each_joined_to_columns_is_no_table():
    """What stands beside every row must be computed for every row."""
    many = Node("many", Primitive("Mul"), (Y, constant("zero", 0.0)))
    graph = Graph(Level.TENSOR, (X, Y), (Node("j", Primitive("Concat", {"axis": 1}), (X, many)),))
    weights, _ = Combiner(layouts(graph), lambda one: one in (X, Y)).of(graph.outputs[0])
    assert not np.any(weights[Y])
