"""The activation functions with names of their own, one table row each.

Any other element-wise function of one value is an ``Activation`` with a body: ``fuse-activations``
finds it however the exporter spells it. The table gives the short forms, exact inverses, and names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pinnir.numerics.matrix import Array
from pinnir.numerics.operators import OPERATORS
from pinnir.numerics.special import erf, expit, logit


@dataclass(frozen=True)
class ActivationSpec:
    """An element-wise function and what a staircase of it needs to know.

    Attributes:
        function: ``f(z, *parameters)``.
        inverse: ``(y, middle)`` -> where ``f`` is ``y`` in the monotone piece around ``middle``;
            None to invert by bisection.
    """

    function: Callable[..., Array]
    inverse: Callable[[Array, Array], Array] | None = None


def _arcsin(y: Array, middle: Array) -> Array:
    half_turn = np.round(middle / np.pi)
    found: Array = np.pi * half_turn + np.where(half_turn % 2 == 0, 1.0, -1.0) * np.arcsin(y)
    return found


def _arccos(y: Array, middle: Array) -> Array:
    half_turn = np.floor(middle / np.pi)
    found: Array = np.pi * half_turn + np.where(half_turn % 2 == 0, np.arccos(y), np.arccos(-y))
    return found


def _corner(u: Array, half: Array | float) -> Array:
    """``max(u, 0)``, its corner a parabola from ``-half`` to ``half``."""
    inside = (u + half) ** 2 / (4 * half)
    return np.where(np.abs(u) < half, inside, np.maximum(u, 0.0))


def _rounded_clip(z: Array, low: Array, high: Array, half: Array | float) -> Array:
    """A clip as neurons see it whose input is noisy: the mean over ``z - half`` to ``z + half``."""
    found: Array = low + _corner(z - low, half) - _corner(z - high, half)
    return found


ACTIVATIONS: dict[str, ActivationSpec] = {
    "tanh": ActivationSpec(np.tanh, inverse=lambda y, _: np.arctanh(y)),
    "sigmoid": ActivationSpec(expit, inverse=lambda y, _: logit(y)),
    "relu": ActivationSpec(lambda z: np.maximum(z, 0.0), inverse=lambda y, _: y),
    "clip": ActivationSpec(lambda z, low, high: np.clip(z, low, high), inverse=lambda y, _: y),
    "rounded-clip": ActivationSpec(_rounded_clip),
    "sin": ActivationSpec(np.sin, inverse=_arcsin),
    "cos": ActivationSpec(np.cos, inverse=_arccos),
}

# Functions that networks spell out, by the names people know them by.
KNOWN: dict[str, Callable[[Array], Array]] = {
    "elu": OPERATORS["Elu"].compute,
    "gaussian": lambda z: np.exp(-(z**2)),
    "gelu": lambda z: 0.5 * z * (1 + erf(z / np.sqrt(2))),
    "gelu-tanh": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "leaky-relu": OPERATORS["LeakyRelu"].compute,
    "mish": OPERATORS["Mish"].compute,
    "selu": OPERATORS["Selu"].compute,
    "silu": lambda z: z * expit(z),
    "softplus": OPERATORS["Softplus"].compute,
}
_PROBE = np.linspace(-6.0, 6.0, 241)


def name_of(function: Callable[[Array], Array]) -> str:
    """The name of a spelled-out function, found by its values; ``unary`` if nobody named it.

    A factor is ignored: fuse-affine may have moved it into the next layer.
    """
    with np.errstate(all="ignore"):  # a function may be infinite or no number at some points
        values = function(_PROBE)
        for name, known in KNOWN.items():
            pattern = known(_PROBE)
            factor = (values @ pattern) / (pattern @ pattern)
            if 0 < factor < np.inf and np.allclose(
                values, factor * pattern, rtol=1e-5, atol=1e-6 * factor
            ):
                return name
    return "unary"
