"""Weights of neurons and of what leaves a core equal brute-force differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from pinnir.diagnosis.sensitivity import metric, sensitivities
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph
from pinnir.ir.sample_axes import layouts, to_grid
from pinnir.numerics.matrix import Array, dense
from pinnir.passes.pipelines import TIDY
from tests.dags import dags, separable_dags
from tests.helpers import compiled, core_graph, points, relative_error, residual_core
from tests.networks import cores_of
from tests.strategies import SEEDS, core_graphs
from tests.test_axes import graph_on_the_grid

# Gated layers in several cores, strands, SiLU; coordinates with cores of their own.
NAMES = ("modified_mlp", "piratenet", "pfnn", "skip", "resnet", "spinn", "spinn3d", "mionet")
STEP = 1e-4


def grids(graph: Graph, at: Array) -> list[Array]:
    """All outputs at all combinations."""
    axes = 1 + max(node.op.axis for node in graph.inputs)
    values = evaluate(graph, graph.bind(at))
    found = layouts(graph)
    sizes = (len(at),) * axes
    return [to_grid(v, found[o], sizes) for v, o in zip(values, graph.outputs, strict=True)]


def mean_square(values: list[Array]) -> float:
    """At a point, of all outputs together."""
    return sum(float((grid**2).sum(axis=-1).mean()) for grid in values)


def nudged(graph: Graph, name: str, change: Array) -> Graph:
    """The graph with a constant added to a node of a core.

    To a map's bias; or, as activations are read by maps alone, to the biases of those.
    """
    spiking = isinstance(graph.node(name).op, Activation)

    def shift(node):
        if spiking and any(operand.name == name for operand in node.operands):
            return node.with_op(
                Affine(node.op.weight, node.op.bias + dense(node.op.weight) @ change)
            )
        if not spiking and node.name == name:
            return node.with_op(Affine(node.op.weight, node.op.bias + change))
        return node

    return graph.rewrite(shift)


def slopes(graph: Graph, name: str, change: Array, at: Array) -> list[Array]:
    """Derivative of the outputs along a constant change of a node's value."""
    up, down = (grids(nudged(graph, name, s * STEP * change), at) for s in (1, -1))
    return [(a - b) / (2 * STEP) for a, b in zip(up, down, strict=True)]


def smooth(graph: Graph) -> Graph:
    """Without bends, where differences have no meaning."""
    return graph.rewrite(
        lambda node: (
            node.with_op(Activation("tanh"))
            if isinstance(node.op, Activation) and node.op.function == "relu"
            else node
        )
    )


def assert_weights_equal_differences(graph: Graph, at: Array) -> None:
    found = sensitivities(graph, at)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    assert found.keys() <= {node.name for node in spiking}
    size = mean_square(grids(graph, at))
    for name, weights in found.items():
        for neuron, weight in enumerate(weights):
            change = np.eye(weights.size)[neuron]
            moves = slopes(graph, name, change, at)
            wanted = np.sqrt(mean_square(moves) / size)
            assert weight == pytest.approx(wanted, rel=2e-3, abs=1e-5)


@settings(max_examples=30)
@given(graph=core_graphs(functions=("tanh", "sigmoid", "sin", "cos")), seed=SEEDS)
def test_weights_of_perceptrons(graph, seed):
    assert_weights_equal_differences(graph, points(graph, 16, seed))


@settings(max_examples=30)
@given(graph=dags())
def test_weights_of_random_networks(graph):
    """Residual, parallel and gated; values that leave a core and stay in it as well."""
    gathered = smooth(compiled(graph, "split-host,gather-synapses"))
    assert_weights_equal_differences(gathered, points(gathered, 12, 0))


