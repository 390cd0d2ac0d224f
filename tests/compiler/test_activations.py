"""The table of activations."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.activations import ACTIVATIONS, activation
from pinnir.errors import PinnirError

Z = np.linspace(-9, 9, 4001)
PARAMETERS = {"clip": (-0.5, 2.0)}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_is_monotone_between_turning_points(name):
    spec, parameters = ACTIVATIONS[name], PARAMETERS.get(name, ())
    turns = spec.turning_points(Z[0], Z[-1], *parameters)
    assert np.all(np.diff(turns) > 0)
    slopes = np.diff(spec.function(Z, *parameters))
    inside = np.searchsorted(turns, Z[:-1]) == np.searchsorted(turns, Z[1:])
    for piece in range(len(turns) + 1):
        found = slopes[inside & (np.searchsorted(turns, Z[:-1]) == piece)]
        assert np.all(found >= -1e-15) or np.all(found <= 1e-15)


@pytest.mark.parametrize(("name", "first"), [("sin", -2.5 * np.pi), ("cos", -2 * np.pi)])
def test_turning_points_are_all_extrema(name, first):
    turns = ACTIVATIONS[name].turning_points(Z[0], Z[-1])
    np.testing.assert_allclose(turns, first + np.pi * np.arange(len(turns)), atol=1e-12)
    assert first - np.pi < Z[0] < first
    assert turns[-1] < Z[-1] < turns[-1] + np.pi
    np.testing.assert_allclose(np.abs(ACTIVATIONS[name].function(turns)), 1, atol=1e-15)


@pytest.mark.parametrize("name", [name for name, spec in ACTIVATIONS.items() if spec.inverse])
def test_inverse(name):
    spec, parameters = ACTIVATIONS[name], PARAMETERS.get(name, ())
    z = np.linspace(0.01, 1.9, 50)
    np.testing.assert_allclose(
        spec.inverse(spec.function(z, *parameters), *parameters), z, rtol=1e-12
    )


def test_unknown():
    with pytest.raises(PinnirError) as caught:
        activation("swish")
    assert str(caught.value) == (
        "'swish': unknown activation\nhint: known are " + ", ".join(sorted(ACTIVATIONS))
    )
    assert activation("tanh") is ACTIVATIONS["tanh"]
