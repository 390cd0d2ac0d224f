"""Weights are rounded so that sums stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnir.numerics.integer_weights import Moments, best_units, fitted_integers, largest_of
from tests.strategies import SEEDS


def problem(seed: int, rows: int, inputs: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and inputs that vary in ``rank`` directions."""
    rng = np.random.default_rng(seed)
    arriving = rng.normal(size=(200, rank)) @ rng.normal(size=(rank, inputs))
    return rng.normal(size=(rows, inputs)), arriving


def loss(weight: np.ndarray, made: np.ndarray, arriving: np.ndarray) -> np.ndarray:
    rest = weight - made
    return np.einsum("ri,ij,rj->r", rest, Moments.of(arriving).matrix, rest)


@given(SEEDS, st.integers(1, 4), st.integers(1, 12), st.integers(1, 12), st.integers(2, 10))
def test_never_worse_than_the_nearest_integers(seed, rows, inputs, rank, bits):
    weight, arriving = problem(seed, rows, inputs, rank)
    limit = 2 ** (bits - 1) - 1
    unit = largest_of(weight) / limit
    whole = fitted_integers(weight, Moments.of(arriving), unit, limit)
    assert np.array_equal(whole, np.rint(whole))
    assert np.abs(whole).max() <= limit
    nearest = np.rint(weight / unit[:, None])
    ours = loss(weight, whole * unit[:, None], arriving)
    theirs = loss(weight, nearest * unit[:, None], arriving)
    assert (ours <= theirs * (1 + 1e-9) + 1e-12).all()


def test_inputs_that_depend_on_each_other_make_up_for_the_rounding():
    weight, arriving = problem(3, 8, 40, 6)
    unit = largest_of(weight) / 7
    ours = loss(
        weight, fitted_integers(weight, Moments.of(arriving), unit, 7) * unit[:, None], arriving
    )
    theirs = loss(weight, np.rint(weight / unit[:, None]) * unit[:, None], arriving)
    assert ours.sum() < 0.05 * theirs.sum()


def test_integers_stay():
    rng = np.random.default_rng(1)
    weight = rng.integers(-7, 8, (5, 9)).astype(float)
    arriving = rng.normal(size=(100, 9))
    np.testing.assert_array_equal(
        fitted_integers(weight, Moments.of(arriving), np.ones(5), 7), weight
    )


@given(SEEDS, st.integers(2, 10))
def test_units_are_chosen_row_by_row(seed, bits):
    weight, arriving = problem(seed, 3, 8, 8)
    weight *= np.array([1e-3, 1.0, 1e3])[:, None]
    limit = 2 ** (bits - 1) - 1
    unit = best_units(weight, Moments.of(arriving), limit)
    assert (unit <= largest_of(weight) / limit * (1 + 1e-12)).all()
    plain = largest_of(weight) / limit

    def of(unit: np.ndarray) -> np.ndarray:
        made = fitted_integers(weight, Moments.of(arriving), unit, limit) * unit[:, None]
        return loss(weight, made, arriving)

    assert (of(unit) <= of(plain) * (1 + 1e-9) + 1e-15).all()


def test_rows_of_zeros():
    arriving = np.random.default_rng(0).normal(size=(50, 3))
    unit = best_units(np.zeros((2, 3)), Moments.of(arriving), 127)
    assert (unit > 0).all()
    assert not fitted_integers(np.zeros((2, 3)), Moments.of(arriving), unit, 127).any()
