"""Levels are spent where they count, and never more than there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.codings.population import build_table
from pinnir.ir.graph import Activation
from pinnir.passes.fitting.level_allocation import Rounded, allocate, spreads_of, units_of
from pinnir.passes.rounding.staircases import build_staircase
from tests.strategies import SEEDS

LEVELS = st.integers(2, 3000)
LAYERS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def layers(seed: int, widths: list[int], spread: float, *, even: bool = False) -> dict:
    """Weights and heights over some orders of magnitude, with a few zeros.

    Values are evenly spread, or anything from constant but for moments to on either end.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for i, n in enumerate(widths):
        weights, heights = np.exp(spread * rng.normal(size=(2, n))) * (rng.random((2, n)) > 0.1)
        share = np.full(n, 0.25) if even else rng.uniform(0, 0.5, n)
        found[f"act{i}"] = Rounded(weights, heights, share * heights)
    return found


def joined(values: dict) -> np.ndarray:
    return np.concatenate(list(values.values()))


def shares(given: dict) -> np.ndarray:
    return np.concatenate([one.weights * one.heights for one in given.values()])


@given(seed=SEEDS, widths=LAYERS, spread=st.floats(0, 100), levels=LEVELS)
def test_never_more_units_and_spikes_than_even_levels_take(seed, widths, spread, levels):
    about = layers(seed, widths, spread)
    found = joined(allocate(about, levels))
    units = [units_of(int(one)) for one in found]
    most = len(found) * units_of(levels)
    assert sum(units) <= most
    assert found.min() >= 2
    height = np.concatenate([one.heights for one in about.values()])
    spreads = np.concatenate([one.spreads for one in about.values()])
    rates = 0.25 + spreads / np.where(height, height, 1)
    least = np.sum(rates * (np.sqrt(found) > 2))  # two levels a bank are the least there are
    assert levels < 9 or np.sum(rates * (np.sqrt(found) - 1)) <= max(least, most / 4) * (1 + 1e-9)


@given(seed=SEEDS, widths=LAYERS, spread=st.floats(0, 5), levels=LEVELS)
def test_more_levels_where_weight_times_height_is_larger(seed, widths, spread, levels):
    about = layers(seed, widths, spread, even=True)
    found, share = joined(allocate(about, levels)), shares(about)
    moving = share > 0  # what does not move spikes less
    found, share = found[moving], share[moving]
    assert np.all(np.diff(found[np.argsort(share, kind="stable")]) >= 0)


@given(widths=LAYERS, share=st.floats(1e-200, 1e100), levels=LEVELS)
def test_equal_shares_give_even_levels(widths, share, levels):
    equal = {
        f"act{i}": Rounded(np.full(n, share), np.ones(n), np.full(n, 0.25))
        for i, n in enumerate(widths)
    }
    found = joined(allocate(equal, levels))
    even = max(2, round(np.sqrt(levels))) ** 2 if levels > 2 else 2
    np.testing.assert_array_equal(found, even)


def test_neurons_that_spike_more_get_fewer_levels():
    """Half of them sit at either end of their range, half hardly ever leave one."""
    spreads = np.repeat([0.5, 0.05], 10)
    found = joined(allocate({"a": Rounded(np.ones(20), np.ones(20), spreads)}, 256))
    assert found[:10].max() < found[10:].min()


@given(seed=SEEDS, scale=st.floats(1e-60, 1e60), levels=LEVELS)
def test_only_ratios_count(seed, scale, levels):
    about = layers(seed, [5, 5], 1.0)
    scaled = {n: replace(one, weights=scale * one.weights) for n, one in about.items()}
    one, other = (joined(allocate(given, levels)) for given in (about, scaled))
    assert np.mean(one != other) <= 0.1  # but for rounding errors at the edge of a rung


@given(seed=SEEDS, levels=st.integers(16, 1024))
def test_the_predicted_error_falls(seed, levels):
    about = layers(seed, [20, 20], 1.5, even=True)

    def error(found):
        parts = [one.weights * one.heights / (found[n] - 1) for n, one in about.items()]
        return np.linalg.norm(np.concatenate(parts))

    even = {name: np.full(one.heights.size, levels) for name, one in about.items()}
    assert error(allocate(about, levels)) < error(even)


def test_neurons_that_do_not_matter():
    zero = {name: Rounded(*np.zeros((3, n))) for name, n in (("a", 3), ("b", 2))}
    found = allocate(zero, 256)
    assert [value.shape for value in found.values()] == [(3,), (2,)]
    assert np.ptp(joined(found)) == 0


def test_spreads_are_rates_of_the_rarer_side():
    """Of thresholds anywhere in the range, by their mean share on the rarer side."""
    values = np.random.default_rng(0).uniform(0, 1, (4000, 3)) ** np.array([0.2, 1, 5])
    thresholds = np.linspace(0, 1, 2001)
    above = (values[:, :, None] >= thresholds).mean(axis=0)
    rare = np.minimum(above, 1 - above).mean(axis=1)
    np.testing.assert_allclose(spreads_of(values), rare, atol=1e-3)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 16, 17, 30, 31, 32, 255, 256, 257, 1000])
def test_units_are_those_of_the_coding(levels):
    op = build_staircase(Activation("tanh"), np.full(1, -2.0), np.full(1, 2.0), levels)
    table = build_table(op, np.full(1, 2.0))
    assert table.coarse.shape[1] + table.fine.shape[2] == units_of(levels)
