"""Tables that find the interval of ascending boundaries in which a number lies, for many rows.

A row's range is cut into equal cells, a power of two of them, and a table says how many boundaries
lie in earlier cells. Where a cell holds one boundary, a number's interval takes two look-ups and
one comparison, however many boundaries there are. The cell of ``x`` is

    cell(x) = int(clip((x - shift) * scale, 0, cells - 1)),

which rises with ``x`` in floating point too, and the table is built with this very expression. So
only boundaries of x's own cell can be in doubt, and these are compared with: nothing is
approximate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics.matrix import Array

Index = NDArray[np.intp]

# Cells a boundary to begin with, and the most of a row.
_CELLS_EACH = 3
_MOST_CELLS = 2**14
# Boundaries that lie closer together share a cell: its width must be a number.
_LEAST_SPAN = 1e-290


@dataclass(frozen=True, eq=False)
class BucketTable:
    """Ascending boundaries of several rows, and where to look for them.

    An *interval* is counted over all rows: row ``i`` owns ``first[i]`` to ``first[i + 1] - 1``, one
    more than it has boundaries.

    Attributes:
        boundaries: Of all rows, each row followed by a NaN, which no number reaches.
        first: First interval of each row, and the number of all, ``(rows + 1,)``.
        shift: Where a row's first cell begins, ``(rows, 1)``. It has few digits and the scale is a
            power of two, so that whole numbers of a unit stay exact when they are scaled.
        scale: Cells per unit, ``(rows, 1)``.
        offset: First cell of each row, counted over all, ``(rows, 1)``.
        last: Cells of each row but one, ``(rows, 1)``.
        cells: First interval that numbers of a cell may lie in.
        depth: Most boundaries in one cell, by row.
    """

    boundaries: Array
    first: Index
    shift: Array
    scale: Array
    offset: Index
    last: Array
    cells: Index
    depth: Index

    @classmethod
    def of(cls, boundaries: Array, counts: Index) -> BucketTable:
        """The table of some boundaries.

        Args:
            boundaries: Of one row after the other, ascending within a row, finite.
            counts: How many each row has, ``(rows,)``.
        """
        rows = np.arange(counts.size)
        owner = np.repeat(rows, counts)
        first = np.concatenate([[0], np.cumsum(counts + 1)])
        ended = np.full(int(first[-1]), np.nan)
        ended[np.arange(boundaries.size) + owner] = boundaries
        low, high = (_ends(ended, first, counts, end) for end in (0, -1))
        shift = _short(low, high - low)
        size = 2.0 ** np.ceil(np.log2(np.maximum(2, _CELLS_EACH * counts)))
        span = np.maximum(high - shift, _LEAST_SPAN)
        scale = np.where(high > shift, 2.0 ** np.floor(np.log2(size / span)), 1.0)
        while True:
            cell = np.clip((boundaries - shift[owner]) * scale[owner], 0, size[owner] - 1)
            offset = np.concatenate([[0], np.cumsum(size)]).astype(np.intp)
            held = np.bincount(offset[owner] + cell.astype(np.intp), minlength=offset[-1])
            depth = np.maximum.reduceat(held, offset[:-1])
            crowded = (depth > 1) & (size < _MOST_CELLS)
            if not crowded.any():
                break
            size, scale = (np.where(crowded, 2 * one, one) for one in (size, scale))
        before = np.cumsum(held) - held + np.repeat(rows, size.astype(np.intp))
        start, last = offset[:-1, None], (size - 1)[:, None]
        return cls(ended, first, shift[:, None], scale[:, None], start, last, before, depth)

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.depth.size)

    @cached_property
    def deepest(self) -> int:
        """Most boundaries in any cell."""
        return int(self.depth.max(initial=0))

    @property
    def intervals(self) -> int:
        """How many intervals all rows have together."""
        return int(self.first[-1])

    @cached_property
    def parts(self) -> tuple[Array, Array, Array, Index, Index, Array, Index]:
        """Shifts, scales, last cells, offsets, cells, boundaries and depths, all flat."""
        shift, scale, last = (one[:, 0].copy() for one in (self.shift, self.scale, self.last))
        return shift, scale, last, self.offset[:, 0].copy(), self.cells, self.boundaries, self.depth

    def scaled(self, *, shifted: bool) -> BucketTable:
        """The table for numbers that are scaled already.

        Args:
            shifted: Whether these are ``(x - shift) * scale``, else ``x * scale``.
        """
        every = np.repeat(np.arange(self.rows), np.diff(self.first))
        taken = self.shift[every, 0] if shifted else 0.0
        boundaries = (self.boundaries - taken) * self.scale[every, 0]
        shift = np.zeros_like(self.shift) if shifted else self.shift * self.scale
        return replace(self, boundaries=boundaries, shift=shift, scale=np.ones_like(self.scale))

    @cached_property
    def _plain(self) -> bool:
        """Whether numbers are places among the cells as they are."""
        return bool(np.all(self.shift == 0) and np.all(self.scale == 1))

    def find(self, x: Array, found: Index, scratch: Array) -> Index:
        """The interval of every number, counted over all rows.

        Args:
            x: The numbers, none of them NaN, ``(rows, samples)``.
            found: Where the result goes, likewise.
            scratch: Is overwritten, likewise.
        """
        place = x
        if not self._plain:
            with np.errstate(over="ignore"):  # what becomes infinite lies in the last cell
                place = np.subtract(x, self.shift, out=scratch)
                place *= self.scale
        np.clip(place, 0, self.last, out=scratch)
        np.copyto(found, scratch, casting="unsafe")
        found += self.offset
        # No place is out of range; numpy is faster where it need not look for one.
        np.take(self.cells, found, out=found, mode="clip")
        np.take(self.boundaries, found, out=scratch, mode="clip")
        found += x >= scratch
        for passed in range(1, self.deepest):
            deep = np.flatnonzero(self.depth > passed)
            own = found[deep]
            found[deep] = own + (x[deep] >= self.boundaries[own])
        return found


def _ends(ended: Array, first: Index, counts: Index, end: int) -> Array:
    """The first (0) or the last (-1) boundary of each row, 0 where there is none."""
    places = first[:-1] if end == 0 else first[1:] - 2
    return np.where(counts > 0, ended[np.maximum(places, 0)], 0.0)


def _short(low: Array, span: Array) -> Array:
    """A number of few digits at or a little below ``low``, by at most a quarter of the span."""
    grain = np.ldexp(1.0, np.frexp(span)[1] - 3)
    return np.asarray(np.where(span > 0, np.floor(low / grain) * grain, low))
