"""The box that the network is evaluated on, its columns' names, and points drawn from it."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pinnir.errors import DomainError
from pinnir.ir import Graph, Input, Node
from pinnir.matrix import Array

_SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'
# A box of more columns has too many corners to list.
_MOST_CORNERED = 6
_MOST_ON_FACES = 2**13  # points
_PI = re.compile(r"([+-]?)(\d*\.?\d*)\*?pi", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Domain:
    """A box with named columns.

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
        return ",".join(f"{name}={low:.17g}:{high:.17g}" for name, low, high in ranges)

    def sample(self, count: int, seed: int) -> Array:
        """Points of a scrambled Sobol sequence, ``(count, columns)``.

        ``count`` should be a power of two; different seeds give different points.
        """
        from scipy.stats import qmc

        unit = qmc.Sobol(len(self.columns), scramble=True, rng=seed).random(count)
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
        slack = 1e-6 * (self.high - self.low)
        outside = np.any((points < self.low - slack) | (points > self.high + slack), axis=1)
        if outside.any():
            first = ", ".join(f"{value:g}" for value in points[np.argmax(outside)])
            raise DomainError(
                f"{int(outside.sum())} of the {len(points)} points of {what} lie outside the "
                f"domain {self}; the first is ({first})",
                hint="compile with a wider --domain, or leave these points out",
            )
        return points


def parse_domain(text: str, graph: Graph) -> Domain:
    """Read a domain for the inputs of a graph.

    Args:
        text: ``x=-1:1,t=0:1`` labels the columns in order if the model has one input; with
            several inputs ``NAME=lo:hi`` is for all columns of one and ``NAME.j=lo:hi`` for one;
            ``lo:hi`` alone is for every column. Bounds are numbers or multiples of ``pi``.
        graph: Its inputs say how many columns there are.

    Raises:
        DomainError: If the text is missing, malformed or does not fit the inputs.
    """
    axes = tuple(
        node.op.axis
        for node in graph.inputs
        if isinstance(node.op, Input)
        for _ in range(node.op.width or 0)
    )
    domain = _parse(text, graph)
    return replace(domain, axes=axes if any(axes) else ())


def _parse(text: str, graph: Graph) -> Domain:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise DomainError("the domain is empty", hint=_SYNTAX)
    if "=" not in items[0] and len(items) == 1:
        columns = _default_names(graph)
        low, high = _range(items[0], items[0])
        return Domain(columns, np.full(len(columns), low), np.full(len(columns), high))
    ranges: dict[str, tuple[float, float]] = {}
    for item in items:
        name, equals, bounds = item.partition("=")
        if not equals or not name.strip():
            raise DomainError(f"{item!r} in the domain is not NAME=lo:hi", hint=_SYNTAX)
        if name.strip() in ranges:
            raise DomainError(f"the domain gives {name.strip()!r} twice", hint=_SYNTAX)
        ranges[name.strip()] = _range(bounds, item)
    if len(graph.inputs) == 1:
        return _one_input(graph, ranges)
    return _several_inputs(graph, ranges)


def _one_input(graph: Graph, ranges: dict[str, tuple[float, float]]) -> Domain:
    op = graph.inputs[0].op
    assert isinstance(op, Input)
    if op.width is not None and len(ranges) != op.width:
        raise DomainError(
            f"the domain gives {len(ranges)} columns ({', '.join(ranges)}), "
            f"the model's input '{graph.inputs[0].name}' has {op.width}",
            hint=_SYNTAX,
        )
    bounds = np.array(list(ranges.values()))
    return Domain(tuple(ranges), bounds[:, 0], bounds[:, 1])


def _several_inputs(graph: Graph, ranges: dict[str, tuple[float, float]]) -> Domain:
    left = dict(ranges)
    found: list[tuple[float, float]] = []
    columns = _default_names(graph)
    for node in graph.inputs:
        whole = left.pop(node.name, None)
        for name in _columns_of(node):
            bounds = whole if name == node.name else left.pop(name, whole)
            if bounds is None:
                raise DomainError(
                    f"the domain says nothing of the model's input {name!r}",
                    hint=f"the inputs are {', '.join(columns)}; write NAME=lo:hi for each",
                )
            found.append(bounds)
    if left:
        raise DomainError(
            f"the model has no input {', '.join(map(repr, left))}",
            hint=f"its inputs are {', '.join(columns)}",
        )
    box = np.array(found)
    return Domain(columns, box[:, 0], box[:, 1])


def _default_names(graph: Graph) -> tuple[str, ...]:
    return tuple(name for node in graph.inputs for name in _columns_of(node))


def _columns_of(node: Node) -> list[str]:
    """Names of an input's columns: its own, or ``NAME.j`` where it has several."""
    assert isinstance(node.op, Input)
    if node.op.width is None:
        raise DomainError(
            f"the model's input '{node.name}' leaves its number of columns open",
            hint="name every column: " + _SYNTAX,
        )
    many = node.op.width > 1
    return [f"{node.name}.{j}" if many else node.name for j in range(node.op.width)]


def _range(text: str, item: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        bounds = _number(low), _number(high)
    except ValueError:
        raise DomainError(f"{item!r} in the domain is not lo:hi", hint=_SYNTAX) from None
    if not colon or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
        raise DomainError(f"{item!r} in the domain is not a range lo:hi with lo < hi",
                          hint=_SYNTAX)  # fmt: skip
    return bounds


def _number(text: str) -> float:
    match = _PI.fullmatch(text.strip())
    if match is None:
        return float(text)
    factor = float(match[2]) if match[2] else 1.0
    return float(np.pi) * (-factor if match[1] == "-" else factor)


def parse_grid(text: str) -> tuple[int, ...]:
    """Sizes of a grid such as ``256x101``.

    Raises:
        DomainError: If the text is something else.
    """
    try:
        return tuple(int(size) for size in text.lower().split("x"))
    except ValueError:
        raise DomainError(f"{text!r} is not a grid", hint="write sizes such as 256x101") from None


def as_numbers(values: Any, what: str) -> Array:
    """``values`` as a float64 array.

    Raises:
        DomainError: If they are not real numbers.
    """
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{what} holds no real numbers ({error})", hint="save floats") from error


def load_points(path: str | Path, keys: tuple[str, ...] = ("points",)) -> dict[str, Any]:
    """Arrays of an ``.npz`` file, or the array of an ``.npy`` file under ``keys[0]``.

    Raises:
        DomainError: If the file cannot be read or lacks one of ``keys``.
    """
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {keys[0]: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except FileNotFoundError:
        raise DomainError(
            f"the file {path} does not exist", hint="give an .npy or .npz file"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # Of what is no numpy file at all, numpy says that it may be a pickle.
        why = "it holds no arrays of numbers" if "pickle" in str(error) else error
        raise DomainError(
            f"{path} is not a readable .npy or .npz file ({why})", hint="save it with numpy"
        ) from error
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise DomainError(
            f"{path} has no array {', '.join(map(repr, missing))}; it holds "
            f"{', '.join(arrays) or 'nothing'}",
            hint=f"save the arrays {', '.join(keys)}",
        )
    return arrays
