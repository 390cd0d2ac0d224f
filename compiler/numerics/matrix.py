"""The two forms of a synaptic weight matrix: dense, and block-diagonal.

A layer's dense map is an ordinary array. The expansion of a neuron into its units and the
lateral synapses inside one neuron connect nothing across neurons, so they are block-diagonal;
keeping the blocks makes evaluation fast and memory small. Both mean the same matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


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


Matrix: TypeAlias = Array | BlockDiagonal


def dense(matrix: Matrix) -> Array:
    """The matrix as a plain array ``(outputs, inputs)``."""
    if not isinstance(matrix, BlockDiagonal):
        return matrix
    neurons, rows, columns = matrix.blocks.shape
    tiles = np.zeros((neurons, rows, neurons, columns))
    diagonal = np.arange(neurons)
    tiles[diagonal, :, diagonal, :] = matrix.blocks
    return tiles.reshape(matrix.shape)


def apply(matrix: Matrix, x: Array) -> Array:
    """``x @ matrix.T`` for ``x`` of shape ``(..., inputs)``."""
    if not isinstance(matrix, BlockDiagonal):
        return x @ matrix.T
    neurons, rows, columns = matrix.blocks.shape
    lead = x.shape[:-1]
    if columns == 1:
        return (x[..., :, None] * matrix.blocks[:, :, 0]).reshape(*lead, neurons * rows)
    stacked = x.reshape(-1, neurons, columns).swapaxes(0, 1)
    result = np.empty((stacked.shape[1], neurons, rows))
    np.matmul(stacked, matrix.blocks.swapaxes(1, 2), out=result.swapaxes(0, 1))
    return result.reshape(*lead, neurons * rows)


def transposed(matrix: Matrix) -> Matrix:
    """The matrix for the way back."""
    if isinstance(matrix, BlockDiagonal):
        return BlockDiagonal(matrix.blocks.swapaxes(1, 2))
    return matrix.T


def entries(matrix: Matrix) -> Array:
    """The entries that may differ from zero: the array itself, or the blocks."""
    return matrix.blocks if isinstance(matrix, BlockDiagonal) else matrix


def with_entries(matrix: Matrix, values: Array) -> Matrix:
    """A matrix of the same form with other :func:`entries`."""
    return BlockDiagonal(values) if isinstance(matrix, BlockDiagonal) else values


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
    """``diag(rows) @ matrix @ diag(columns)``, in the same form."""
    if not isinstance(matrix, BlockDiagonal):
        return rows[:, None] * matrix * columns
    count, outputs, inputs = matrix.blocks.shape
    left, right = rows.reshape(count, outputs, 1), columns.reshape(count, 1, inputs)
    return BlockDiagonal(left * matrix.blocks * right)


def product(outer: Matrix, inner: Matrix) -> Matrix:
    """``outer @ inner``; of blocks where those of one divide into those of the other."""
    if not isinstance(inner, BlockDiagonal):
        return dense(outer) @ inner
    if not isinstance(outer, BlockDiagonal):
        return compose(outer, inner)
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
    return int(np.count_nonzero(entries(matrix)))


def fan_out(matrix: Matrix) -> NDArray[np.int64]:
    """Non-zero synapses that leave each input, shape ``(inputs,)``."""
    if isinstance(matrix, BlockDiagonal):
        counts = np.count_nonzero(matrix.blocks, axis=1).reshape(-1)
    else:
        counts = np.count_nonzero(matrix, axis=0)
    return np.asarray(counts, np.int64)
