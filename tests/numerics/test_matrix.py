"""All forms of matrices mean the same as dense ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.numerics.matrix import (
    BlockDiagonal,
    Copies,
    Decoded,
    Matrix,
    apply,
    as_copies,
    by_weight,
    compose,
    dense,
    entries,
    extremes,
    fan_out,
    nonzeros,
    plain,
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


def copies(seed: int, size: tuple[int, int, int]) -> Copies:
    rng = np.random.default_rng(seed)
    rows, columns = size[0] * size[1], size[2]
    return Copies(rng.integers(0, columns, rows), rng.integers(-2, 3, rows).astype(float), columns)


def decoded(seed: int, size: tuple[int, int, int]) -> Decoded:
    rng = np.random.default_rng(seed)
    outputs, neurons, units = size
    outer = rng.integers(-3, 4, (outputs, neurons)).astype(float)
    return Decoded(outer, rng.integers(-2, 3, (neurons, units)).astype(float))


FORMS = (blocks, copies, decoded)


@given(seed=SEEDS, size=SIZES, made=st.sampled_from(FORMS))
def test_every_form_agrees_with_its_dense_form(seed, size, made):
    """Entries are small whole numbers, so that all sums are exact."""
    matrix: Matrix = made(seed, size)
    whole, rng = dense(matrix), np.random.default_rng(seed)
    assert matrix.shape == whole.shape
    for lead in ((3,), (2, 3)):
        x = rng.integers(-5, 6, (*lead, matrix.shape[1])).astype(float)
        kept = x.copy()
        np.testing.assert_array_equal(apply(matrix, x), x @ whole.T)
        np.testing.assert_array_equal(x, kept)
    assert nonzeros(matrix) == np.count_nonzero(whole)
    np.testing.assert_array_equal(fan_out(matrix), np.count_nonzero(whole, axis=0))
    low, high = (entries(matrix) + 0.0).min(), (entries(matrix) + 0.0).max()
    assert extremes(matrix) == (low, high) == extremes(entries(matrix))
    np.testing.assert_array_equal(dense(plain(matrix)), whole)
    np.testing.assert_array_equal(dense(transposed(matrix)), whole.T)
    np.testing.assert_array_equal(dense(with_entries(matrix, entries(matrix))), whole)
    rows, columns = (rng.integers(-3, 4, length).astype(float) for length in matrix.shape)
    found = dense(scaled(matrix, rows, columns))
    np.testing.assert_array_equal(found, np.diag(rows) @ whole @ np.diag(columns))
    out, x = (rng.integers(-3, 4, (4, length)).astype(float) for length in matrix.shape)
    if made is not blocks:
        np.testing.assert_array_equal(by_weight(matrix, out, x), out.T @ x)


@given(seed=SEEDS, size=SIZES, forms=st.tuples(st.sampled_from(FORMS), st.sampled_from(FORMS)))
def test_products_of_any_forms_equal_the_dense_product(seed, size, forms):
    outer, other = forms[0](seed, size), forms[1](seed + 1, size)
    inner = other if other.shape[0] == outer.shape[1] else transposed(outer)
    np.testing.assert_array_equal(dense(product(outer, inner)), dense(outer) @ dense(inner))


@given(seed=SEEDS, size=SIZES, first=st.integers(0, 3), count=st.integers(1, 3))
def test_rows_of_a_decoded_map(seed, size, first, count):
    matrix, part = decoded(seed, size), slice(first, first + count)
    np.testing.assert_array_equal(matrix.rows(part), dense(matrix)[part])


@given(seed=SEEDS, size=SIZES)
def test_units_of_weight_one_tell_the_outer_map(seed, size):
    matrix = decoded(seed, size)
    unit = matrix.one_unit
    if unit is None:
        assert not (np.abs(matrix.weight) == 1).any(axis=1).all()
        return
    neurons = np.arange(len(matrix.weight))
    sign = matrix.weight[neurons, unit]
    columns = dense(matrix)[:, neurons * matrix.weight.shape[1] + unit]
    np.testing.assert_array_equal(columns * sign, matrix.outer)


@given(seed=SEEDS, size=SIZES)
def test_rows_of_one_entry_are_copies_in_any_form(seed, size):
    made = copies(seed, size)
    whole = Copies(made.source, np.where(made.factor == 0, 1.0, made.factor), made.columns)
    column = BlockDiagonal(np.abs(blocks(seed, size).blocks[:, :, :1]) + 1)
    for matrix in (whole, dense(whole), column):
        found = as_copies(matrix)
        assert found is not None
        np.testing.assert_array_equal(dense(found), dense(matrix))
    broken = dense(whole)
    broken[0] = 0
    assert as_copies(broken) is None
    assert as_copies(replace(whole, factor=0 * whole.factor)) is None


def test_extremes_of_nothing_and_of_what_is_no_number():
    assert extremes(np.zeros((2, 0))) == (0.0, 0.0)
    for broken in (
        np.array([[np.nan, 1.0]]),
        BlockDiagonal(np.array([[[np.nan]], [[1.0]]])),
        Copies(np.array([0, 1]), np.array([np.nan, 1.0]), 3),
        Decoded(np.array([[1.0, np.nan]]), np.ones((2, 2))),
        Decoded(np.ones((1, 2)), np.array([[1.0, np.nan], [1.0, 1.0]])),
    ):
        assert np.isnan(extremes(broken)).all()
