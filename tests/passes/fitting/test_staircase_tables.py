"""A staircase that is looked up is the staircase; its slopes are of lines through its levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.diagnosis.derivatives import slope_of
from pinnir.ir.graph import Activation, Staircase
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.staircase_tables import StaircaseTable
from pinnir.passes.rounding.staircases import build_staircase
from tests.helpers import FUNCTIONS
from tests.strategies import SEEDS

LEVELS = st.one_of(st.integers(2, 20), st.integers(21, 1000))


def staircase(seed: int, name: str, levels: int) -> Staircase:
    """Four neurons of uneven levels, one of them constant."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-9, 1, 4)
    width = rng.uniform(0.1, 14, 4) * [1, 1, 0, 1]
    own = np.maximum(2, levels // np.array([1, 2, 1, 7]))
    return build_staircase(Activation(name), low, low + width, own)


def probes(op: Staircase, seed: int) -> Array:
    """At, just below and just above every boundary, between them, and far outside."""
    at = np.where(op.directions != 0, op.boundaries, 0.0).T
    between = np.random.default_rng(seed).uniform(-12, 16, (200, len(op.base)))
    far = np.array([-1e30, -1e6, -100.0, 100.0, 1e6, 1e30])[:, None] * np.ones(len(op.base))
    return np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), between, far])


@given(seed=SEEDS, name=st.sampled_from(FUNCTIONS), levels=LEVELS)
def test_values_are_the_staircases(seed, name, levels):
    op = staircase(seed, name, levels)
    z = probes(op, seed)
    np.testing.assert_array_equal(StaircaseTable(op)(z)[0], op(z))


@pytest.mark.parametrize("low", [-2.0, -1e-9, 0.0, 1e9])
@pytest.mark.parametrize("width", [1e-300, 1e-12, 1e5])
def test_values_on_odd_ranges(low, width):
    """Crowded boundaries, some of them equal; ranges that float64 hardly resolves."""
    boundaries = np.array([[low, low, low + 0.5 * width, low + width, low + width]])
    directions = np.array([[1, 1, -1, 1, 1]], np.int8)
    op = Staircase(boundaries, directions, np.zeros(1, np.int32), np.zeros(1), np.ones(1))
    z = probes(op, 0)
    np.testing.assert_array_equal(StaircaseTable(op)(z)[0], op(z))


def test_values_of_neurons_without_boundaries():
    op = build_staircase(Activation("relu"), np.full(2, -2.0), np.full(2, -1.0), 16)
    values, slopes = StaircaseTable(op)(np.array([[-9.0, 9.0], [0.0, 1e30]]))
    assert not values.any()
    assert not slopes.any()


@given(seed=SEEDS, name=st.sampled_from(FUNCTIONS), levels=st.integers(3, 1000))
def test_slopes_between_boundaries_are_one_step_over_the_gap(seed, name, levels):
    op = staircase(seed, name, levels)
    table = StaircaseTable(op)
    for neuron, (t, d) in enumerate(zip(op.boundaries, op.directions, strict=True)):
        for j in range(0, int((d != 0).sum()) - 1, max(1, len(t) // 7)):
            middle = np.full((1, len(op.base)), 0.5 * (t[j] + t[j + 1]))
            turns = d[j] != d[j + 1] or t[j] == t[j + 1]
            wanted = 0.0 if turns else d[j] * op.step[neuron] / (t[j + 1] - t[j])
            assert table(middle)[1][0, neuron] == wanted


@given(seed=SEEDS, name=st.sampled_from(("tanh", "sigmoid", "sin", "cos")))
def test_slopes_are_those_of_the_function(seed, name):
    """Within a gap, the derivative changes by at most the gap: no second one is larger than 1."""
    op = staircase(seed, name, 400)
    z = np.random.default_rng(seed).uniform(-9, 9, (300, 4))
    found = StaircaseTable(op)(z)[1]
    true = slope_of(Activation(name), z, ACTIVATIONS[name].function(z))
    for neuron, (t, d) in enumerate(zip(op.boundaries, op.directions, strict=True)):
        if np.count_nonzero(d) < 2:
            continue
        place = np.searchsorted(t[d != 0], z[:, neuron], side="right")
        inside = (place > 0) & (place < np.count_nonzero(d))
        same = inside & (d[place - 1] == d[np.minimum(place, len(d) - 1)])
        gap = t[np.minimum(place, len(t) - 1)] - t[place - 1]
        error = np.abs(found[:, neuron] - true[:, neuron])
        assert np.all(error[same] <= gap[same] + 1e-9)


@pytest.mark.parametrize("name", ["tanh", "relu", "clip"])
def test_the_function_ends_half_a_gap_beyond_the_boundaries(name):
    parameters = (-1.0, 1.0) if name == "clip" else ()
    op = build_staircase(Activation(name, parameters), np.full(2, -1.0), np.array([1.0, 3.0]), 9)
    table = StaircaseTable(op)
    last = np.count_nonzero(op.directions, axis=1) - 1
    neurons = np.arange(2)
    for end, inward in ((np.zeros(2, int), 1), (last, -1)):
        edge = op.boundaries[neurons, end]
        gap = np.abs(op.boundaries[neurons, end + inward] - edge)
        near, far = (edge - inward * share * gap for share in (0.49, 0.51))
        np.testing.assert_array_equal(table(near[None])[1][0], op.step / gap)
        assert not table(far[None])[1].any()
