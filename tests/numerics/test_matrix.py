"""Block-diagonal matrices mean the same as dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.numerics.matrix import (
    BlockDiagonal,
    apply,
    by_weight,
    compose,
    dense,
    entries,
    fan_out,
    nonzeros,
    product,
    scaled,
    transposed,
    with_entries,
)
from tests.strategies import SEEDS

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def blocks(seed: int, size: tuple[int, int, int]) -> BlockDiagonal:
    """Integer entries, so that all sums are exact; some are zero."""
    return BlockDiagonal(np.random.default_rng(seed).integers(-2, 3, size).astype(np.float64))


@given(seed=SEEDS, size=SIZES, lead=st.lists(st.integers(1, 3), max_size=2))
def test_apply_equals_the_dense_product(seed, size, lead):
    matrix = blocks(seed, size)
    x = np.random.default_rng(seed).integers(-5, 6, (*lead, matrix.shape[1])).astype(np.float64)
    expected = x @ dense(matrix).T
    np.testing.assert_array_equal(apply(matrix, x), expected)
    np.testing.assert_array_equal(apply(dense(matrix), x), expected)


@given(seed=SEEDS, size=SIZES, outputs=st.integers(1, 3))
def test_compose_equals_the_dense_product(seed, size, outputs):
    inner = blocks(seed, size)
    outer = np.random.default_rng(seed).integers(-5, 6, (outputs, inner.shape[0])).astype(float)
    np.testing.assert_array_equal(compose(outer, inner), outer @ dense(inner))


@given(seed=SEEDS, size=SIZES, sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_product_of_blocks_equals_the_dense_product(seed, size, sizes):
    """Blocks of one may hold several of the other's, or lie across them."""
    outer, (count, columns) = blocks(seed, size), sizes
    rows = outer.shape[1] // count
    if rows * count != outer.shape[1]:
        count, rows = 1, outer.shape[1]
    inner = blocks(seed + 1, (count, rows, columns))
    for one in (outer, dense(outer)):
        for other in (inner, dense(inner)):
            found = dense(product(one, other))
            np.testing.assert_array_equal(found, dense(outer) @ dense(inner))


@given(seed=SEEDS, size=SIZES)
def test_scaled_keeps_the_form(seed, size):
    matrix, rng = blocks(seed, size), np.random.default_rng(seed)
    rows, columns = (rng.integers(-3, 4, length).astype(float) for length in matrix.shape)
    expected = np.diag(rows) @ dense(matrix) @ np.diag(columns)
    for one in (matrix, dense(matrix)):
        found = scaled(one, rows, columns)
        assert type(found) is type(one)
        np.testing.assert_array_equal(dense(found), expected)


@given(seed=SEEDS, size=SIZES)
def test_from_dense_inverts_dense(seed, size):
    matrix = blocks(seed, size)
    assert dense(matrix).shape == matrix.shape == (size[0] * size[1], size[0] * size[2])
    np.testing.assert_array_equal(
        BlockDiagonal.from_dense(dense(matrix), size[0]).blocks, matrix.blocks
    )


@given(seed=SEEDS, size=SIZES)
def test_synapses_are_the_entries_that_are_not_zero(seed, size):
    matrix = blocks(seed, size)
    assert nonzeros(matrix) == nonzeros(dense(matrix)) == np.count_nonzero(matrix.blocks)
    np.testing.assert_array_equal(fan_out(matrix), np.count_nonzero(dense(matrix), axis=0))
    np.testing.assert_array_equal(fan_out(dense(matrix)), fan_out(matrix))


def test_from_dense_refuses_entries_off_the_diagonal():
    with pytest.raises(ValueError, match=r"^matrix is not block-diagonal with 2 blocks$"):
        BlockDiagonal.from_dense(np.ones((2, 2)), 2)


@given(seed=SEEDS, size=SIZES, samples=st.integers(1, 4))
def test_entries_there_and_back_and_the_derivative_by_them(seed, size, samples):
    matrix = blocks(seed, size)
    rng = np.random.default_rng(seed)
    out, x = (rng.integers(-3, 4, (samples, n)).astype(float) for n in matrix.shape)
    np.testing.assert_array_equal(dense(transposed(matrix)), dense(matrix).T)
    np.testing.assert_array_equal(
        dense(with_entries(matrix, entries(matrix) + 1)), dense(BlockDiagonal(matrix.blocks + 1))
    )
    whole = by_weight(dense(matrix), out, x)
    np.testing.assert_array_equal(whole, out.T @ x)
    own = BlockDiagonal.from_dense(whole * dense(BlockDiagonal(np.ones(size))), size[0])
    np.testing.assert_array_equal(by_weight(matrix, out, x), own.blocks)
