"""Special functions of scipy, imported at their first call: that takes as long as a small run."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from pinnir.numerics.matrix import Array


@cache
def _scipy() -> Any:
    return import_module("scipy.special")


def erf(x: Array) -> Array:
    """The error function, element by element."""
    return np.asarray(_scipy().erf(x))


def expit(x: Array) -> Array:
    """The logistic function ``1 / (1 + exp(-x))``, element by element."""
    return np.asarray(_scipy().expit(x))


def logit(y: Array) -> Array:
    """Where the logistic function has this value, element by element."""
    return np.asarray(_scipy().logit(y))


def softmax(x: Array, axis: int) -> Array:
    """Exponentials that add up to 1 along an axis."""
    return np.asarray(_scipy().softmax(x, axis))


def log_softmax(x: Array, axis: int) -> Array:
    """Logarithm of :func:`softmax`."""
    return np.asarray(_scipy().log_softmax(x, axis))


def student_quantile(degrees: int, probability: float) -> float:
    """What Student's t stays below with this probability."""
    return float(_scipy().stdtrit(degrees, probability))
