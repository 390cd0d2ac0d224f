"""Weight matrices in NIR files: as NIR says them, densely, and read back in the form they had.

NIR knows dense matrices only. A file leaves the chunks of a matrix out that are all zeros, so a
matrix that holds one number a row takes as much of it as these numbers do, and is written and read
piece by piece. Its node's metadata say which form it has:

- ``blocks``: so many diagonal blocks,
- ``copies``: one entry a row,
- ``levels``: a map behind the sum of the levels of each neuron's units, which the population that
  it reads has as ``level_weight``. The name says of which node the columns tell that map: there
  every neuron has a unit that counts one level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import h5py
import numpy as np

from pinnir.base.hdf5 import Stored, Writer, by_rows, pieces
from pinnir.ir.graph import Affine, Node
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import Array, BlockDiagonal, Copies, Decoded, Matrix, dense
from pinnir.program.file_check import BLOCKS, COPIES

Metadata: TypeAlias = dict[str, int | str]

LEVELS = "levels"
# Matrices of up to so many entries are written at once.
_SMALL = 2**16
# Largest chunk of copies, which are few in any.
_COPIED = (512, 64)


def forms(parts: Mapping[str, object]) -> dict[str, Metadata]:
    """What the metadata of maps say of their form.

    Args:
        parts: All nodes of a NIR graph, by name; maps are nodes of a graph of pinnir.
    """
    maps = {name: node for name, node in parts.items() if isinstance(node, Node)}
    tellers: dict[int, str] = {}
    for name, node in maps.items():
        weight = node.op_as(Affine).weight
        if (
            isinstance(weight, Decoded)
            and weight.one_unit is not None
            and _counts_levels(weight, node)
        ):
            tellers.setdefault(id(weight.outer), name)
    found: dict[str, Metadata] = {}
    for name, node in maps.items():
        weight = node.op_as(Affine).weight
        if isinstance(weight, BlockDiagonal):
            found[name] = {BLOCKS: len(weight.blocks)}
        elif isinstance(weight, Copies) and weight.factor.all():
            found[name] = {COPIES: 1}
        elif isinstance(weight, Decoded) and _counts_levels(weight, node):
            teller = tellers.get(id(weight.outer))
            if teller is not None:
                found[name] = {LEVELS: teller}
    return found


def _counts_levels(weight: Decoded, node: Node) -> bool:
    if len(node.operands) != 1 or not isinstance(node.operands[0].op, Threshold):
        return False
    return np.array_equal(level_weights(node.operands[0].op), weight.weight)


def level_weights(op: Threshold) -> Array:
    """What each unit adds to its neuron's level, ``(neurons, units each)``."""
    return op.level_weight.reshape(op.level_offset.size, -1).astype(np.float64)


def write_weight(group: h5py.Group, matrix: Matrix, writer: Writer) -> None:
    """Write a matrix as the dataset ``weight``; of sparse forms only what holds numbers."""
    rows, columns = matrix.shape
    if rows * columns <= _SMALL:
        writer.put(group, "weight", dense(matrix))
        return
    chunk = by_rows(matrix.shape)[0], columns
    if isinstance(matrix, BlockDiagonal):
        _, height, width = matrix.blocks.shape
        each = max(1, int(np.sqrt(_SMALL / (height * width))))
        chunk = min(each * height, rows), min(each * width, columns)
    elif isinstance(matrix, Copies):
        chunk = min(_COPIED[0], rows), min(_COPIED[1], columns)
    dataset = group.create_dataset("weight", (rows, columns), "f8", chunks=chunk, compression=4)
    for first, left, tile in _tiles(matrix, chunk):
        dataset[first : first + len(tile), left : left + tile.shape[1]] = tile


