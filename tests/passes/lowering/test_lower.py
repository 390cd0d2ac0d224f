"""lower: staircases as spikes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.codings import find_coding, population
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Level, Node, Primitive, Staircase
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF, Threshold
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from tests.helpers import (
    FUNCTIONS,
    assert_same_values,
    compiled,
    context,
    core_graph,
    one_neuron,
    points,
    population_levels,
    record,
    staircase_graph,
)
from tests.strategies import SEEDS, core_graphs


def lowered(graph: Graph, coding: str = "population", steps: int = 1) -> Graph:
    after = Lower(find_coding(coding)(), steps).apply(graph, context(graph))
    check_rules(after)
    assert after.level is Level.SPIKING
    return after


def assert_level_for_level(stairs: Graph, at: np.ndarray) -> Graph:
    """Every neuron of the population program is at its staircase's level at every point."""
    spiking = lowered(stairs)
    values, spikes = record(stairs, at), record(spiking, at)
    for node in stairs.nodes:
        if isinstance(node.op, Staircase):
            expected = node.op.levels(values[node.operands[0].name][0])
            actual = population_levels(spiking, spikes, node.name)
            np.testing.assert_array_equal(actual, expected)
    assert_same_values(stairs, spiking, at, tolerance=1e-12)
    return spiking


def neurons(graph: Graph, kind: type) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, kind)]


# population


@given(graph=core_graphs(), seed=SEEDS, levels=st.integers(2, 100))
def test_population_equals_the_staircase_network(graph, seed, levels):
    stairs = staircase_graph(graph, seed, levels)
    assert_level_for_level(stairs, points(graph, 64, 1))


@given(graph=core_graphs(("sin", "cos")), seed=SEEDS, levels=st.integers(2, 40))
def test_population_of_functions_that_turn(graph, seed, levels):
    """Ranges of several periods: the functions rise and fall many times."""
    stairs = staircase_graph(graph, seed, levels, reach=15.0)
    far = points(graph, 64, 1) * 6
    spiking = Lower().apply(stairs, replace(context(stairs), calibration=far))
    values, spikes = record(stairs, far), record(spiking, far)
    for node in neurons(stairs, Staircase):
        np.testing.assert_array_equal(
            population_levels(spiking, spikes, node.name),
            node.op.levels(values[node.operands[0].name][0]),
        )


@given(
    graph=core_graphs(width=9),
    levels=st.sampled_from((3, 16, 50)),
    entries=st.sampled_from((1, 64, 400)),
)
def test_population_in_groups_of_neurons(graph, levels, entries):
    stairs = staircase_graph(graph, 0, levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "_LATERAL_ENTRIES", entries)
        assert_level_for_level(stairs, points(graph, 64, 1))


def test_groups_hold_as_many_neurons_as_fit(monkeypatch):
    stairs = staircase_graph(core_graph(0, (2, 5, 1), ("tanh",)), 0, 16)
    whole = assert_level_for_level(stairs, points(stairs, 64, 1))
    # 3 coarse and 3 fine units a neuron: 9 n^2 entries for n neurons.
    monkeypatch.setattr(population, "_LATERAL_ENTRIES", 9 * 2**2)
    parts = assert_level_for_level(stairs, points(stairs, 64, 1))
    assert [node.name for node in neurons(whole, Threshold)] == ["act0_coarse", "act0_fine"]
    assert [(node.name, node.op.units) for node in neurons(parts, Threshold)] == [
        (f"act0_{kind}_g{group}", 3 * size)
        for group, size in enumerate((2, 2, 1))
        for kind in ("coarse", "fine")
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("levels", [2, 3, 16, 100])
def test_population_on_either_side_of_every_boundary(function, levels):
    graph = one_neuron(Activation(function))
    wide = Affine(5 * np.eye(1), np.zeros(1))
    graph = graph.rewrite(lambda node: node.with_op(wide) if node.name == "affine0" else node)
    stairs = QuantiseActivations(levels=levels).apply(graph, context(graph))
    t = stairs.node("act0").op.boundaries.T / 5
    assert_level_for_level(stairs, np.concatenate([t - 1e-9, t + 1e-9]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_population_of_a_quantised_network(function):
    graph = core_graph(1, (2, 8, 8, 1), (function, function))
    stairs = compiled(graph, "quantise-activations{levels=256}")
    spiking = assert_level_for_level(stairs, points(graph, 256, 1))
    assert (spiking.steps, spiking.read_out) == (1, "last")


def test_a_layer_of_constant_neurons():
    graph = core_graph(0, (2, 3, 2, 1), ("relu", "tanh"))
    dead = Affine(graph.node("affine0").op.weight, np.full(3, -50.0))
    graph = graph.rewrite(lambda node: node.with_op(dead) if node.name == "affine0" else node)
    stairs = compiled(graph, "quantise-activations{levels=16}")
    assert_level_for_level(stairs, points(graph, 64, 1))


def test_a_value_that_leaves_the_core_keeps_its_name():
    stairs = staircase_graph(core_graph(0, (2, 3, 1), ("tanh",)), 0, 16)
    squared = Node("squared", Primitive("Mul"), (stairs.outputs[0],) * 2, "host.2")
    graph = Graph(Level.STAIRCASE, stairs.inputs, (squared,))
    after = assert_level_for_level(graph, points(stairs, 16, 1))
    assert after.node("squared").operands[0].name == "affine1"


# rate


@pytest.mark.parametrize("steps", range(1, 33))
@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (-0.3, 0.3), (0.0, 1.5), (0.5, 0.75), (-2.0, 0.5)]
)
def test_rate_counts_the_staircases_level(steps, low, high):
    """One neuron with a constant input: its spikes add up to the level, for every T."""
    signed = low == -high
    options = {"levels": 2 * steps + 1, "rounding": "zero"} if signed else {"levels": steps + 1}
    graph = one_neuron(Activation("clip", (low, high)))
    stairs = QuantiseActivations(**options).apply(graph, context(graph))
    spiking = lowered(stairs, coding="rate", steps=steps)
    at = np.random.default_rng(steps).uniform(-2.5, 2, (200, 1))
    count = np.sum(record(spiking, at)["act0"], axis=0)
    np.testing.assert_array_equal(count, stairs.node("act0").op.levels(at))
    assert_same_values(stairs, spiking, at, tolerance=1e-12)
    assert (spiking.steps, spiking.read_out) == (steps, "mean")
    assert neurons(spiking, IF)[0].op.signed == signed


@pytest.mark.parametrize(
    "clips",
    [
        "split-thresholds{{units=4}},quantise-activations{{levels={0}}}",
        "balance-thresholds,quantise-activations{{levels={1},rounding=zero}}",
    ],
)
def test_rate_approaches_its_staircase_network(clips):
    graph = core_graph(0, (2, 6, 6, 1), ("tanh", "tanh"))
    at = graph.bind(points(graph, 64, 1))
    errors = []
    for steps in (8, 32, 128, 512):
        stairs = compiled(graph, clips.format(steps + 1, 2 * steps + 1))
        (one,) = evaluate(stairs, at)
        (other,) = evaluate(lowered(stairs, coding="rate", steps=steps), at)
        errors.append(np.abs(other - one).mean())
    assert np.all(np.diff(np.log(errors)) < np.log(0.5))


def test_unknown_coding():
    with pytest.raises(PipelineError) as caught:
        Lower.of({"coding": "morse"})
    assert str(caught.value).startswith("'morse': unknown coding\nhint: known are population, ")
