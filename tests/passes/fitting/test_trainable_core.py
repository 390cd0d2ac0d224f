"""A core run as something to train: forwards what the oracle says, backwards its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Affine, Graph, Level
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.runs import Run
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from tests.helpers import (
    compiled,
    core_graph,
    direction,
    inner,
    moved,
    points,
    residual_core,
    staircase_graph,
)
from tests.networks import cores_of
from tests.strategies import SEEDS, core_graphs

SMOOTH = ("tanh", "sigmoid", "sin", "cos")
# Several strands with a block-diagonal read-out, gated layers in several cores, several axes.
NAMES = ("pfnn", "skip", "piratenet", "spinn3d")


def runs(graph: Graph, at: Array, steps: int = 0) -> list[tuple[TrainableCore, Run]]:
    """Every core, run with its own parameters."""
    found = [TrainableCore.of(graph, label, graph, steps) for label in core_labels(graph)]
    return [(one, one.forward(one.parameters, one.entering_values(at))) for one in found]


def assert_same_as_the_oracle(graph: Graph, at: Array) -> None:
    for core, run in runs(graph, at):
        names = {node.name for node in core.nodes}
        expected = trace(graph, graph.bind(at), names)
        assert names == {node.name for node in run.values if node.segment == core.label}
        for node in core.nodes:
            np.testing.assert_array_equal(run.values[node], expected[node.name])


@given(source=core_graphs(), seed=SEEDS, levels=st.integers(2, 40))
def test_staircases_run_as_the_oracle_runs_them(source, seed, levels):
    graph = staircase_graph(source, seed, levels)
    assert_same_as_the_oracle(graph, points(graph, 32, seed))


@given(source=core_graphs(), seed=SEEDS)
def test_activations_run_as_the_oracle_runs_them(source, seed):
    assert_same_as_the_oracle(source, points(source, 32, seed))


def test_residual_staircases():
    graph = staircase_graph(residual_core(), 0, 24)
    assert_same_as_the_oracle(graph, points(graph, 128, 0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quantise", ["", "quantise-activations{levels=16}"])
def test_families(name, quantise):
    graph = compiled(cores_of(name), quantise) if quantise else cores_of(name)
    assert len(core_labels(graph)) == {"piratenet": 5, "spinn3d": 3}.get(name, 1)
    assert_same_as_the_oracle(graph, points(graph, 24, 1))


def test_until_a_node():
    graph = staircase_graph(residual_core(), 0, 24)
    core = TrainableCore.of(graph, "core.1", graph)
    entering = core.entering_values(points(graph, 8, 0))
    run = core.forward(core.parameters, entering, until=graph.node("affine1"))
    ran = {node.name for node in run.values} - {"x"}
    assert ran == {"affine0", "act0", "affine1"}
    whole = core.forward(core.parameters, entering)
    for node, value in run.values.items():
        np.testing.assert_array_equal(value, whole.values[node])


# ------------------------------------------------------------------------------------- over time

RATE = {
    "ramps": "split-thresholds{units=3},quantise-activations{levels=9}",
    "signed": "balance-thresholds{steps=8},quantise-activations{levels=17,rounding=zero}",
}


def assert_same_as_the_program(source: Graph, pipeline: str, at: Array, steps: int = 8) -> None:
    """Every map that the program still has, averaged over the steps."""
    graph = compiled(source, pipeline)
    lowered = compiled(graph, f"lower{{coding=rate,steps={steps}}}")
    for core, run in runs(graph, at, steps):
        assert core.names
        expected = trace(lowered, lowered.bind(at), core.names)
        for node in run.maps:
            np.testing.assert_allclose(run.values[node], expected[node.name], rtol=0, atol=1e-9)
        for node in run.slopes:
            assert run.slopes[node].shape == run.values[node].shape


@settings(max_examples=25)
@given(source=core_graphs(("tanh", "sin"), 2), seed=SEEDS, kind=st.sampled_from(sorted(RATE)))
def test_integrate_and_fire_neurons_run_as_the_program_runs_them(source, seed, kind):
    assert_same_as_the_program(source, RATE[kind], points(source, 16, seed))


@pytest.mark.parametrize("kind", RATE)
def test_residual_cores_over_time(kind):
    source = residual_core()
    assert_same_as_the_program(source, RATE[kind], points(source, 64, 0))


@pytest.mark.parametrize("name", ["pfnn", "modified_mlp"])
@pytest.mark.parametrize("kind", RATE)
def test_families_over_time(name, kind):
    """Of several cores, the first alone sees the same values in every step."""
    graph = compiled(cores_of(name), RATE[kind])
    lowered = compiled(graph, "lower{coding=rate,steps=8}")
    at = points(graph, 24, 0)
    core, run = runs(graph, at, 8)[0]
    expected = trace(lowered, lowered.bind(at), core.names)
    for node in core.leaving:
        np.testing.assert_allclose(run.values[node], expected[node.name], rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------------- backwards


def assert_derivatives_equal_differences(graph: Graph, seed: int, at: Array) -> None:
    """Of a random linear function of what leaves, in a random direction of the parameters."""
    for core, run in runs(graph, at):
        entering = core.entering_values(at)
        rng = np.random.default_rng(seed)
        by = {node: rng.normal(size=run.values[node].shape) for node in core.leaving}

        def loss(parameters, core=core, entering=entering, by=by):
            values = core.forward(parameters, entering).values
            return sum(float((by[node] * values[node]).sum()) for node in core.leaving)

        start = core.parameters
        way = direction(start, seed)
        step = 1e-6
        difference = (loss(moved(start, way, step)) - loss(moved(start, way, -step))) / (2 * step)
        found = inner(way, run.derivatives(run.sweep(by), core.names))
        scale = np.sqrt(inner(way, way)) * max(1.0, abs(difference))
        assert abs(found - difference) < 1e-6 * scale


@given(source=core_graphs(functions=SMOOTH), seed=SEEDS)
def test_derivatives_of_activations(source, seed):
    assert_derivatives_equal_differences(source, seed, points(source, 8, seed))


def test_derivatives_of_a_residual_core():
    graph = residual_core()
    assert_derivatives_equal_differences(graph, 1, points(graph, 32, 0))


@pytest.mark.parametrize("name", [*NAMES, "modified_mlp"])
def test_derivatives_of_families(name):
    graph = cores_of(name)
    assert_derivatives_equal_differences(graph, 1, points(graph, 12, 0))


def test_derivatives_through_fine_staircases_are_those_of_the_activations():
    source = residual_core()
    fine = compiled(source, "quantise-activations{levels=20000}")
    at = points(source, 64, 0)
    found = []
    for graph in (source, fine):
        ((core, run),) = runs(graph, at)
        by = {node: np.ones_like(run.values[node]) for node in core.leaving}
        found.append(run.derivatives(run.sweep(by), core.names))
    for name, pair in found[0].items():
        for exact, straight_through in zip(pair, found[1][name], strict=True):
            np.testing.assert_allclose(straight_through, exact, atol=2e-3 * np.abs(exact).max())


def test_bends_are_those_of_the_slopes():
    graph = core_graph(0, (2, 4, 4, 1), ("tanh", "sin"))
    at = points(graph, 16, 0)
    ((_, run),) = runs(graph, at)
    for node, bend in run.bends().items():
        z, y = run.arriving(node), run.values[node]
        wanted = -2 * y * (1 - y**2) if node.op.function == "tanh" else -np.sin(z)
        np.testing.assert_allclose(bend, wanted, atol=1e-12)


# ------------------------------------------------------------------------------------ parameters


def test_only_maps_that_the_source_has_may_change():
    graph = residual_core()
    other = core_graph(0, (2, 4, 1), ("tanh",))  # affine0 and affine1
    core = TrainableCore.of(graph, "core.1", other)
    assert core.parameters.keys() == {"affine0", "affine1"}
    way = direction(core.parameters, 0)
    after = with_parameters(graph, moved(core.parameters, way, 1.0))
    for node in graph.nodes:
        op = after.node(node.name).op
        if isinstance(op, Affine) and node.name in way:
            np.testing.assert_array_equal(op.weight - node.op.weight, way[node.name][0])
            np.testing.assert_array_equal(op.bias - node.op.bias, way[node.name][1])
        else:
            assert op is node.op
    assert after.level is Level.TENSOR


def test_what_leaves_side_by_side_and_apart():
    graph = cores_of("modified_mlp")
    core = TrainableCore.of(graph, core_labels(graph)[0], graph)
    run = core.forward(core.parameters, core.entering_values(points(graph, 5, 0)))
    values = {node: run.values[node] for node in core.leaving}
    assert len(values) > 1
    apart = core.apart(core.side_by_side(run.values))
    for node, value in values.items():
        np.testing.assert_array_equal(apart[node], value)
