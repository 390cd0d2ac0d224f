"""First and second derivatives of activation functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation
from pinnir.numerics.matrix import Array


def _step(u: Array, half: Array | float) -> Array:
    """Slope of a corner that is rounded from ``-half`` to ``half``."""
    return np.asarray(np.clip(u / (2 * half) + 0.5, 0.0, 1.0))


def _near(u: Array, half: Array | float) -> Array:
    """Its bend."""
    return np.asarray((np.abs(u) < half) / (2 * half))


# name -> (z, f(z), *parameters) -> derivative
_SLOPES: dict[str, Callable[..., Array]] = {
    "tanh": lambda z, y: 1 - y * y,
    "sigmoid": lambda z, y: y * (1 - y),
    "sin": lambda z, y: np.cos(z),
    "cos": lambda z, y: -np.sin(z),
    "rounded-clip": lambda z, y, low, high, half: _step(z - low, half) - _step(z - high, half),
}
_BENDS: dict[str, Callable[..., Array]] = {
    "tanh": lambda z, y: 2 * y * (y * y - 1),
    "sigmoid": lambda z, y: y * (1 - y) * (1 - 2 * y),
    "sin": lambda z, y: -y,
    "cos": lambda z, y: -y,
    "rounded-clip": lambda z, y, low, high, half: _near(z - low, half) - _near(z - high, half),
}
# Steps of differences, which balance rounding errors with the curvature that is neglected.
_STEP, _BEND_STEP = 1e-5, 1e-3


def slope_of(op: Activation, z: Array, y: Array) -> Array:
    """Derivative of an activation at ``z``, where its value is ``y``: of a body, a difference."""
    if op.function in _SLOPES and op.body is None:
        return _SLOPES[op.function](z, y, *op.parameters)
    return difference(op, z, _STEP)


def difference(op: Activation, z: Array, share: float) -> Array:
    """Central difference of an activation at ``z``; the step is this share of ``1 + |z|``."""
    at = z.astype(np.float64)  # single precision would leave no digits
    step = share * (1 + np.abs(at))
    rise: Array = apply_activation(op, at + step) - apply_activation(op, at - step)
    return np.asarray(rise / (2 * step), z.dtype)


def bend_of(op: Activation, z: Array, y: Array) -> Array:
    """Second derivative of an activation at ``z``, where its value is ``y``."""
    if op.function in _BENDS and op.body is None:
        return _BENDS[op.function](z, y, *op.parameters)
    at = z.astype(np.float64)
    value = y if y.dtype == at.dtype else apply_activation(op, at)
    step = _BEND_STEP * (1 + np.abs(at))
    rise: Array = apply_activation(op, at + step) - 2 * value + apply_activation(op, at - step)
    return np.asarray(rise / step**2, z.dtype)
