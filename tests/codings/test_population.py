"""Population coding: the table of thresholds of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pinnir.codings.population import build_table
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Graph, Staircase
from pinnir.neurons import Threshold
from pinnir.passes.rounding.staircases import build_staircase
from tests.helpers import (
    FUNCTIONS,
    compiled,
    core_graph,
    points,
    population_levels,
    record,
    residual_core,
)
from tests.networks import cores_of
from tests.strategies import SEEDS, core_graphs


def staircase(seed: int, name: str, levels: int, neurons: int = 3) -> Staircase:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-9, 1, neurons)
    return build_staircase(Activation(name), low, low + rng.uniform(0.5, 14, neurons), levels)


def levels_of(op: Staircase, upper: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Levels that the table's units stand for, as its docstring says."""
    table = build_table(op, upper)
    found = np.empty(z.shape, int)
    for i in range(z.shape[1]):
        passed = z[:, i, None] >= table.coarse[i]
        assert np.all(np.diff(passed.astype(int), axis=1) <= 0), "coarse spikes form a thermometer"
        fired = z[:, i, None] >= table.fine[i, passed.sum(axis=1)]
        found[:, i] = op.start[i] + passed @ table.jump[i] + fired @ table.weight
    return found


@given(seed=SEEDS, name=st.sampled_from(FUNCTIONS), levels=st.integers(2, 80))
def test_table_means_the_staircase(seed, name, levels):
    op = staircase(seed, name, levels)
    z = np.random.default_rng(seed).uniform(-12, 16, (300, 3))
    np.testing.assert_array_equal(levels_of(op, np.full(3, 16.0), z), op.levels(z))


@given(seed=SEEDS, name=st.sampled_from(FUNCTIONS), levels=st.integers(2, 80))
def test_table_at_the_boundaries(seed, name, levels):
    op = staircase(seed, name, levels, neurons=1)
    t = op.boundaries[op.directions != 0][:, None]
    assume(len(t))
    z = np.concatenate([t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf)])
    np.testing.assert_array_equal(levels_of(op, z.max(axis=0), z), op.levels(z))


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 256, 1000])
def test_units_of_a_monotone_staircase(levels):
    table = build_table(staircase(0, "tanh", levels), np.full(3, 16.0))
    units = table.coarse.shape[1] + table.fine.shape[2]
    assert units <= 2 * np.sqrt(levels)


def test_constant_neurons_have_one_silent_unit():
    op = build_staircase(Activation("relu"), np.full(2, -2.0), np.full(2, -1.0), 16)
    z = np.linspace(-5, 0, 11)[:, None] * np.ones(2)
    assert np.all(levels_of(op, np.zeros(2), z) == 0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_unit_fires_on_more_than_half_of_the_calibration_points(name):
    graph = core_graph(0, (2, 4, 1), (name,))
    lowered = compiled(graph, "quantise-activations{levels=64},lower")
    seen = record(lowered, points(graph, 128, 0))
    shares = [
        seen[node.name][0].mean(axis=0) for node in lowered.nodes if isinstance(node.op, Threshold)
    ]
    assert np.concatenate(shares).max() <= 0.5
    assert np.concatenate(shares).max() > 0.1


def assert_level_for_level(graph: Graph, levels: int, refit: str = "") -> int:
    """Every neuron's level is the staircase's; returns how many populations there are."""
    rounded = compiled(
        graph, f"quantise-activations{{levels={levels},allocation=sensitivity}}{refit}"
    )
    lowered = compiled(rounded, "lower{coding=population}")
    at = points(graph, 64, 1)
    seen, units = record(rounded, at), record(lowered, at)
    for node in rounded.nodes:
        if isinstance(node.op, Staircase):
            z = sum(seen[operand.name][0] for operand in node.operands)
            found = population_levels(lowered, units, node.name)
            np.testing.assert_array_equal(found, node.op.levels(z))
    for one, other in zip(
        evaluate(rounded, rounded.bind(at)), evaluate(lowered, lowered.bind(at)), strict=True
    ):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)
    return sum(isinstance(node.op, Threshold) for node in lowered.nodes)


@settings(max_examples=40)
@given(graph=core_graphs(width=8), levels=st.integers(2, 300))
def test_uneven_levels_are_lowered_level_for_level(graph, levels):
    assert_level_for_level(graph, levels)


@pytest.mark.parametrize("name", ["resnet", "pfnn", "modified_mlp", "spinn", "constrained_fourier"])
@pytest.mark.parametrize("refit", ["", ",refit{points=256}"])
def test_uneven_levels_of_families(name, refit):
    graph = cores_of(name)
    layers = sum(n.in_core and isinstance(n.op, Activation) for n in graph.nodes)
    assert assert_level_for_level(graph, 64, refit) > 2 * layers  # there are several groups


def test_uneven_levels_of_a_residual_core():
    assert_level_for_level(residual_core(), 100)
