"""The box that the network is evaluated on, its columns' names, and points drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from pinnir.base.bounds import Axis, Names
from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array
from pinnir.points.point_files import as_numbers
from pinnir.points.sobol import sobol

# A box of more columns has too many corners to list.
_MOST_CORNERED = 6
_MOST_ON_FACES = 2**13  # points


def quoted(name: str) -> str:
    """A column's name as the text of a domain writes it: in single quotes where it needs them.

    A quote inside of a quoted name is doubled.
    """
    plain = name and name == name.strip() and name[0] != "'" and not {",", "="} & set(name)
    return name if plain else "'" + name.replace("'", "''") + "'"


@dataclass(frozen=True, eq=False)
class Domain:
    """A box with named columns; a column whose bounds are equal has that value everywhere.

    Attributes:
        columns: Name of each column of a point.
        low: Lower bounds, ``(columns,)``.
        high: Upper bounds, ``(columns,)``.
        axes: Sample axis of each column; none given means that all run along one.
    """

    columns: tuple[str, ...]
    low: Array
    high: Array
    axes: tuple[int, ...] = ()

    @property
    def axis_count(self) -> int:
        """Number of sample axes: 1 for a network of points, more for a separable one."""
        return 1 + max(self.axes, default=0)

    def along(self, axis: int) -> list[int]:
        """Which columns run along a sample axis."""
        axes = self.axes or (0,) * len(self.columns)
        return [column for column, own in enumerate(axes) if own == axis]

    def part(self, axis: int) -> Domain:
        """The domain of one sample axis' columns."""
        of = self.along(axis)
        return Domain(tuple(self.columns[i] for i in of), self.low[of], self.high[of])

    def tables(self, points: Array) -> tuple[Array, ...]:
        """The columns of ``points`` ``(samples, columns)`` of each sample axis."""
        return tuple(points[:, self.along(axis)] for axis in range(self.axis_count))

    def __str__(self) -> str:
        ranges = zip(self.columns, self.low, self.high, strict=True)
        return ",".join(f"{quoted(name)}={low:.17g}:{high:.17g}" for name, low, high in ranges)

    def sample(self, count: int, seed: int) -> Array:
        """Points of a scrambled Sobol sequence, ``(count, columns)``.

        ``count`` should be a power of two; different seeds give different points.
        """
        unit = sobol(count, len(self.columns), seed)
        return np.asarray(self.low + unit * (self.high - self.low))

    def boundary(self, count: int, seed: int) -> Array:
        """Points on the boundary: up to ``count`` on each face, and the corners of a small box.

        Pre-activations are largest there, and a random sample of the inside never gets there. A
        box of many columns has many faces, and so fewer points on each.
        """
        while count > 2 and 2 * count * len(self.columns) > _MOST_ON_FACES:
            count //= 2
        inside = self.sample(count, seed)
        faces = []
        for column in range(len(self.columns)):
            for bound in (self.low[column], self.high[column]):
                face = inside.copy()
                face[:, column] = bound
                faces.append(face)
        if len(self.columns) <= _MOST_CORNERED:
            faces.append(self.grid((2,) * len(self.columns)))
        return np.concatenate(faces)

    def onto_faces(self, points: Array) -> Array:
        """Points ``(samples, columns)`` moved onto the faces: a block of them onto each in turn.

        Blocks, because every few points of a Sobol sequence cover the box, every n-th does not.
        """
        moved = points.copy()
        count = 2 * len(self.columns)
        for row, face in enumerate(np.arange(len(points)) * count // max(len(points), 1)):
            column, end = divmod(int(face), 2)
            moved[row, column] = (self.low, self.high)[end][column]
        return moved

    def grid(self, shape: tuple[int, ...]) -> Array:
        """Points of a uniform grid with both ends, first column slowest.

        Raises:
            DomainError: If ``shape`` has another number of columns or a size below 1.
        """
        lines = self.lines(shape)
        return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(lines))

    def lines(self, shape: tuple[int, ...]) -> list[Array]:
        """Coordinates of a uniform grid with both ends along every column.

        Raises:
            DomainError: If ``shape`` has another number of columns or a size below 1.
        """
        if len(shape) != len(self.columns) or min(shape) < 1:
            raise DomainError(
                f"the grid {'x'.join(map(str, shape))} does not fit "
                f"{len(self.columns)} columns ({', '.join(self.columns)})",
                hint="give one size a column, for example " + "x".join(["64"] * len(self.columns)),
            )
        sized = zip(self.low, self.high, shape, strict=True)
        return [np.linspace(low, high, size) for low, high, size in sized]

    def grid_tables(self, shape: tuple[int, ...]) -> tuple[Array, ...]:
        """The same grid as a table for each sample axis; ``grid`` holds all combinations.

        Raises:
            DomainError: As :meth:`grid`.
        """
        self.lines(shape)  # says if the shape is wrong
        axes = range(self.axis_count)
        return tuple(self.part(a).grid(tuple(shape[i] for i in self.along(a))) for a in axes)

    def by_columns(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Values on ``grid_tables(shape)`` in the order of ``grid(shape)``, ``(points, ...)``."""
        order = [i for axis in range(self.axis_count) for i in self.along(axis)]
        if order == sorted(order):
            return values
        spread = values.reshape(*(shape[i] for i in order), -1)
        back = [*np.argsort(order), len(order)]
        return spread.transpose(back).reshape(len(values), -1)

    def told(self) -> list[Any]:
        """As JSON values, which :class:`StoredDomain` reads."""
        return [self.columns, self.low.tolist(), self.high.tolist(), self.axes]

    def check_tables(self, tables: Sequence[Array], what: str) -> tuple[Array, ...]:
        """Tables of points, one a sample axis, as float64, if they fit the domain.

        Raises:
            DomainError: As :meth:`check`, or if there are too few or too many of them.
        """
        if len(tables) != self.axis_count:
            raise DomainError(
                f"{what} has {len(tables)} tables, the network has {self.axis_count} sample axes",
                hint="give one array (samples, columns) an axis",
            )
        return tuple(self.part(a).check(table, what) for a, table in enumerate(tables))

    def check(self, points: Array, what: str) -> Array:
        """``points`` as float64, if they fit the domain.

        Raises:
            DomainError: If their shape is wrong, or some are not finite or outside.
        """
        points = as_numbers(points, what)
        if points.ndim != 2 or points.shape[1] != len(self.columns) or len(points) == 0:
            raise DomainError(
                f"{what} has shape {points.shape}, not (samples, {len(self.columns)})",
                hint=f"give the columns {', '.join(self.columns)}, one row a point",
            )
        if not np.isfinite(points).all():
            raise DomainError(f"{what} holds NaN or infinite values", hint="remove them")
        fixed = self.low == self.high
        slack = 1e-6 * np.where(fixed, np.abs(self.high), self.high - self.low)
        outside = np.any((points < self.low - slack) | (points > self.high + slack), axis=1)
        if outside.any():
            first = ", ".join(f"{value:g}" for value in points[np.argmax(outside)])
            raise DomainError(
                f"{int(outside.sum())} of the {len(points)} points of {what} lie outside the "
                f"domain {self}; the first is ({first})",
                hint="compile with a wider --domain, or leave these points out",
            )
        return points


class StoredDomain(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A domain as a manifest holds it: ``[names, lower bounds, upper bounds, sample axes]``.

    Attributes: those of :class:`Domain`.
    """

    columns: Names
    low: tuple[float, ...]
    high: tuple[float, ...]
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        count = len(self.columns)
        if len(self.low) != count or len(self.high) != count:
            raise ValueError("a column needs two bounds")
        bounds = zip(self.low, self.high, strict=True)
        if not all(low <= high and isfinite(high - low) for low, high in bounds):
            raise ValueError("bounds are finite, and the lower one is not higher")
        axes = set(self.axes)
        if axes and (len(self.axes) != count or axes != set(range(len(axes)))):
            raise ValueError("each column runs along a sample axis, and each axis has a column")

    def restored(self) -> Domain:
        """The domain."""
        low, high = (np.array(bounds, np.float64) for bounds in (self.low, self.high))
        return Domain(self.columns, low, high, self.axes)
