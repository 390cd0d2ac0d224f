"""The activation functions that pinnir can turn into spikes, one table row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from pinnir.errors import PinnirError
from pinnir.matrix import Array


def _monotone(low: float, high: float, *parameters: float) -> Array:
    return np.empty(0)


def _multiples(offset: float, period: float) -> Callable[..., Array]:
    def between(low: float, high: float, *parameters: float) -> Array:
        first, last = np.ceil((low - offset) / period), np.floor((high - offset) / period)
        return offset + period * np.arange(first, last + 1)

    return between


@dataclass(frozen=True)
class ActivationSpec:
    """An element-wise function and what a staircase of it needs to know.

    Attributes:
        function: ``f(z, *parameters)``.
        turning_points: ``(low, high, *parameters)`` -> where ``f`` turns between rising and
            falling, ascending; empty for a monotone function.
        inverse: Closed inverse of a monotone increasing ``f``, or None to invert by bisection.
    """

    function: Callable[..., Array]
    turning_points: Callable[..., Array] = _monotone
    inverse: Callable[..., Array] | None = None


ACTIVATIONS: dict[str, ActivationSpec] = {
    "tanh": ActivationSpec(np.tanh, inverse=np.arctanh),
    "sigmoid": ActivationSpec(expit, inverse=logit),
    "relu": ActivationSpec(lambda z: np.maximum(z, 0.0), inverse=lambda y: y),
    "clip": ActivationSpec(lambda z, low, high: np.clip(z, low, high), inverse=lambda y, *_: y),
    "sin": ActivationSpec(np.sin, turning_points=_multiples(np.pi / 2, np.pi)),
    "cos": ActivationSpec(np.cos, turning_points=_multiples(0.0, np.pi)),
}


def activation(name: str) -> ActivationSpec:
    """The table row of that name.

    Raises:
        PinnirError: If there is none.
    """
    if name not in ACTIVATIONS:
        raise PinnirError(
            "unknown activation", node=name, hint=f"known are {', '.join(sorted(ACTIVATIONS))}"
        )
    return ACTIVATIONS[name]
