"""First and second derivatives of activation functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinnir.evaluate import apply_activation
from pinnir.ir import Activation, Array

# name -> (z, f(z)) -> derivative
_SLOPES: dict[str, Callable[[Array, Array], Array]] = {
    "tanh": lambda z, y: 1 - y * y,
    "sigmoid": lambda z, y: y * (1 - y),
    "sin": lambda z, y: np.cos(z),
    "cos": lambda z, y: -np.sin(z),
}
_BENDS: dict[str, Callable[[Array, Array], Array]] = {
    "tanh": lambda z, y: 2 * y * (y * y - 1),
    "sigmoid": lambda z, y: y * (1 - y) * (1 - 2 * y),
    "sin": lambda z, y: -y,
    "cos": lambda z, y: -y,
}
# Steps of differences, which balance rounding errors with the curvature that is neglected.
_STEP, _BEND_STEP = 1e-5, 1e-3


def slope_of(op: Activation, z: Array, y: Array) -> Array:
    """Derivative of an activation at ``z``, where its value is ``y``: of a body, a difference."""
    if op.function in _SLOPES and op.body is None:
        return _SLOPES[op.function](z, y)
    step = _STEP * (1 + np.abs(z))
    rise: Array = apply_activation(op, z + step) - apply_activation(op, z - step)
    return rise / (2 * step)


def bend_of(op: Activation, z: Array, y: Array) -> Array:
    """Second derivative of an activation at ``z``, where its value is ``y``."""
    if op.function in _BENDS and op.body is None:
        return _BENDS[op.function](z, y)
    step = _BEND_STEP * (1 + np.abs(z))
    rise: Array = apply_activation(op, z + step) - 2 * y + apply_activation(op, z - step)
    return rise / step**2
