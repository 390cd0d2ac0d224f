"""Chains of maps as single ones."""

from __future__ import annotations

import numpy as np

from pinnir.ir.graph import Affine, Input, Node
from pinnir.mapping.multiplied_out import multiplied_out, summed


def affine(name: str, weight: list[list[float]], bias: list[float], *operands: Node) -> Node:
    return Node(name, Affine(np.array(weight), np.array(bias)), operands, "core.1")


X, Y = Node("x", Input(1)), Node("y", Input(1))
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
    weights, bias = summed([A, B, affine("d", [[7.0]], [0.0], Y)])
    assert {node.name: w.tolist() for node, w in weights.items()} == {"x": [[5.0]], "y": [[7.0]]}
    assert bias.tolist() == [1.5]
