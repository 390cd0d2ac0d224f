"""Tables find the interval that a search finds, at the boundaries too."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnir.numerics.bucket_table import BucketTable
from pinnir.numerics.matrix import Array
from tests.strategies import SEEDS


def rows_of(seed: int, whole: bool) -> list[Array]:
    """Ascending boundaries of some rows: few or many, near or far, even or crowded."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rng.integers(1, 6)):
        row = rng.normal(size=rng.choice([0, 1, 2, 30, 300]))
        row = row * 10 ** rng.uniform(-4, 4) + rng.choice([0, 0, 1000])
        if rng.random() < 0.3:
            row = np.concatenate([row, row[:5] * (1 + 1e-15)])
        found.append(np.unique(np.rint(row) if whole else row))
    return found


def table_of(rows: list[Array]) -> BucketTable:
    return BucketTable.of(np.concatenate(rows), np.array([row.size for row in rows]))


def found_in(table: BucketTable, x: Array) -> np.ndarray:
    """Boundaries that each number has passed, by row."""
    places = table.find(x, np.empty(x.shape, np.intp), np.empty_like(x))
    return places - table.first[:-1, None]


def searched(rows: list[Array], x: Array) -> np.ndarray:
    return np.stack(
        [np.searchsorted(row, own, side="right") for row, own in zip(rows, x, strict=True)]
    )


@given(seed=SEEDS)
def test_as_a_search(seed):
    rows = rows_of(seed, whole=False)
    every = np.concatenate([*rows, np.random.default_rng(seed).normal(size=20), [1e300, -1e300]])
    beside = [np.nextafter(every, way) for way in (-np.inf, np.inf)]
    x = np.tile(np.concatenate([every, *beside]), (len(rows), 1))
    np.testing.assert_array_equal(found_in(table_of(rows), x), searched(rows, x))


@given(seed=SEEDS, shifted=st.booleans())
def test_whole_numbers_stay_exact_when_they_are_scaled(seed, shifted):
    rows = rows_of(seed, whole=True)
    table = table_of(rows)
    every = np.concatenate([*rows, [0.0]])
    x = np.tile(np.concatenate([every, every - 1, every + 1]), (len(rows), 1))
    scaled = (x - table.shift * shifted) * table.scale
    found = found_in(table.scaled(shifted=shifted), scaled)
    np.testing.assert_array_equal(found, searched(rows, x))


def test_a_cell_holds_one_boundary_if_boundaries_are_apart():
    table = table_of([np.linspace(-1, 1, 100), np.array([0.0, 1.0, 1.001])])
    assert table.depth.tolist() == [1, 1]
    assert table_of([np.array([0.0, 1e-9, 1.0])]).depth.tolist() == [2]


def test_no_rows_with_boundaries():
    table = table_of([np.zeros(0), np.zeros(0)])
    np.testing.assert_array_equal(found_in(table, np.array([[-1.0, 5.0], [0.0, 1.0]])), 0)
