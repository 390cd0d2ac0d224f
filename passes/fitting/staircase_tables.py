"""Staircases with the slopes that training gives them."""

from __future__ import annotations

import numpy as np

from pinnir.ir.graph import Staircase
from pinnir.numerics.matrix import Array


class StaircaseTable:
    """A staircase and its slopes, many samples at a time."""

    def __init__(self, op: Staircase) -> None:
        self._op = op
        slopes, self._least, self._largest = _slopes(op)
        self._slopes = slopes.reshape(-1)
        values = op.base[:, None] + op.step[:, None] * op.level_table
        self._values = values.reshape(-1)
        self._first = np.arange(len(slopes)) * slopes.shape[1]

    def __call__(self, z: Array) -> tuple[Array, Array]:
        """Values and slopes, ``(samples, neurons)`` each."""
        place = self._op.intervals(z) + self._first
        inside = (z >= self._least) & (z <= self._largest)
        return self._values[place], self._slopes[place] * inside


def _slopes(op: Staircase) -> tuple[Array, Array, Array]:
    """Slope between every two boundaries, one step over the gap, and where the function goes on.

    It does so half a gap before the first boundary and behind the last; beyond, it is constant.

    Returns:
        ``(neurons, boundaries + 1)``, and the two ends, ``(neurons,)`` each.
    """
    neurons, count = op.boundaries.shape
    slopes = np.zeros((neurons, count + 1))
    if count < 2:
        return slopes, np.full(neurons, -np.inf), np.full(neurons, np.inf)
    with np.errstate(invalid="ignore"):  # of two infinite paddings
        gap = np.diff(op.boundaries, axis=1)
    same = op.directions[:, 1:] * op.directions[:, :-1] > 0
    gap = np.where(same & (gap > 0), gap, np.inf)
    slopes[:, 1:-1] = op.directions[:, 1:] * op.step[:, None] / gap
    rows, last = np.arange(neurons), np.maximum((op.directions != 0).sum(axis=1), 2) - 1
    slopes[:, 0] = slopes[:, 1]
    slopes[rows, last + 1] = slopes[rows, last]
    half = np.where(np.isfinite(gap), gap / 2, 0.0)
    least = op.boundaries[:, 0] - half[:, 0]
    largest = op.boundaries[rows, last] + half[rows, last - 1]
    return slopes, least, largest
