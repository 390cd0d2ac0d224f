"""The order in which points are streamed, so that from one to the next little changes.

- ``boustrophedon``: a grid line by line, every other line backwards, lines along the column with
  the most points. Only one column changes from point to point.
- ``hilbert``: along the Hilbert curve, which stays near where it has been in all columns. Of a
  grid whose sides differ it is the curve of the cube around it, without what lies outside. Points
  that are no grid are taken along the curve through a fine grid over their domain.
- ``given``: as they come.

The curve is cut into as many pieces of equal length as there are lines; these run side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain

ORDERS = ("boustrophedon", "hilbert", "given")
_INDEX_BITS = 63  # of a place on the curve
_FINEST = 16  # bits of a column of points that are no grid

Index: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Streaming:
    """How the points of a run are streamed.

    Attributes:
        order: One of ORDERS; None is ``boustrophedon`` on a grid and ``hilbert`` elsewhere.
        lines: How many points run side by side.
        shape: Of the grid, one size a column, if the points are one.
    """

    order: str | None = None
    lines: int = 1
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.order is not None and self.order not in ORDERS:
            raise DomainError(
                f"unknown order {self.order!r}", hint=f"known are {', '.join(ORDERS)}"
            )
        if self.lines < 1:
            raise DomainError(f"{self.lines} lines are too few", hint="give 1 or more")
        if self.shape is None and self.order == "boustrophedon":
            raise DomainError(
                "the order boustrophedon needs a grid, and these points are none",
                hint="give --grid, or the order hilbert",
            )

    def rows(self, axis: int, table: Array, domain: Domain) -> Index:
        """The rows of a sample axis' table in running order: the first points of all lines first.

        Args:
            axis: The sample axis.
            table: ``(samples, columns)``.
            domain: Of the whole network.

        Raises:
            DomainError: If the order does not fit the grid, or there are more lines than points.
        """
        if self.lines > len(table):
            raise DomainError(
                f"{len(table)} points cannot be streamed along {self.lines} lines",
                hint=f"give at most {len(table)} lines",
            )
        return side_by_side(self._curve(axis, table, domain), self.lines)

    def _curve(self, axis: int, table: Array, domain: Domain) -> Index:
        if self.order == "given":
            return np.arange(len(table))
        shape = self.shape and tuple(self.shape[column] for column in domain.along(axis))
        if shape is None or prod(shape) != len(table):
            return along_curve(table, domain.part(axis))
        return hilbert(shape) if self.order == "hilbert" else boustrophedon(shape)


def side_by_side(curve: Index, lines: int) -> Index:
    """A curve cut into lines of equal length, or one more for the first ones, read step by step."""
    pieces = np.array_split(curve, lines)
    steps = np.full((len(pieces[0]), lines), -1)
    for line, piece in enumerate(pieces):
        steps[: len(piece), line] = piece
    return steps[steps >= 0]


def boustrophedon(shape: tuple[int, ...]) -> Index:
    """Rows of a grid (first column slowest) line by line, every other line backwards."""
    fastest = max(range(len(shape)), key=lambda column: (shape[column], column))
    order = [column for column in range(len(shape)) if column != fastest] + [fastest]
    rows = np.arange(prod(shape)).reshape(shape).transpose(order)
    for column in range(1, rows.ndim):
        runs = rows.reshape(-1, *rows.shape[column:])
        runs[1::2] = runs[1::2, ::-1]
        rows = runs.reshape(rows.shape)
    return rows.reshape(-1)


def hilbert(shape: tuple[int, ...]) -> Index:
    """Rows of a grid (first column slowest) along the Hilbert curve.

    Raises:
        DomainError: If a side is no power of two.
    """
    if len(shape) == 1:
        return np.arange(shape[0])
    if any(size & (size - 1) for size in shape):
        raise DomainError(
            f"the order hilbert does not fit the grid {'x'.join(map(str, shape))}: its sides are "
            "not all powers of two",
            hint="give a grid such as " + "x".join(["64"] * len(shape)) + ", or boustrophedon",
        )
    places = np.indices(shape).reshape(len(shape), -1)
    return np.argsort(places_on_curve(places, max(shape).bit_length() - 1), kind="stable")


def along_curve(points: Array, box: Domain) -> Index:
    """Rows of points along the Hilbert curve through a grid over a box."""
    bits = max(1, min(_FINEST, _INDEX_BITS // len(box.columns)))
    size = np.where(box.high > box.low, box.high - box.low, 1.0)
    unit = (points - box.low) / size
    places = np.clip(unit * 2**bits, 0, 2**bits - 1).astype(np.int64).T
    most = _INDEX_BITS // bits  # of very many columns, the first ones
    return np.argsort(places_on_curve(places[:most], bits), kind="stable")


def places_on_curve(places: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Where points of a cube of side ``2^bits`` lie on its Hilbert curve.

    J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707, 2004.

    Args:
        places: ``(columns, points)``.
        bits: Columns times bits are at most 63.
    """
    x = places.astype(np.int64).copy()
    columns = len(x)
    for bit in range(bits - 1, 0, -1):
        below = (1 << bit) - 1
        for column in range(columns):
            there = (x[column] >> bit) & 1 == 1
            swapped = np.where(there, 0, (x[0] ^ x[column]) & below)
            x[0] ^= np.where(there, below, swapped)
            x[column] ^= swapped
    for column in range(1, columns):
        x[column] ^= x[column - 1]
    flips = np.zeros_like(x[0])
    for bit in range(bits - 1, 0, -1):
        flips ^= np.where((x[-1] >> bit) & 1 == 1, (1 << bit) - 1, 0)
    x ^= flips
    index: NDArray[np.int64] = np.zeros_like(x[0])
    for bit in range(bits - 1, -1, -1):
        for column in range(columns):
            index = (index << 1) | ((x[column] >> bit) & 1)
    return index
