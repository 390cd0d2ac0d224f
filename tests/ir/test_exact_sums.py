"""Sums that never round."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.exact_sums import is_whole, numbered, on_numbers, unit_for
from pinnir.ir.graph import Affine, Staircase
from pinnir.numerics.matrix import dense


def staircase(levels: int, neurons: int) -> Staircase:
    rows = np.tile(np.arange(levels - 1.0), (neurons, 1))
    ones = np.ones(neurons)
    start = np.full(neurons, -3, np.int32)
    return Staircase(rows, np.ones(rows.shape, np.int8), start, 0.5 * ones, 0.25 * ones)


def test_numbered_counts_from_zero():
    op = numbered(staircase(5, 2))
    z = np.array([[-1.0, 10.0]])
    assert op(z).tolist() == [[0, 4]]
    assert op.level_table.min() == 0


@given(st.integers(0, 1000))
def test_a_map_of_numbers_gives_the_same(seed):
    rng = np.random.default_rng(seed)
    op = staircase(6, 4)
    affine = Affine(rng.normal(size=(3, 4)), rng.normal(size=3))
    z = rng.normal(size=(10, 4)) * 4
    moved = on_numbers(affine, op)
    given_, found = (
        x @ dense(one.weight).T + one.bias for x, one in ((op(z), affine), (numbered(op)(z), moved))
    )
    np.testing.assert_allclose(found, given_, atol=1e-12)


@given(st.floats(1e-30, 1e30), st.integers(8, 52))
def test_units_reach_far_enough(bound, bits):
    (unit,) = unit_for(np.array([bound]), bits)
    assert Fraction(bound) / Fraction(unit) <= 2**bits
    assert Fraction(bound) / Fraction(unit) >= 2 ** (bits - 1)
    assert np.frexp(unit)[0] == 0.5


def test_is_whole():
    op = numbered(staircase(5, 2))
    weight = np.array([[0.5, -0.75], [2.0**-40, 3.0]])
    assert is_whole(Affine(weight, np.array([8.25, 0.0])), op)
    assert not is_whole(Affine(weight, np.array([0.1, 0.0])), op)
    assert not is_whole(Affine(weight, np.array([2.0**60, 0.0])), op)
    assert not is_whole(Affine(weight, np.zeros(2)), staircase(5, 2))
    assert is_whole(Affine(np.zeros((1, 2)), np.zeros(1)), op)
