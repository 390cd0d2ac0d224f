"""Run the parts of a program over points: every sample axis on its own, then their combinations.

Parts that depend on one sample axis run once for each of its samples, in chunks. What depends on
several axes, such as the merge of a separable network, runs for blocks of combinations, so that a
large grid never stands in memory but for its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import split_columns
from pinnir.ir.sample_axes import Layout, axes_of, side_by_side
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain

# Points of a network, (samples, columns); or one such table for each of its sample axes, which
# stands for all combinations.
Points: TypeAlias = Array | tuple[Array, ...]

# Combinations of samples that are computed at once, and samples if they come as pairs: of a block
# of n pairs all n^axes combinations are computed and n are kept.
_GRID_BLOCK = 2**15
_PAIRS_BLOCK = 8

Tensor = NDArray[Any]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Part:
    """A segment that is ready to run.

    Attributes:
        inputs: Names of the values it takes.
        outputs: Names of the values it gives.
        run: From the one to the other, in their order.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    run: Callable[[list[Tensor]], list[Tensor]]


@dataclass(frozen=True, eq=False)
class Execution:
    """Parts that run one after the other.

    Attributes:
        parts: In running order.
        layouts: Of every value that parts take or give, by name.
        inputs: Name of every model input, with its columns.
        outputs: Names of the wanted values.
        chunk: Samples of one axis that run at once.
        fixed: Number of samples that the parts insist on along each axis, or None.
        order: Rows of a sample axis' table in the order in which they run; None as they come.
            Results stand in the order of the table.
    """

    parts: tuple[Part, ...]
    layouts: Mapping[str, Layout]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    chunk: int
    fixed: tuple[int | None, ...] = ()
    order: Callable[[int, Array], Index] | None = None

    def on(self, points: Points, domain: Domain) -> Array:
        """Values on points, ``(points, outputs)``.

        Args:
            points: Of all columns, or a table for each sample axis.
            domain: Its columns say which axis they run along.
        """
        if isinstance(points, tuple):
            return self.on_grid(points)
        return self.on_pairs(domain.tables(points))

    def on_grid(self, tables: Sequence[Array]) -> Array:
        """Values at all combinations of samples.

        Args:
            tables: For each sample axis ``(samples, columns)``.

        Returns:
            ``(combinations, outputs)``, the samples of the last axis fastest.
        """
        if len(tables) == 1:
            order = self._order(0, tables[0])
            chunks = self._chunks(0, tables[0][order], self.parts)
            found = [self._outputs(v, (size,))[:count] for v, size, count in chunks]
            return np.concatenate(found)[np.argsort(order)]
        sizes = tuple(len(table) for table in tables)
        known = self._known(tables)
        edge = max(1, int(_GRID_BLOCK ** (1 / len(sizes))))
        edges = [self._fixed(axis) or edge for axis in range(len(sizes))]
        result: Array | None = None
        for block in product(*(_ranges(*pair) for pair in zip(sizes, edges, strict=True))):
            values = self._block(known, block)
            if result is None:
                result = np.empty((*sizes, values.shape[-1]))
            result[np.ix_(*block)] = values
        assert result is not None
        return result.reshape(-1, result.shape[-1])

    def on_pairs(self, tables: Sequence[Array]) -> Array:
        """Values where sample ``i`` of every axis comes together.

        Args:
            tables: For each sample axis ``(samples, columns)``, equally many.

        Returns:
            ``(samples, outputs)``.
        """
        if len(tables) == 1:
            return self.on_grid(tables)
        found = [np.unique(table, axis=0, return_inverse=True) for table in tables]
        known = self._known([table for table, _ in found])
        edge = min([_PAIRS_BLOCK, *(size for size in self.fixed if size)])
        results = []
        for rows in _ranges(len(tables[0]), edge):
            block = tuple(inverse.reshape(-1)[rows] for _, inverse in found)
            diagonal = (np.arange(len(rows)),) * len(block)
            results.append(self._block(known, block)[diagonal])
        return np.concatenate(results)

    def _fixed(self, axis: int) -> int | None:
        return self.fixed[axis] if self.fixed else None

    def _axes(self, part: Part) -> tuple[int, ...]:
        named = (*part.inputs, *part.outputs)
        return tuple(sorted({axis for name in named for axis in axes_of(self.layouts[name])}))

    @cached_property
    def _merging(self) -> list[Part]:
        """Parts that do not belong to one axis alone."""
        return [part for part in self.parts if len(self._axes(part)) != 1]

    def _known(self, tables: Sequence[Array]) -> dict[str, Tensor]:
        """What the axes give and the merging parts or the outputs need, for all samples."""
        needed = {name for part in self._merging for name in part.inputs} | set(self.outputs)
        known: dict[str, Tensor] = {}
        for axis, table in enumerate(tables):
            own = [part for part in self.parts if self._axes(part) == (axis,)]
            found: dict[str, list[Tensor]] = {}
            order = self._order(axis, table)
            for values, _, count in self._chunks(axis, table[order], own):
                for name in needed.intersection(values):
                    kept = self._take(values[name], name, axis, np.arange(count))
                    found.setdefault(name, []).append(kept)
            for name, pieces in found.items():
                value = np.concatenate(pieces, axis=self._dim(name, axis))
                known[name] = self._take(value, name, axis, np.argsort(order))
        return known

    def _order(self, axis: int, table: Array) -> Index:
        return np.arange(len(table)) if self.order is None else self.order(axis, table)

    def _chunks(
        self, axis: int, table: Array, parts: Sequence[Part]
    ) -> Iterator[tuple[dict[str, Tensor], int, int]]:
        """Run parts on the samples of one axis: values, samples that ran, samples that count."""
        own = [one for one in self.inputs if axes_of(self.layouts[one[0]]) == (axis,)]
        for rows in _ranges(len(table), self._fixed(axis) or self.chunk):
            filled = self._filled(rows, axis)
            values: dict[str, Tensor] = {**split_columns(table[filled], own)}
            _run(parts, values)
            yield values, len(filled), len(rows)

    def _block(self, known: Mapping[str, Tensor], block: tuple[Index, ...]) -> Tensor:
        """Outputs at all combinations of these samples, ``(*sizes, outputs)``."""
        filled = [self._filled(rows, axis) for axis, rows in enumerate(block)]
        values: dict[str, Tensor] = {}
        for name, value in known.items():
            (axis,) = axes_of(self.layouts[name])
            values[name] = self._take(value, name, axis, filled[axis])
        _run(self._merging, values)
        grid = self._outputs(values, tuple(len(rows) for rows in filled))
        return grid[tuple(slice(0, len(rows)) for rows in block)]

    def _outputs(self, values: Mapping[str, Tensor], sizes: tuple[int, ...]) -> Tensor:
        """The wanted values side by side, ``(*sizes, outputs)``."""
        shapes = [self.layouts[name] for name in self.outputs]
        return side_by_side([values[name] for name in self.outputs], shapes, sizes)

    def _take(self, value: Tensor, name: str, axis: int, rows: Index) -> Tensor:
        return np.take(value, rows, axis=self._dim(name, axis))

    def _dim(self, name: str, axis: int) -> int:
        """Which dimension of a value of one axis runs along it."""
        return self.layouts[name].index((axis,))

    def _filled(self, rows: Index, axis: int) -> Index:
        """As many samples as the parts insist on, the last one repeated."""
        missing = (self._fixed(axis) or 0) - len(rows)
        return np.append(rows, np.repeat(rows[-1:], missing)) if missing > 0 else rows


def _run(parts: Sequence[Part], values: dict[str, Tensor]) -> None:
    """Add what the parts give to the values they are given."""
    for part in parts:
        given = part.run([values[name] for name in part.inputs])
        values |= dict(zip(part.outputs, given, strict=True))


def _ranges(count: int, size: int) -> Iterator[Index]:
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))
