"""What a layer that reads analog input multiplies while points are streamed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics.matrix import Array


class InputChanges:
    """Counts the products that neurons compute of their analog input, column by column.

    A neuron keeps the sum of its products over the columns that stayed where they were at the last
    change. If the same columns change again, it computes their products alone; if others do, all
    of them; if none does, nothing. So along a grid line one product a neuron is computed, and
    nothing is added up that could drift.

    Attributes:
        lines: How many points run side by side.
        products: How often each column's products were computed, ``(columns,)``; 0 before any.
    """

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self.products: Array = np.zeros(())
        self._last: Array | None = None  # point of every line, (lines, columns)
        self._active: NDArray[np.bool_] | None = None  # columns that changed last, likewise

    def __call__(self, x: Array) -> None:
        """Go on along the lines; ``x`` ``(points, columns)`` as a core of delta neurons gets it."""
        steps = by_steps(x, self.lines, self._last)
        start = np.full_like(steps[:1], np.nan) if self._last is None else self._last[None]
        changed = steps != np.concatenate([start, steps[:-1]])
        first = np.zeros_like(changed[:1]) if self._active is None else self._active[None]
        active = np.concatenate([first, changed])
        moves: NDArray[np.bool_] = np.asarray(active.any(axis=2))
        moves[0] = True
        last = np.maximum.accumulate(np.where(moves, np.arange(len(active))[:, None], 0), axis=0)
        active = np.take_along_axis(active, last[:, :, None], axis=0)
        same = (changed == active[:-1]).all(axis=2, keepdims=True)
        computed = np.where(same, changed, changed.any(axis=2, keepdims=True))
        self.products = self.products + computed.sum(axis=(0, 1))
        self._last, self._active = steps[-1], active[-1]


def by_steps(x: Array, lines: int, last: Array | None) -> Array:
    """Points ``(points, columns)`` as ``(steps, lines, columns)``; ended lines stay where they are.

    Args:
        x: The next point of every line, then the one after that; the last step may leave out
            lines that have ended, which are the last ones.
        lines: How many there are.
        last: Where the lines were before, if these are not their first points.
    """
    missing = -len(x) % lines
    if missing:
        before = x if last is None else np.concatenate([last, x])
        x = np.concatenate([x, before[len(before) - lines :][:missing]])
    return x.reshape(-1, lines, x.shape[1])
