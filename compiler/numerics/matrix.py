"""The forms of a synaptic weight matrix: dense, and three that hold few numbers for many entries.

A layer's dense map is an ordinary array. The expansion of a neuron into its units and the
lateral synapses inside one neuron connect nothing across neurons: they are block-diagonal. Where
only some neurons of a layer are expanded, every unit copies one sum: such a matrix is an index.
And what spikes of many units bring to the next layer goes through one value a neuron: such a
matrix is a sum over each neuron's units, and then one dense map. All mean the matrix that
:func:`dense` gives, and memory and time grow like what they hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BlockDiagonal:
    """A block-diagonal matrix with equal blocks.

    Attributes:
        blocks: ``(neurons, rows, columns)``; block ``i`` maps neuron ``i``'s slice.
    """

    blocks: Array

    @property
    def shape(self) -> tuple[int, int]:
        """``(outputs, inputs)`` of the whole matrix."""
        neurons, rows, columns = self.blocks.shape
        return neurons * rows, neurons * columns

    @classmethod
    def diagonal_of(cls, matrix: Array, neurons: int) -> BlockDiagonal:
        """The diagonal blocks of ``matrix``, without everything else."""
        rows, columns = matrix.shape[0] // neurons, matrix.shape[1] // neurons
        tiles = matrix.reshape(neurons, rows, neurons, columns)
        diagonal = np.arange(neurons)
        return cls(np.ascontiguousarray(tiles[diagonal, :, diagonal, :]))

    @classmethod
    def from_dense(cls, matrix: Array, neurons: int) -> BlockDiagonal:
        """Take the diagonal blocks of ``matrix``; everything else must be zero."""
        result = cls.diagonal_of(matrix, neurons)
        if np.count_nonzero(matrix) != np.count_nonzero(result.blocks):
            raise ValueError(f"matrix is not block-diagonal with {neurons} blocks")
        return result

    def dense(self) -> Array:
        """As a plain array."""
        neurons, rows, columns = self.blocks.shape
        tiles = np.zeros((neurons, rows, neurons, columns))
        diagonal = np.arange(neurons)
        tiles[diagonal, :, diagonal, :] = self.blocks
        return tiles.reshape(self.shape)

    def apply(self, x: Array) -> Array:
        """Times ``x`` ``(..., inputs)``."""
        neurons, rows, columns = self.blocks.shape
        lead = x.shape[:-1]
        if columns == 1:
            return (x[..., :, None] * self.blocks[:, :, 0]).reshape(*lead, neurons * rows)
        stacked = x.reshape(-1, neurons, columns).swapaxes(0, 1)
        result = np.empty((stacked.shape[1], neurons, rows))
        np.matmul(stacked, self.blocks.swapaxes(1, 2), out=result.swapaxes(0, 1))
        return result.reshape(*lead, neurons * rows)

    def extremes(self) -> tuple[float, float]:
        """Smallest and largest of the blocks' entries."""
        return float(self.blocks.min()), float(self.blocks.max())

    def fan_out(self) -> Counts:
        """Entries of each column that are not zero."""
        return np.asarray(np.count_nonzero(self.blocks, axis=1).reshape(-1), np.int64)


