"""The table of activations."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import PinnirError
from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation
from pinnir.numerics.activations import ACTIVATIONS, KNOWN, name_of

PARAMETERS = {"clip": (-0.5, 2.0)}


@pytest.mark.parametrize("name", [name for name, spec in ACTIVATIONS.items() if spec.inverse])
@pytest.mark.parametrize("middle", [0.9, 2.5, -4.0, -40.0, 50.0])
def test_inverse_stays_in_its_piece(name, middle):
    """Only sin and cos have more than one piece; the others are monotone."""
    if name not in ("sin", "cos") and middle != 0.9:
        return
    spec, parameters = ACTIVATIONS[name], PARAMETERS.get(name, ())
    offset = {"sin": np.pi / 2}.get(name, 0.0)
    piece = np.floor((middle - offset) / np.pi) * np.pi + offset
    periodic = name in ("sin", "cos")
    z = piece + np.linspace(0.1, 3.0, 50) if periodic else np.linspace(0.01, 1.9, 50)
    found = spec.inverse(spec.function(z, *parameters), np.full(50, piece + np.pi / 2))
    np.testing.assert_allclose(found, z, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", KNOWN)
def test_known_functions_are_told_apart(name):
    assert name_of(KNOWN[name]) == name


def test_nobody_named_this_function():
    assert name_of(lambda z: np.sin(z) + 0.3 * np.cos(z)) == "unary"


def test_functions_that_are_not_finite_everywhere_have_no_name():
    assert name_of(np.log) == "unary"
    assert name_of(lambda z: np.exp(z) / 0.0) == "unary"


def test_unknown():
    with pytest.raises(PinnirError) as caught:
        apply_activation(Activation("swish"), np.zeros((1, 1)))
    assert str(caught.value) == (
        "'swish': unknown activation\nhint: known are " + ", ".join(ACTIVATIONS)
    )
    z = np.linspace(-1, 1, 5)[:, None]
    np.testing.assert_array_equal(apply_activation(Activation("tanh"), z), np.tanh(z))
