"""The oracle: what graphs of each level mean."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import GraphError
from pinnir.ir.evaluate import compute, evaluate, trace
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Op, Primitive
from pinnir.neurons import IF
from pinnir.numerics.matrix import BlockDiagonal
from tests.helpers import core_graph, points, record, staircase_graph

X = Node("x", Input(1))


def scaled(name: str, factor: float, *operands: Node, bias: float = 0.0) -> Node:
    op = Affine(np.array([[factor]]), np.array([bias]))
    return Node(name, op, operands, "core.1")


def counter(read_out: str, **options) -> Graph:
    """``x -> half -> neuron -> tripled``: one IF neuron with threshold 1, four steps."""
    half = scaled("half", 0.5, X)
    neuron = Node("neuron", IF(np.ones(1), **options), (half,), "core.1")
    tripled = scaled("tripled", 3.0, neuron, bias=1.0)
    return Graph(Level.SPIKING, (X,), (tripled,), steps=4, read_out=read_out)


def test_tensor_graph_by_hand():
    graph = core_graph(0, (2, 3, 1), ("tanh",))
    first, last = (graph.node(name).op for name in ("affine0", "affine1"))
    x = points(graph, 5, 0)
    hidden = np.tanh(x @ first.weight.T + first.bias)
    (y,) = evaluate(graph, {"x": x})
    np.testing.assert_allclose(y, hidden @ last.weight.T + last.bias, rtol=1e-15)


def test_staircase_graph_by_hand():
    graph = staircase_graph(core_graph(0, (2, 3, 1), ("tanh",)), 0, 8)
    first, stairs, last = (graph.node(name).op for name in ("affine0", "act0", "affine1"))
    x = points(graph, 5, 0)
    hidden = stairs.base + stairs.step * stairs.levels(x @ first.weight.T + first.bias)
    (y,) = evaluate(graph, {"x": x})
    np.testing.assert_allclose(y, hidden @ last.weight.T + last.bias, rtol=1e-15)


def test_operands_are_summed():
    a, b = scaled("a", 2.0, X), scaled("b", 3.0, X)
    total = Node("total", Activation("relu"), (a, b), "core.1")
    graph = Graph(Level.TENSOR, (X,), (scaled("y", 1.0, total, a),))
    assert evaluate(graph, {"x": np.array([[1.0]])})[0] == [[7.0]]


def test_constants_and_inputs_can_be_outputs():
    constant = Node("c", Constant(np.array([[4.0]])))
    graph = Graph(Level.TENSOR, (X,), (constant, X))
    assert evaluate(graph, {"x": np.array([[3]])}) == [np.array([[4.0]]), np.array([[3.0]])]
    assert evaluate(graph, {"x": np.array([[3]])})[1].dtype == np.float64


def test_missing_input():
    with pytest.raises(GraphError) as caught:
        evaluate(core_graph(0, (1, 1), ()), {"y": np.zeros((1, 1))})
    assert str(caught.value) == "Input 'x': no value was given"


def test_an_affine_map_of_too_many_columns():
    with pytest.raises(GraphError) as caught:
        evaluate(Graph(Level.TENSOR, (X,), (scaled("y", 2.0, X),)), {"x": np.ones((4, 3))})
    assert str(caught.value) == "Affine 'y': takes 1 columns, but its operand has shape (4, 3)"


def test_op_without_a_meaning():
    class Unknown(Op):
        pass

    graph = Graph(Level.TENSOR, (X,), (Node("u", Unknown(), (X,)),))
    with pytest.raises(GraphError) as caught:
        evaluate(graph, {"x": np.zeros((1, 1))})
    assert str(caught.value) == "Unknown 'u': has no value outside a simulation"


@pytest.mark.parametrize(("read_out", "value"), [("mean", 2.5), ("last", 4.0)])
def test_read_out(read_out, value):
    """Half of x = 1 a step: spikes 0, 1, 0, 1."""
    assert evaluate(counter(read_out), {"x": np.array([[1.0]])})[0] == [[value]]


def test_spikes_arrive_in_the_step_they_were_fired_in():
    seen = record(counter("mean"), np.array([[1.0]]))
    assert [float(s.item()) for s in seen["neuron"]] == [0, 1, 0, 1]
    assert [float(s.item()) for s in seen["tripled"]] == [1, 4, 1, 4]


def test_feedback_arrives_one_step_later():
    feedback = BlockDiagonal(np.full((1, 1, 1), -0.5))
    seen = record(counter("mean", feedback=feedback), np.array([[2.0]]))
    # Input 1 a step; each spike takes one half away in the next: 1, 0.5, 1.5, 1 meet the threshold.
    assert [float(s.item()) for s in seen["neuron"]] == [1, 0, 1, 1]


def test_the_observer_sees_every_step_in_order():
    seen: list[tuple[int, str]] = []
    evaluate(
        counter("last"),
        {"x": np.ones((2, 1))},
        lambda step, node, value: seen.append((step, node.name)),
    )
    assert seen == [(step, name) for step in range(4) for name in ("half", "neuron", "tripled")]


def test_host_parts_run_once_around_the_core():
    before = Node("before", Primitive("Neg"), (X,), "host.0")
    half = scaled("half", 0.5, before)
    neuron = Node("neuron", IF(np.ones(1)), (half,), "core.1")
    after = Node("after", Primitive("Add"), (scaled("out", 1.0, neuron), before), "host.2")
    graph = Graph(Level.SPIKING, (X,), (after,), steps=4, read_out="mean")
    seen = record(graph, np.array([[-1.0]]))
    assert {name: len(steps) for name, steps in seen.items()} == {
        "before": 1,
        "half": 4,
        "neuron": 4,
        "out": 4,
        "after": 1,
    }
    assert seen["after"][0] == [[1.5]]


def test_trace_averages_over_steps():
    found = trace(counter("last"), {"x": np.array([[1.0], [2.0]])}, {"neuron", "half", "nothing"})
    assert found.keys() == {"neuron", "half"}
    np.testing.assert_array_equal(found["neuron"], [[0.5], [1.0]])
    np.testing.assert_array_equal(found["half"], [[0.5], [1.0]])


def test_means_of_nothing():
    """A slice may leave no numbers, and what becomes of them may be dropped."""
    x, row = np.zeros((0, 1)), np.ones(1)
    assert np.isnan(compute("ReduceMean", {"keepdims": 0}, [x]))
    assert compute("LayerNormalization", {"axis": 0}, [x, row]).shape == (0, 1)
    np.testing.assert_array_equal(compute("ReduceMean", {}, [np.array([[1.0, 4.0]])]), [[2.5]])
