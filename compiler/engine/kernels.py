"""Loops over a layer's neurons and samples: with numpy, or compiled by Numba if it is there.

Both do the same operations on the same numbers, so that results do not depend on which one ran.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.engine import jit
from pinnir.engine.layered_network import Layer
from pinnir.numerics.matrix import Array

Counts = NDArray[np.int64]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Kernels:
    """What is done with every neuron and sample.

    Attributes:
        look_up: Numbers of a layer's neurons, as :func:`look_up`.
        changes: How often, or how far, numbers change along rows, as :func:`changes`.
    """

    look_up: Callable[[Layer, Array, Array, Scratch, Counts | None], None]
    changes: Callable[[Array, int, bool, Scratch], Array]


class Scratch:
    """Memory that one thread uses again and again."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, int], dtype: type = np.float64) -> NDArray[Any]:
        """An array of that shape, with anything in it."""
        size = shape[0] * shape[1]
        key = (name, np.dtype(dtype).name)
        if key not in self._held or self._held[key].size < size:
            self._held[key] = np.empty(size, dtype)
        return self._held[key][:size].reshape(shape)


def look_up(
    layer: Layer, x: Array, numbers: Array, scratch: Scratch, histogram: Counts | None
) -> None:
    """Numbers of a layer's neurons, with numpy.

    Args:
        layer: The layer.
        x: Scaled pre-activations, ``(neurons, samples)``.
        numbers: Where the numbers go, likewise.
        scratch: Of this thread.
        histogram: How often every interval was found so far, or None.
    """
    found = scratch.take("intervals", x.shape, np.intp)
    layer.table.find(x, found, numbers)
    if histogram is not None:
        histogram += np.bincount(found.reshape(-1), minlength=histogram.size)
    np.take(layer.numbers, found, out=numbers, mode="clip")


def changes(numbers: Array, lines: int, graded: bool, scratch: Scratch) -> Array:
    """How numbers change from each sample to the next one of its line, with numpy.

    Args:
        numbers: ``(neurons, samples)``, whole ones, more samples than lines.
        lines: Samples from one to the next on the same line.
        graded: Whether a change counts once, however large it is.
        scratch: Of this thread.

    Returns:
        Sum over the samples, ``(neurons,)``.
    """
    neurons, samples = numbers.shape
    change = scratch.take("changes", (neurons, samples - lines))
    np.subtract(numbers[:, lines:], numbers[:, :-lines], out=change)
    far = change != 0 if graded else np.abs(change, out=change)
    total: Array = far.sum(axis=1, dtype=np.float64)
    return total


PLAIN = Kernels(look_up, changes)


@cache
def compiled() -> Kernels | None:
    """The same compiled by Numba; None if that cannot be imported."""
    if jit.numba() is None:
        return None
    inner = jit.compiled(_look_up)
    # Sums of whole numbers are the same in any order.
    inner_changes = jit.compiled(_changes, fastmath={"reassoc"})

    def fast_look_up(
        layer: Layer, x: Array, numbers: Array, scratch: Scratch, histogram: Counts | None
    ) -> None:
        found = scratch.take("row", (1, x.shape[1]), np.int32)[0]
        counts = _NONE if histogram is None else histogram
        inner(x, layer.table.parts, layer.numbers, numbers, found, counts)

    def fast_changes(numbers: Array, lines: int, graded: bool, scratch: Scratch) -> Array:
        total = np.zeros(len(numbers))
        inner_changes(numbers, lines, graded, total)
        return total

    return Kernels(fast_look_up, fast_changes)


_NONE = np.zeros(0, np.int64)


def _look_up(
    x: Array,
    table: tuple[Array, Array, Array, Index, Index, Array, Index],
    told: Array,
    numbers: Array,
    found: NDArray[np.int32],
    histogram: Counts,
) -> None:
    """One loop after the other over a row: each is simple enough to be made fast.

    Places are unsigned, because Numba looks whether signed ones are negative.
    """
    shift, scale, last, offset, cells, boundaries, depth = table
    for i in range(x.shape[0]):
        start, factor, end, begin = shift[i], scale[i], last[i], np.uint64(offset[i])
        for j in range(x.shape[1]):
            place = (x[i, j] - start) * factor
            place = place if place > 0.0 else 0.0
            found[j] = np.int32(place if place < end else end)
        for j in range(x.shape[1]):
            k = np.uint64(cells[begin + np.uint64(found[j])])
            found[j] = k + np.uint64(x[i, j] >= boundaries[k])
        for _ in range(1, depth[i]):
            for j in range(x.shape[1]):
                found[j] += x[i, j] >= boundaries[np.uint64(found[j])]
        for j in range(x.shape[1]):
            numbers[i, j] = told[np.uint64(found[j])]
        if histogram.size:
            for j in range(x.shape[1]):
                histogram[np.uint64(found[j])] += 1


def _changes(numbers: Array, lines: int, graded: bool, total: Array) -> None:
    for i in range(numbers.shape[0]):
        found = 0.0
        for j in range(lines, numbers.shape[1]):
            change = abs(numbers[i, j] - numbers[i, j - lines])
            found += min(change, 1.0) if graded else change
        total[i] = found