@dataclass(frozen=True, eq=False)
class Copies:
    """A matrix with one entry a row: every output is a multiple of one input.

    Attributes:
        source: Column of each row's entry, ``(outputs,)``.
        factor: The entry, ``(outputs,)``.
        columns: Number of inputs.
    """

    source: NDArray[np.intp]
    factor: Array
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(outputs, inputs)``."""
        return self.source.size, self.columns

    def dense(self) -> Array:
        """As a plain array."""
        matrix = np.zeros(self.shape)
        matrix[np.arange(self.source.size), self.source] = self.factor
        return matrix

    def apply(self, x: Array) -> Array:
        """Times ``x`` ``(..., inputs)``."""
        found: Array = np.take(x, self.source, axis=-1)
        found *= self.factor
        return found

    def extremes(self) -> tuple[float, float]:
        """Smallest and largest entry."""
        zero = [0.0] if self.columns > 1 else []
        values = np.append(self.factor, zero)
        return float(values.min()), float(values.max())

    def fan_out(self) -> Counts:
        """Entries of each column that are not zero."""
        counted = np.bincount(self.source[self.factor != 0], minlength=self.columns)
        return np.asarray(counted, np.int64)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A dense map behind a sum over the units of each neuron: ``outer`` times the sums.

    Attributes:
        outer: The dense map of one value a neuron, ``(outputs, neurons)``.
        weight: What each unit adds to its neuron's value, ``(neurons, units each)``.
    """

    outer: Array
    weight: Array

    @property
    def shape(self) -> tuple[int, int]:
        """``(outputs, inputs)``."""
        return self.outer.shape[0], self.weight.size

    def dense(self) -> Array:
        """As a plain array."""
        return self.rows(slice(None))

    def rows(self, part: slice) -> Array:
        """Some rows of it as a plain array."""
        values = self.outer[part, :, None] * self.weight
        return np.asarray(values.reshape(-1, self.weight.size))

    def apply(self, x: Array) -> Array:
        """Times ``x`` ``(..., inputs)``: the sums first."""
        units = x.reshape(*x.shape[:-1], *self.weight.shape)
        sums: Array = np.einsum("...nu,nu->...n", units, self.weight)
        return np.asarray(sums @ self.outer.T)

    def extremes(self) -> tuple[float, float]:
        """Smallest and largest entry: products of what is extreme in a neuron."""
        outer = np.stack([self.outer.min(axis=0), self.outer.max(axis=0)])
        weight = np.stack([self.weight.min(axis=1), self.weight.max(axis=1)])
        products = outer[:, None] * weight
        return float(products.min()), float(products.max())

    def fan_out(self) -> Counts:
        """Entries of each column that are not zero."""
        each = np.count_nonzero(self.outer, axis=0)[:, None] * (self.weight != 0)
        return np.asarray(each.reshape(-1), np.int64)

    @cached_property
    def one_unit(self) -> NDArray[np.intp] | None:
        """Of each neuron a unit of weight 1 or -1, whose column tells ``outer``; None if not."""
        plain = np.abs(self.weight) == 1
        return np.argmax(plain, axis=1) if plain.any(axis=1).all() else None


Structured: TypeAlias = BlockDiagonal | Copies | Decoded
Matrix: TypeAlias = Array | Structured


