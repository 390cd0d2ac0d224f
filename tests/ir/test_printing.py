"""Printed graphs and their differences."""

from __future__ import annotations

import numpy as np

from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.printing import diff, print_graph
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import BlockDiagonal
from tests.helpers import core_graph, staircase_graph

X = Node("x", Input(2))


def test_tensor_graph():
    two = Node("two", Constant(np.array([[2.0]])))
    shape = Node("shape", Constant(np.array([-1, 2])))
    product = Node("product", Primitive("Mul"), (X, two), "host.0")
    reshape = Node("reshape", Primitive("Reshape", {"allowzero": 0}), (product, shape), "host.0")
    weight = np.array([[1.0, -2.0], [0.5, 1e-15]])
    affine = Node("affine", Affine(weight, np.array([0.25, 1 / 3])), (reshape,), "core.1")
    clip = Node("clip", Activation("clip", (-1.0, np.array([1.0, 2.0]))), (affine,), "core.1")
    tanh = Node("tanh", Activation("tanh"), (affine,), "core.1")
    assert print_graph(Graph(Level.TENSOR, (X, Node("open", Input())), (clip, tanh))) == (
        "graph level=tensor\n"
        "  %x = Input() width=2\n"
        "  %open = Input()\n"
        "  %two = Constant() value=2\n"
        "  %shape = Constant() value=[2]{-1..2}\n"
        "segment host.0\n"
        "  %product = Mul(%x, %two)\n"
        "  %reshape = Reshape(%product, %shape) allowzero=0\n"
        "segment core.1\n"
        "  %affine = Affine(%reshape) weight=[2x2]{-2..1} bias=[2]{0.25..0.3333}\n"
        "  %clip = Activation(%affine) function=clip parameters=(-1, [2]{1..2})\n"
        "  %tanh = Activation(%affine) function=tanh\n"
        "  return %clip, %tanh\n"
    )


def test_staircase_graph():
    graph = staircase_graph(core_graph(0, (1, 2, 1), ("relu",)), 0, 3)
    (_, _, _, line, *_) = print_graph(graph).splitlines()[1:]
    assert line.startswith("  %act0 = Staircase(%affine0) boundaries=[2x2]{")
    assert "directions=[2x2]{1..1} start=[2]{0..0} base=[2]{0..0} step=[2]{" in line


def test_spiking_graph():
    expand = Affine(BlockDiagonal(np.array([[[1.0], [0.0]], [[1.0], [-1.0]]])), np.zeros(4))
    entry = Node("entry", expand, (X,), "core.1")
    units = np.array([1, 1, -1, -1], np.int32)
    threshold = Threshold(np.array([0.5, np.inf, np.inf, 1.5]), units, np.zeros(2, np.int32))
    fine = Node("fine", threshold, (entry,), "core.1")
    rate = Node("rate", IF(np.full(4, 2.0), signed=True), (entry, fine), "core.1")
    graph = Graph(Level.SPIKING, (X,), (rate,), steps=8, read_out="mean")
    assert print_graph(graph) == (
        "graph level=spiking steps=8 read_out=mean\n"
        "  %x = Input() width=2\n"
        "segment core.1\n"
        "  %entry = Affine(%x) weight=blocks[2x2x1]{-1..1} nonzeros=3 bias=[4]{0..0}\n"
        "  %fine = Threshold(%entry) threshold=[4]{0.5..1.5} level_weight=[4]{-1..1}"
        " level_offset=[2]{0..0}\n"
        "  %rate = IF(%entry, %fine) threshold=[4]{2..2} signed=True\n"
        "  return %rate\n"
    )


def test_empty_and_infinite_arrays():
    empty = Node("empty", Constant(np.zeros((0, 3))))
    never = Node("never", Constant(np.full(2, np.inf)))
    text = print_graph(Graph(Level.TENSOR, (), (empty, never)))
    assert "%empty = Constant() value=[0x3]{}\n" in text
    assert "%never = Constant() value=[2]{}\n" in text


def test_numbers_show_four_digits_and_no_noise_around_zero():
    def shown(*values: float) -> str:
        node = Node("c", Constant(np.array(values)))
        return print_graph(Graph(Level.TENSOR, (), (node,))).splitlines()[1]

    assert shown(1.23456789, -1e-13).endswith("[2]{0..1.235}")
    assert shown(1e-9, 123456).endswith("[2]{1e-09..1.235e+05}")


def test_diff():
    before = print_graph(core_graph(0, (1, 2, 1), ("tanh",)))
    after = print_graph(core_graph(0, (1, 2, 1), ("sin",)))
    assert diff(before, before) == ""
    shared = before.splitlines()
    assert diff(before, after).splitlines() == [
        "--- before",
        "+++ after",
        "@@ -4,3 +4,3 @@",
        f" {shared[3]}",
        "-  %act0 = Activation(%affine0) function=tanh",
        "+  %act0 = Activation(%affine0) function=sin",
        f" {shared[5]}",
    ]