def _tiles(matrix: Matrix, chunk: tuple[int, int]) -> Iterator[tuple[int, int, Array]]:
    """Parts of a matrix that fill chunks, as the first row, the first column and the entries."""
    high, wide = chunk
    if isinstance(matrix, BlockDiagonal):
        _, rows, columns = matrix.blocks.shape
        each = high // rows
        for first in range(0, len(matrix.blocks), each):
            tile = BlockDiagonal(matrix.blocks[first : first + each]).dense()
            yield first * rows, first * columns, tile
        return
    for first in range(0, matrix.shape[0], high):
        part = slice(first, first + high)
        if isinstance(matrix, Copies):
            source, factor = matrix.source[part], matrix.factor[part]
            for left in np.unique(source // wide) * wide:
                tile = np.zeros((source.size, min(wide, matrix.columns - left)))
                (own,) = np.nonzero((source >= left) & (source < left + wide))
                tile[own, source[own] - left] = factor[own]
                yield first, int(left), tile
        else:
            yield first, 0, matrix.rows(part) if isinstance(matrix, Decoded) else matrix[part]


def read_blocks(weight: Stored, neurons: int) -> BlockDiagonal:
    """A block-diagonal matrix, of which nothing else may be stored.

    Raises:
        ValueError: If it is none of so many blocks.
    """
    wrong = ValueError(f"matrix is not block-diagonal with {neurons} blocks")
    if weight.ndim != 2 or neurons < 1 or weight.shape[0] % neurons or weight.shape[1] % neurons:
        raise wrong
    height, width = weight.shape[0] // neurons, weight.shape[1] // neurons
    blocks = np.zeros((neurons, height, width))
    held = 0
    for (top, left), values in pieces(weight):
        held += values.size
        row, column = np.nonzero(values)
        block, below = np.divmod(row + top, height)
        other, beside = np.divmod(column + left, width)
        if np.any(block != other):
            raise wrong
        blocks[block, below, beside] = values[row, column]
    if held < blocks.size:
        raise wrong
    return BlockDiagonal(blocks)


def read_copies(weight: Stored) -> Copies:
    """A matrix of one entry a row.

    Raises:
        ValueError: If it is none.
    """
    rows, columns = weight.shape
    found = np.zeros(rows, np.int64)
    source, factor = np.zeros(rows, np.intp), np.zeros(rows)
    for (top, left), values in pieces(weight):
        row, column = np.nonzero(values)
        np.add.at(found, row + top, 1)
        source[row + top] = column + left
        factor[row + top] = values[row, column]
    if np.any(found != 1):
        raise ValueError("matrix has not one entry a row")
    return Copies(source, factor, columns)


def read_outer(weight: Stored, levels: Array) -> Array:
    """The map behind sums of levels, ``(outputs, neurons)``.

    Args:
        weight: The map of the units, ``(outputs, units)``.
        levels: Level weights, ``(neurons, units each)``; each neuron has one that is 1 or -1.

    Raises:
        ValueError: If it has none.
    """
    unit = Decoded(np.zeros((1, len(levels))), levels).one_unit
    if unit is None or weight.shape[1] != levels.size:
        raise ValueError("matrix is not of sums of levels")
    neurons = np.arange(len(levels))
    picked, sign = neurons * levels.shape[1] + unit, levels[neurons, unit]
    outer = np.empty((weight.shape[0], len(levels)))
    for part, values in _row_parts(weight):
        outer[part] = values[:, picked] * sign
    return outer


def read_decoded(weight: Stored, outer: Array, levels: Array) -> Decoded:
    """A map of sums of levels, whose every entry must be what these tell.

    Raises:
        ValueError: If it is another.
    """
    found = Decoded(outer, levels)
    same = weight.shape == (len(outer), levels.size) and outer.shape[1] == len(levels)
    if not same or any(np.any(found.rows(p) != values) for p, values in _row_parts(weight)):
        raise ValueError("matrix is not of sums of levels")
    return found


def _row_parts(weight: Stored) -> Iterator[tuple[slice, Any]]:
    each = by_rows(weight.shape)[0]
    for first in range(0, weight.shape[0], each):
        part = slice(first, first + each)
        yield part, weight[part]
