"""Weights in files: written piece by piece, read back in their form, dense for everyone else."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.hdf5 import WRITTEN_FOR, Writer, stored_bytes
from pinnir.numerics.matrix import BlockDiagonal, Copies, Decoded, Matrix, dense
from pinnir.program import nir_weights
from pinnir.program.nir_weights import (
    read_blocks,
    read_copies,
    read_decoded,
    read_outer,
    write_weight,
)
from tests.strategies import SEEDS


def written(matrix: Matrix) -> h5py.Dataset:
    file = h5py.File(io.BytesIO(), "w", libver=WRITTEN_FOR)
    write_weight(file, matrix, Writer())
    return file["weight"]


@pytest.fixture(params=[2**16, 30], ids=["whole", "in pieces"])
def size(request, monkeypatch):
    """Matrices of a few hundred entries are small, or are written in pieces."""
    monkeypatch.setattr(nir_weights, "_SMALL", request.param)
    monkeypatch.setattr(nir_weights, "_COPIED", (7, 3))
    return request.param


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 7), (7, 3, 2), (30, 2, 1), (11, 1, 4)])
def test_blocks(size, shape):
    matrix = BlockDiagonal(np.random.default_rng(1).normal(size=shape))
    found = written(matrix)
    np.testing.assert_array_equal(found[()], dense(matrix))
    for weight in (found, found[()]):
        np.testing.assert_array_equal(read_blocks(weight, shape[0]).blocks, matrix.blocks)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (40, 1), (40, 12), (23, 50)])
def test_copies(size, rows, columns):
    rng = np.random.default_rng(2)
    source = np.sort(rng.integers(0, columns, rows))
    matrix = Copies(source, rng.choice([-1.0, 1.0], rows), columns)
    found = written(matrix)
    np.testing.assert_array_equal(found[()], dense(matrix))
    for weight in (found, found[()]):
        again = read_copies(weight)
        np.testing.assert_array_equal(again.source, matrix.source)
        np.testing.assert_array_equal(again.factor, matrix.factor)
        assert again.columns == columns


@given(seed=SEEDS, neurons=st.integers(1, 5), units=st.integers(1, 4), outputs=st.integers(1, 30))
def test_sums_of_levels(seed, neurons, units, outputs):
    """The map is told by units that count one level, and told exactly."""
    rng = np.random.default_rng(seed)
    outer = rng.normal(size=(outputs, neurons))
    fine = Decoded(outer, rng.choice([-1.0, 1.0], (neurons, units)))
    coarse = Decoded(outer, rng.integers(-9, 10, (neurons, units)).astype(float))
    told = read_outer(written(fine), fine.weight)
    np.testing.assert_array_equal(told, outer)
    for one in (fine, coarse):
        found = written(one)
        np.testing.assert_array_equal(found[()], dense(one))
        assert read_decoded(found, told, one.weight).outer is told
        changed = found[()]
        changed[-1, -1] += 1
        with pytest.raises(ValueError, match=r"^matrix is not of sums of levels$"):
            read_decoded(changed, told, one.weight)


def test_the_map_is_not_told_without_units_that_count_one():
    with pytest.raises(ValueError, match=r"^matrix is not of sums of levels$"):
        read_outer(np.ones((2, 2)), np.full((1, 2), 2.0))


def test_zeros_take_no_room():
    """A file holds of sparse forms about what they hold themselves."""
    wide = BlockDiagonal(np.ones((4096, 2, 1)))
    copied = Copies(np.repeat(np.arange(4096), 2), np.ones(8192), 4096)
    for matrix in (wide, copied):
        found = written(matrix)
        assert stored_bytes(found) < found.nbytes / 10
        assert found.id.get_storage_size() < found.nbytes / 1000


@pytest.mark.parametrize(
    ("matrix", "neurons"),
    [(np.ones((2, 2)), 2), (np.eye(4), 3), (np.eye(4), 0), (np.eye(4)[:, ::-1], 2)],
)
def test_what_is_no_matrix_of_blocks(matrix, neurons):
    with pytest.raises(ValueError, match=f"^matrix is not block-diagonal with {neurons} blocks$"):
        read_blocks(matrix, neurons)


def test_blocks_that_no_file_holds():
    """What is claimed of a matrix must be stored."""
    file = h5py.File(io.BytesIO(), "w")
    weight = file.create_dataset("weight", (2**20, 2**20), "f8", chunks=(64, 64))
    with pytest.raises(ValueError, match=r"^matrix is not block-diagonal with 131072 blocks$"):
        read_blocks(weight, 2**17)


@pytest.mark.parametrize("matrix", [np.ones((2, 2)), np.zeros((2, 2)), np.diag([1.0, 0.0])])
def test_what_is_no_matrix_of_copies(matrix):
    with pytest.raises(ValueError, match=r"^matrix has not one entry a row$"):
        read_copies(matrix)
