"""Chains of maps as single ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Affine, Input, Node
from pinnir.mapping.connectivity import pattern
from pinnir.mapping.multiplied_out import Chains, multiplied_out


def affine(name: str, weight: list[list[float]], bias: list[float], *operands: Node) -> Node:
    return Node(name, Affine(np.array(weight), np.array(bias)), operands, "core.1")


X, Y = Node("x", Input(1)), Node("y", Input(1))
X3, Y3 = Node("x3", Input(3)), Node("y3", Input(3))
A = affine("a", [[2.0]], [1.0], X)
B = affine("b", [[3.0]], [0.5], X)


def test_a_chain_is_one_matrix_a_source():
    weights, bias = multiplied_out(affine("c", [[1.0], [-1.0]], [0.0, 4.0], A, B))
    assert {node.name: w.tolist() for node, w in weights.items()} == {"x": [[5.0], [-5.0]]}
    assert bias.tolist() == [1.5, 2.5]


def test_maps_of_other_segments_are_sources():
    host = Node("h", Affine(np.eye(1), np.zeros(1)), (X,), "host.0")
    weights, bias = multiplied_out(affine("c", [[2.0]], [1.0], host))
    assert list(weights) == [host]
    assert bias.tolist() == [1.0]


def test_sums_are_by_source():
    weights, bias = multiplied_out(A, B, affine("d", [[7.0]], [0.0], Y))
    assert {node.name: w.tolist() for node, w in weights.items()} == {"x": [[5.0]], "y": [[7.0]]}
    assert bias.tolist() == [1.5]


@st.composite
def networks(draw: st.DrawFn) -> list[Node]:
    """Maps of whole numbers that read each other and two inputs, operands first."""
    maps: list[Node] = []
    for number in range(draw(st.integers(1, 6))):
        operands = draw(st.lists(st.sampled_from([X3, Y3, *maps]), min_size=1, max_size=3))
        weight = draw(arrays(np.float64, (3, 3), elements=st.integers(-2, 2).map(float)))
        bias = draw(arrays(np.float64, 3, elements=st.integers(-2, 2).map(float)))
        maps.append(Node(f"m{number}", Affine(weight, bias), tuple(operands), "core.1"))
    return maps


def whole(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64)


@given(maps=networks())
def test_values_are_those_of_the_network(maps):
    rng = np.random.default_rng(0)
    values = {node: rng.integers(-9, 9, (5, 3)).astype(float) for node in (X3, Y3)}
    for node in maps:
        values[node] = compute_node(node, values)
    expected = values[maps[-1]] + values[maps[0]]
    whole_maps = Chains(lambda n: whole(n.op.weight), lambda n: whole(n.op.bias))
    for weights, bias in (multiplied_out(maps[-1], maps[0]), whole_maps.sum([maps[-1], maps[0]])):
        found = bias + sum(values[source] @ weight.T for source, weight in weights.items())
        np.testing.assert_array_equal(found, expected)


@given(maps=networks())
def test_patterns_are_where_no_weight_cancels(maps):
    """With weights that are not negative, what a map reads is what has a product."""
    positive: dict[Node, Node] = {}
    for node in maps:
        op = Affine(np.abs(node.op.weight), node.op.bias)
        operands = tuple(positive.get(operand, operand) for operand in node.operands)
        positive[node] = Node(node.name, op, operands, node.segment)
    patterns = Chains(lambda n: pattern(n.op.weight), counts=lambda source: source is X3)
    found = patterns.of(positive[maps[-1]])
    weights, _ = multiplied_out(positive[maps[-1]])
    assert found.keys() == weights.keys() & {X3}
    for source, matrix in found.items():
        np.testing.assert_array_equal(matrix.toarray(), weights[source] != 0)
