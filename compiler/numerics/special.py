"""Special functions of scipy, imported at their first call: that takes as long as a small run."""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from pinnir.numerics.matrix import Array

# Of a range that a number is found in: as often as its digits can tell.
_HALVINGS = 60


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
    """What Student's t stays below with this probability, one half or more.

    By halving: its distribution is a finite sum (M. Abramowitz and I. Stegun, 26.7.3 and 26.7.4),
    for which no library need be loaded.
    """
    low, high = 0.0, 1.0
    while _student(degrees, high) < probability:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(degrees, middle) < probability else (low, middle)
    return high


def _student(degrees: int, t: float) -> float:
    """Probability that Student's t stays below ``t``, not below zero."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    term = cosine if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    inside = math.sin(angle) * total
    return 0.5 + ((angle + inside) / math.pi if odd else inside / 2)
