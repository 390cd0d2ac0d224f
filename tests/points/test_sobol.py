"""Sobol points made here are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from pinnir.points.sobol import sobol
from tests.strategies import SEEDS


@given(columns=st.integers(1, 10), power=st.integers(0, 10), seed=SEEDS)
def test_points_are_those_of_scipy(columns, power, seed):
    wanted = qmc.Sobol(columns, scramble=True, rng=seed).random(2**power)
    np.testing.assert_array_equal(sobol(2**power, columns, seed), wanted)


@pytest.mark.parametrize("count", [3, 100])
def test_any_number_of_points_is_the_beginning_of_more(count):
    np.testing.assert_array_equal(sobol(count, 3, 1), sobol(128, 3, 1)[:count])
