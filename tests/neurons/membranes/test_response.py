"""Measured responses are what membranes do under constant currents."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.neurons.membranes.response import counts, measured

STEPS = 16
# Hodgkin and Huxley's takes seconds.
NAMES = pytest.mark.parametrize("name", sorted(set(CONVERSIONS) - {"hodgkin-huxley"}))


@NAMES
def test_levels_are_the_counts(name):
    conversion = CONVERSIONS[name]
    low, high = np.array([-1.0, 2.0]), np.array([1.0, 2.5])
    found = measured(conversion, (low, high), STEPS)
    shares = np.random.default_rng(0).uniform(size=200)
    z = low + shares[:, None] * (high - low)
    currents = found.gain * z + found.offset
    expected = counts(conversion.model, conversion.scheme, currents, STEPS, conversion.kick)
    # Between two measured currents it may be either count.
    assert (found.levels(z) == expected).mean() > 0.95
    assert np.abs(found.levels(z) - expected).max() <= 2
    np.testing.assert_allclose(found.gain * low + found.offset, conversion.drive[0])
    np.testing.assert_allclose(found.gain * high + found.offset, conversion.drive[1])


@NAMES
def test_values_follow_the_ramp(name):
    low, high = np.zeros(1), np.ones(1)
    found = measured(CONVERSIONS[name], (low, high), 64)
    z = np.linspace(0, 1, 101)[:, None]
    # A membrane that fires at about one rate or not at all is off by half a step of it.
    most = 0.35 if name == "fitzhugh-nagumo" else 0.1
    assert np.sqrt(np.mean((found(z) - z) ** 2)) < most
    assert abs((found(z) - z).mean()) < 0.02


def test_beyond_the_ramp_nothing_changes():
    found = measured(CONVERSIONS["izhikevich"], (np.zeros(1), np.ones(1)), STEPS)
    inside, beyond = found.levels(np.array([[0.0], [1.0]])), found.levels(np.array([[-9.0], [9.0]]))
    np.testing.assert_array_equal(beyond, inside)


def test_by_current():
    found = measured(CONVERSIONS["lif"], (np.array([-1.0]), np.array([3.0])), STEPS)
    z = np.linspace(-2, 4, 50)[:, None]
    shares = found.by_current(STEPS)(found.gain * z + found.offset)
    np.testing.assert_allclose(shares, found.levels(z) / STEPS)
