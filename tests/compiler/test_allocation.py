"""Levels are spent where they count, and never more than there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.allocation import allocate, units_of
from pinnir.codings.population import build_table
from pinnir.ir import Activation
from pinnir.staircase import build_staircase
from tests.strategies import SEEDS

LEVELS = st.integers(2, 3000)
LAYERS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def layers(seed: int, widths: list[int], spread: float) -> tuple[dict, dict]:
    """Weights and heights over some orders of magnitude, with a few zeros."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        values = {f"act{i}": np.exp(spread * rng.normal(size=n)) for i, n in enumerate(widths)}
        found.append({name: v * (rng.random(v.size) > 0.1) for name, v in values.items()})
    return found[0], found[1]


def joined(values: dict) -> np.ndarray:
    return np.concatenate(list(values.values()))


@given(seed=SEEDS, widths=LAYERS, spread=st.floats(0, 100), levels=LEVELS)
def test_never_more_units_than_even_levels_take(seed, widths, spread, levels):
    found = joined(allocate(*layers(seed, widths, spread), levels))
    units = [units_of(int(one)) for one in found]
    assert sum(units) <= len(found) * units_of(levels)
    assert found.min() >= 2


@given(seed=SEEDS, widths=LAYERS, spread=st.floats(0, 5), levels=LEVELS)
def test_more_levels_where_weight_times_height_is_larger(seed, widths, spread, levels):
    weights, heights = layers(seed, widths, spread)
    found = joined(allocate(weights, heights, levels))
    share = joined(weights) * joined(heights)
    assert np.all(np.diff(found[np.argsort(share, kind="stable")]) >= 0)
    for value in np.unique(share):
        assert np.ptp(found[share == value]) == 0


@given(widths=LAYERS, share=st.floats(1e-200, 1e100), levels=LEVELS)
def test_equal_shares_give_even_levels(widths, share, levels):
    equal = {f"act{i}": np.full(n, share) for i, n in enumerate(widths)}
    ones = {name: np.ones(value.size) for name, value in equal.items()}
    found = joined(allocate(equal, ones, levels))
    even = max(2, round(np.sqrt(levels))) ** 2 if levels > 2 else 2
    np.testing.assert_array_equal(found, even)


@given(seed=SEEDS, scale=st.floats(1e-60, 1e60), levels=LEVELS)
def test_only_ratios_count(seed, scale, levels):
    weights, heights = layers(seed, [5, 5], 1.0)
    scaled = {name: scale * value for name, value in weights.items()}
    one, other = (joined(allocate(w, heights, levels)) for w in (weights, scaled))
    assert np.mean(one != other) <= 0.1  # but for rounding errors at the edge of a rung


@given(seed=SEEDS, levels=st.integers(16, 1024))
def test_the_predicted_error_falls(seed, levels):
    weights, heights = layers(seed, [20, 20], 1.5)

    def error(found):
        parts = [weights[n] * heights[n] / (found[n] - 1) for n in weights]
        return np.linalg.norm(np.concatenate(parts))

    even = {name: np.full(value.size, levels) for name, value in weights.items()}
    assert error(allocate(weights, heights, levels)) < error(even)


def test_neurons_that_do_not_matter():
    zero = {"a": np.zeros(3), "b": np.zeros(2)}
    found = allocate(zero, zero, 256)
    assert [value.shape for value in found.values()] == [(3,), (2,)]
    assert np.ptp(joined(found)) == 0


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 16, 17, 30, 31, 32, 255, 256, 257, 1000])
def test_units_are_those_of_the_coding(levels):
    op = build_staircase(Activation("tanh"), np.full(1, -2.0), np.full(1, 2.0), levels)
    table = build_table(op, np.full(1, 2.0))
    assert table.coarse.shape[1] + table.fine.shape[2] == units_of(levels)
