"""HDF5 files without kilobytes around small arrays, and matrices that are stored in part.

By default HDF5 writes so that readers of 2001 understand it: an index of 2 kB for every compressed
array, 1 kB for every group. Files written here need HDF5 1.10 (2016), hold small arrays within
their headers, hold what is the same once, and leave out chunks of zeros, which every reader
fills in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

# A matrix in memory or in a file.
Stored: TypeAlias = NDArray[np.float64] | h5py.Dataset

# h5py.File(..., "w", libver=WRITTEN_FOR)
WRITTEN_FOR = ("v110", "v110")
# Arrays of up to so many bytes gain less by compression than its own header takes.
_IN_HEADER = 512
# Bytes that are read and written at once.
_CHUNK = 2**20


class Writer:
    """Puts values into one file; small ones that are there already are linked to."""

    def __init__(self) -> None:
        self._there: dict[tuple[str, tuple[int, ...], bytes], h5py.Dataset] = {}

    def put(self, group: h5py.Group, name: str, value: NDArray[Any] | bytes | str | float) -> None:
        """Write an array, a number, text, or bytes as an array of them, into a group."""
        value = np.bytes_(value.encode()) if isinstance(value, str) else value
        array = np.frombuffer(value, np.uint8) if type(value) is bytes else np.asarray(value)
        if array.nbytes > _IN_HEADER:
            chunk = by_rows(array.shape, array.itemsize)
            group.create_dataset(name, data=array, chunks=chunk, compression="gzip")
            return
        key = array.dtype.str, array.shape, array.tobytes()
        if key in self._there:
            group[name] = self._there[key]
            return
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        self._there[key] = group.create_dataset(name, data=array, dcpl=layout)


def by_rows(shape: tuple[int, ...], itemsize: int = 8) -> tuple[int, ...]:
    """Chunks of whole rows: one if an array is small."""
    row = int(np.prod(shape[1:], dtype=np.int64)) * itemsize
    return min(shape[0], max(1, _CHUNK // max(row, 1))), *shape[1:]


def stored_chunks(dataset: h5py.Dataset) -> list[tuple[int, ...]]:
    """Where the chunks begin that a chunked dataset holds."""
    found: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: found.append(tuple(chunk.chunk_offset)))
    return found


def stored_bytes(dataset: h5py.Dataset) -> int:
    """Bytes of an array that a file holds, once they are unpacked."""
    if dataset.chunks is None:
        return int(dataset.nbytes)
    size: int = math.prod(dataset.chunks) * dataset.dtype.itemsize
    return size * int(dataset.id.get_num_chunks())


def pieces(values: Stored) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """What is stored of an array, as places and what begins there; all else is zeros."""
    if isinstance(values, np.ndarray) or values.chunks is None:
        yield (0,) * values.ndim, values[()]
        return
    for place in stored_chunks(values):
        ends = zip(place, values.chunks, values.shape, strict=True)
        yield place, values[tuple(slice(first, min(first + n, end)) for first, n, end in ends)]
