"""Staircases that are looked up instead of searched: for training, which asks many times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Staircase
from pinnir.numerics.matrix import Array

# Cells of a neuron's table a boundary, and the most of all.
_DENSITY, _MOST = 4, 2**14
# Boundaries that lie closer together share a cell: a number of cells over less would overflow.
_NARROW = 1e-200


class StaircaseTable:
    """A staircase that is looked up, many times faster than a search in every neuron's boundaries.

    The range of each neuron's boundaries is cut into equal cells; a value's cell gives the number
    of boundaries that lie safely below it; those that may still lie below, few but where a function
    jumps, are bisected, so that the result is the staircase's own.
    """

    def __init__(self, op: Staircase) -> None:
        neurons, count = op.boundaries.shape
        real = op.directions != 0
        ends = real.sum(axis=1)
        first = np.where(ends > 0, op.boundaries[:, 0] if count else 0.0, 0.0)
        last = op.boundaries[np.arange(neurons), np.maximum(ends - 1, 0)] if count else first
        last = np.where(ends > 0, last, 0.0)
        cells = int(min(_MOST, max(1, _DENSITY * count)))
        self._cells = cells
        wide = last - first > _NARROW
        self._low, self._scale = first, np.where(wide, cells / np.where(wide, last - first, 1), 0)
        cell = self._cell(np.where(real, op.boundaries, first[:, None]).T).T if count else None
        below = np.zeros((neurons, cells + 2), np.int64)
        if cell is not None:
            rows = np.broadcast_to(np.arange(neurons)[:, None], cell.shape)
            np.add.at(below, (rows[real], cell[real] + 1), 1)
        per_cell = below[:, 1:]
        # One cell of slack on either side: the cell itself is found with rounding errors.
        depth = int((per_cell + np.roll(per_cell, 1, axis=1)).max(initial=0))
        self._strides = [1 << bit for bit in reversed(range(depth.bit_length()))]
        counts = np.cumsum(below, axis=1)[:, :-1]
        start = np.concatenate([np.zeros((neurons, 1), np.int64), counts[:, :-2]], axis=1)
        self._start = np.ascontiguousarray(start).reshape(-1)
        padded = np.concatenate([op.boundaries, np.full((neurons, 2 * depth + 1), np.inf)], 1)
        self._boundaries, self._width = padded.reshape(-1), padded.shape[1]
        table = op.base[:, None] + op.step[:, None] * op.level_table
        self._values = np.ascontiguousarray(table).reshape(-1)
        slopes, self._least, self._largest = _slopes(op)
        self._slopes = slopes.reshape(-1)
        self._count = count + 1
        self._neurons = np.arange(neurons)

    def _cell(self, z: Array) -> NDArray[np.int64]:
        """Cell of each value ``(samples, neurons)``."""
        found = (z - self._low) * self._scale
        return np.clip(found, 0, self._cells - 1).astype(np.int64)

    def __call__(self, z: Array) -> tuple[Array, Array]:
        """Values and slopes, ``(samples, neurons)`` each."""
        place = self._place(z)
        inside = (z >= self._least) & (z <= self._largest)
        return self._values[place], self._slopes[place] * inside

    def values(self, z: Array) -> Array:
        """Values, ``(samples, neurons)``."""
        return np.asarray(self._values[self._place(z)])

    def _place(self, z: Array) -> NDArray[np.int64]:
        """Where in the tables of values and of slopes each number belongs."""
        index = self._start[self._cell(z) + self._neurons * self._cells]
        offset = self._neurons * self._width
        for stride in self._strides:
            index = index + stride * (z >= self._boundaries[index + offset + (stride - 1)])
        return np.asarray(index + self._neurons * self._count)


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