@settings(max_examples=15)
@given(graph=separable_dags())
def test_weights_of_random_separable_networks(graph):
    gathered = smooth(compiled(graph, "split-host,gather-synapses"))
    assert_weights_equal_differences(gathered, points(gathered, 8, 0))


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_families(name):
    graph = cores_of(name)
    spiking = [n.name for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    at = points(graph, 10, 0)
    assert sensitivities(graph, at).keys() == set(spiking)
    assert_weights_equal_differences(graph, at)


def test_weights_of_a_core_of_both_axes():
    graph = compiled(graph_on_the_grid(), TIDY)
    assert_weights_equal_differences(graph, points(graph, 10, 0))


def test_a_neuron_that_nothing_depends_on_has_no_weight():
    graph = core_graph(0, (2, 4, 3, 1), ("tanh", "sin"))
    op = graph.node("affine1").op
    weight = op.weight.copy()
    weight[:, 2] = 0
    cut = graph.rewrite(
        lambda node: node.with_op(Affine(weight, op.bias)) if node.name == "affine1" else node
    )
    found = sensitivities(cut, points(cut, 16, 0))["act0"]
    assert found[2] == 0
    assert np.all(found[[0, 1, 3]] > 1e-3)


def test_a_network_that_is_zero_has_weights():
    graph = core_graph(0, (2, 4, 1), ("tanh",))
    op = Affine(np.zeros((1, 4)), np.zeros(1))
    zero = graph.rewrite(lambda node: node.with_op(op) if node.name == "affine1" else node)
    np.testing.assert_array_equal(sensitivities(zero, points(zero, 8, 0))["act0"], np.zeros(4))


def test_weights_do_not_depend_on_the_size_of_the_outputs():
    graph = core_graph(0, (2, 4, 1), ("tanh",))
    op = graph.node("affine1").op
    ten = Affine(10 * op.weight, 10 * op.bias)
    larger = graph.rewrite(lambda node: node.with_op(ten) if node.name == "affine1" else node)
    at = points(graph, 32, 0)
    one, other = (sensitivities(g, at)["act0"] for g in (graph, larger))
    np.testing.assert_allclose(other, one, rtol=1e-9)


def leaving(graph: Graph, label: str) -> list[str]:
    return [node.name for node in graph.segments[label] if graph.leaves(node)]


CORES = [
    (name, label)
    for name in (*NAMES, "xpinn", "deeponet")
    for label in cores_of(name).segments
    if label.startswith("core")
]


@pytest.mark.parametrize(("name", "label"), CORES)
def test_metric_is_symmetric_positive_and_says_what_an_error_does(name, label):
    graph = cores_of(name)
    at = points(graph, 10, 0)
    found = metric(graph, label, at)
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-12 * np.abs(found).max())
    assert np.linalg.eigvalsh(found).min() > -1e-12 * np.abs(found).max()
    size = mean_square(grids(graph, at))
    error = np.random.default_rng(0).normal(size=len(found))
    widths = [graph.node(one).op.bias.size for one in leaving(graph, label)]
    parts = np.split(error, np.cumsum(widths)[:-1])
    moves = [slopes(graph, *pair, at) for pair in zip(leaving(graph, label), parts, strict=True)]
    together = [sum(grid) for grid in zip(*moves, strict=True)]
    assert error @ found @ error == pytest.approx(mean_square(together) / size, rel=2e-3)


def test_metric_of_a_read_out_is_that_of_the_outputs():
    graph = residual_core()
    at = points(graph, 64, 0)
    wanted = 1 / np.mean(evaluate(graph, graph.bind(at))[0] ** 2)
    np.testing.assert_allclose(metric(graph, "core.1", at), [[wanted]], rtol=1e-6)


def test_weights_predict_the_error_of_rounding():
    """The formula of the module's docstring, on levels of a few hundredths."""
    graph = core_graph(3, (2, 12, 12, 1), ("tanh", "sin"))
    at = points(graph, 2048, 1)
    weights = sensitivities(graph, at)
    rounded = compiled(graph, "quantise-activations{levels=64}")
    steps = {name: rounded.node(name).op.step for name in weights}
    predicted = np.sqrt(sum(((weights[n] * steps[n]) ** 2).sum() / 12 for n in weights))
    assert relative_error(graph, rounded, at) == pytest.approx(predicted, rel=0.25)