def dense(matrix: Matrix) -> Array:
    """The matrix as a plain array ``(outputs, inputs)``."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.dense()


def plain(matrix: Matrix) -> Array | BlockDiagonal:
    """The matrix as an array or as blocks, for those who know no other form."""
    return matrix if isinstance(matrix, BlockDiagonal) else dense(matrix)


def apply(matrix: Matrix, x: Array) -> Array:
    """``x @ matrix.T`` for ``x`` of shape ``(..., inputs)``."""
    return x @ matrix.T if isinstance(matrix, np.ndarray) else matrix.apply(x)


def as_copies(matrix: Matrix) -> Copies | None:
    """The matrix by index, if every row has exactly one entry that is not zero; None if not."""
    if isinstance(matrix, Copies):
        return matrix if matrix.factor.all() else None
    if isinstance(matrix, BlockDiagonal) and matrix.blocks.shape[2] == 1:
        neurons, rows, _ = matrix.blocks.shape
        source = np.repeat(np.arange(neurons), rows)
        found = Copies(source, matrix.blocks.reshape(-1), neurons)
        return found if found.factor.all() else None
    whole = dense(matrix)
    row, column = np.nonzero(whole)
    if not np.array_equal(row, np.arange(len(whole))):
        return None
    return Copies(column, whole[row, column], whole.shape[1])


def transposed(matrix: Matrix) -> Matrix:
    """The matrix for the way back."""
    if isinstance(matrix, BlockDiagonal):
        return BlockDiagonal(matrix.blocks.swapaxes(1, 2))
    return dense(matrix).T


def entries(matrix: Matrix) -> Array:
    """The entries that may differ from zero: of blocks the blocks, else the dense array."""
    return matrix.blocks if isinstance(matrix, BlockDiagonal) else dense(matrix)


def with_entries(matrix: Matrix, values: Array) -> Matrix:
    """A matrix with other :func:`entries`; of blocks where they were blocks."""
    return BlockDiagonal(values) if isinstance(matrix, BlockDiagonal) else values


def extremes(matrix: Matrix) -> tuple[float, float]:
    """Smallest and largest of the :func:`entries`; NaN if one is."""
    if not isinstance(matrix, np.ndarray):
        return matrix.extremes()
    return (float(matrix.min()), float(matrix.max())) if matrix.size else (0.0, 0.0)


def by_weight(matrix: Matrix, out: Array, x: Array) -> Array:
    """Derivative of ``sum(out * apply(matrix, x))`` by the :func:`entries`."""
    if not isinstance(matrix, BlockDiagonal):
        return out.T @ x
    neurons = len(matrix.blocks)
    rows, columns = out.reshape(len(out), neurons, -1), x.reshape(len(x), neurons, -1)
    blocks: Array = np.einsum("snr,snc->nrc", rows, columns)
    return blocks


def compose(outer: Array, inner: BlockDiagonal) -> Array:
    """The dense product ``outer @ inner``, without forming ``inner`` densely."""
    neurons, _, columns = inner.blocks.shape
    pieces = outer.reshape(outer.shape[0], neurons, -1)
    product: Array = np.einsum("onr,nrc->onc", pieces, inner.blocks)
    return product.reshape(-1, neurons * columns)


def scaled(matrix: Matrix, rows: Array, columns: Array) -> Matrix:
    """``diag(rows) @ matrix @ diag(columns)``, in the same form if it is dense or of blocks."""
    if not isinstance(matrix, BlockDiagonal):
        return rows[:, None] * dense(matrix) * columns
    count, outputs, inputs = matrix.blocks.shape
    left, right = rows.reshape(count, outputs, 1), columns.reshape(count, 1, inputs)
    return BlockDiagonal(left * matrix.blocks * right)


def product(outer: Matrix, inner: Matrix) -> Matrix:
    """``outer @ inner``; of blocks where those of one divide into those of the other."""
    if not isinstance(inner, BlockDiagonal):
        return dense(outer) @ dense(inner)
    if not isinstance(outer, BlockDiagonal):
        return compose(dense(outer), inner)
    count = math.gcd(len(outer.blocks), len(inner.blocks))
    if count == 1:
        return compose(dense(outer), inner)
    return BlockDiagonal(_joined(outer, count) @ _joined(inner, count))


def _joined(matrix: BlockDiagonal, count: int) -> Array:
    """The matrix as ``count`` blocks, each of as many of its own, with what is between them."""
    neurons, rows, columns = matrix.blocks.shape
    each = neurons // count
    tiles = np.zeros((count, each, rows, each, columns))
    diagonal = np.arange(each)
    tiles[:, diagonal, :, diagonal, :] = matrix.blocks.reshape(count, each, rows, columns).swapaxes(
        0, 1
    )
    return tiles.reshape(count, each * rows, each * columns)


def nonzeros(matrix: Matrix) -> int:
    """How many synapses the matrix stands for: its non-zero entries."""
    return int(fan_out(matrix).sum())


def fan_out(matrix: Matrix) -> Counts:
    """Non-zero synapses that leave each input, shape ``(inputs,)``."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(np.count_nonzero(matrix, axis=0), np.int64)
    return matrix.fan_out()
