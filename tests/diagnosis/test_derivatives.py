"""First and second derivatives of activations."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.diagnosis.derivatives import bend_of, slope_of
from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation
from pinnir.numerics.activations import ACTIVATIONS
from tests.networks import cores_of

Z = np.random.default_rng(0).uniform(-4, 4, (64, 3))
# The corners of the rounded clip begin and end on either side of where points are left out.
PARAMETERS = {"clip": (-1.5, 0.5), "rounded-clip": (-0.5, 0.5, 1.0)}
# The curve with the body is z * sigmoid(z).
BODY = next(n.op for n in cores_of("skip").nodes if isinstance(n.op, Activation) and n.op.body)
OPS = [Activation(name, PARAMETERS.get(name, ())) for name in ACTIVATIONS] + [BODY]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.function)
def test_slopes_and_bends_equal_differences(op):
    z = Z[np.abs(np.abs(Z - 0.25) - 0.25) > 0.02][:, None]  # away from the bends at 0 and 0.5
    z = z[np.abs(z + 1.5) > 0.02][:, None]
    y = apply_activation(op, z)
    up, down = (apply_activation(op, z + step) for step in (1e-4, -1e-4))
    np.testing.assert_allclose(slope_of(op, z, y), (up - down) / 2e-4, rtol=0, atol=1e-6)
    up, down = (apply_activation(op, z + step) for step in (2e-3, -2e-3))
    np.testing.assert_allclose(bend_of(op, z, y), (up - 2 * y + down) / 4e-6, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "sin", "cos"])
def test_formulas_are_exact(name):
    """Closer to each other than any difference: the second derivative is that of the first."""
    op = Activation(name)

    def slope(z):
        return slope_of(op, z, apply_activation(op, z))

    by_slope = (slope(Z + 1e-5) - slope(Z - 1e-5)) / 2e-5
    np.testing.assert_allclose(bend_of(op, Z, apply_activation(op, Z)), by_slope, atol=1e-9)


def test_a_body_is_differentiated_as_it_is_spelled():
    sigmoid = 1 / (1 + np.exp(-Z))
    y = apply_activation(BODY, Z)
    np.testing.assert_allclose(y, Z * sigmoid, atol=1e-12)
    wanted = sigmoid + y * (1 - sigmoid)
    np.testing.assert_allclose(slope_of(BODY, Z, y), wanted, atol=1e-9)
