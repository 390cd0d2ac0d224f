"""The order of streamed points: every point once, and near the one before it."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import DomainError
from pinnir.points.domain import Domain
from pinnir.points.streaming_order import (
    Streaming,
    along_curve,
    boustrophedon,
    hilbert,
    side_by_side,
)

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)
CUBES = st.integers(1, 4).flatmap(
    lambda columns: st.integers(0, 8 // columns).map(lambda bits: (2**bits,) * columns)
)
SQUARE = Domain(("x", "y"), np.array([-1.0, 0.0]), np.array([1.0, 2.0]))


def jumps(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Grid steps from each point to the next."""
    assert sorted(rows.tolist()) == list(range(prod(shape)))
    return np.abs(np.diff(np.array(np.unravel_index(rows, shape)), axis=1)).sum(axis=0)


@given(SHAPES)
def test_boustrophedon_takes_single_steps(shape):
    assert (jumps(boustrophedon(shape), shape) == 1).all()


def test_boustrophedon_runs_along_the_longest_column():
    rows = boustrophedon((4, 2))
    assert rows.tolist() == [0, 2, 4, 6, 7, 5, 3, 1]
    assert boustrophedon((2, 2)).tolist() == [0, 1, 3, 2]


@given(CUBES)
def test_hilbert_takes_single_steps_in_cubes(shape):
    assert (jumps(hilbert(shape), shape) == 1).all()


@pytest.mark.parametrize("shape", [(16, 4), (2, 32), (4, 8, 2), (1, 8), (2, 2, 4, 4)])
def test_hilbert_in_boxes_jumps_rarely(shape):
    assert (jumps(hilbert(shape), shape) > 1).mean() <= 0.25


def test_hilbert_of_a_line_is_the_line():
    assert hilbert((6,)).tolist() == list(range(6))


def test_hilbert_of_other_sides():
    with pytest.raises(DomainError) as caught:
        hilbert((256, 100))
    assert str(caught.value) == (
        "the order hilbert does not fit the grid 256x100: its sides are not all powers of two\n"
        "hint: give a grid such as 64x64, or boustrophedon"
    )


@given(st.integers(1, 40), st.data())
def test_lines_have_equal_lengths(count, data):
    lines = data.draw(st.integers(1, count))
    rows = side_by_side(np.arange(count), lines)
    assert sorted(rows.tolist()) == list(range(count))
    pieces = [rows[line::lines] for line in range(lines)]
    assert np.concatenate(pieces).tolist() == list(range(count))
    assert len(pieces[0]) - len(pieces[-1]) <= 1


@pytest.mark.parametrize("columns", [1, 2, 3, 9, 80])
def test_points_are_near_the_ones_before_them(columns):
    box = Domain(tuple(f"x{i}" for i in range(columns)), np.zeros(columns), np.ones(columns))
    points = box.sample(256, 3)
    rows = along_curve(points, box)
    assert sorted(rows.tolist()) == list(range(256))
    steps = [np.linalg.norm(np.diff(p, axis=0), axis=1).mean() for p in (points[rows], points)]
    assert steps[0] < (0.5 if columns < 4 else 1.0) * steps[1]


def test_streaming_orders_tables():
    points = SQUARE.grid((4, 8))
    grid = Streaming(shape=(4, 8))
    np.testing.assert_array_equal(grid.rows(0, points, SQUARE), boustrophedon((4, 8)))
    curve = Streaming("hilbert", shape=(4, 8))
    np.testing.assert_array_equal(curve.rows(0, points, SQUARE), hilbert((4, 8)))
    np.testing.assert_array_equal(Streaming("given").rows(0, points, SQUARE), np.arange(32))
    np.testing.assert_array_equal(Streaming().rows(0, points, SQUARE), along_curve(points, SQUARE))
    two = Streaming("given", 2).rows(0, points, SQUARE)
    assert two[:4].tolist() == [0, 16, 1, 17]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            {"order": "zigzag"},
            "unknown order 'zigzag'\nhint: known are boustrophedon, hilbert, given",
        ),
        ({"lines": 0}, "0 lines are too few\nhint: give 1 or more"),
        (
            {"order": "boustrophedon"},
            "the order boustrophedon needs a grid, and these points are none\n"
            "hint: give --grid, or the order hilbert",
        ),
        (
            {"lines": 33},
            "32 points cannot be streamed along 33 lines\nhint: give at most 32 lines",
        ),
    ],
)
def test_what_does_not_fit(ask, message):
    with pytest.raises(DomainError) as caught:
        Streaming(**ask).rows(0, SQUARE.grid((4, 8)), SQUARE)
    assert str(caught.value) == message
