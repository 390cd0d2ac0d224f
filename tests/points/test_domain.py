"""Domains, the points drawn from them, and files of points."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pinnir.base.errors import DomainError
from pinnir.points.domain import Domain
from pinnir.points.domain_forms import read_ranges
from pinnir.points.domain_text import parse_grid
from pinnir.points.point_files import load_points, load_reference
from pinnir.points.ranges import ModelInputs
from pinnir.points.streaming_order import along_curve

SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'
QUOTES = "; a name with a comma or an equals sign stands in single quotes: 'x,t'=0:1"
FORMS = (
    'give text such as "x=-1:1,t=0:1", a dict such as {"x": (-1, 1), "t": (0, 1)}, or an array of '
    "bounds (columns, 2)"
)
BOX = Domain(("x", "t"), np.array([-1.0, 0.0]), np.array([1.0, 0.5]))


def inputs_of(**widths: int | None) -> list[tuple[str, int | None, int]]:
    return [(name, width, 0) for name, width in widths.items()]


POINT = inputs_of(p=2)
PAIR = inputs_of(x=1, t=1)
MIXED = inputs_of(p=2, t=1)


def error(source: Any, inputs: ModelInputs = POINT) -> str:
    with pytest.raises(DomainError) as caught:
        read_ranges(source).domain(inputs)
    return str(caught.value)


def told(
    text: str, inputs: ModelInputs = POINT
) -> tuple[tuple[str, ...], list[float], list[float]]:
    box = read_ranges(text).domain(inputs)
    return box.columns, box.low.tolist(), box.high.tolist()


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("x=-1:1,t=0:1", POINT, (("x", "t"), [-1, 0], [1, 1])),
        ("x=-1:1,t=0:1", inputs_of(p=None), (("x", "t"), [-1, 0], [1, 1])),
        (" x = -1 : 1 , t = 0 : 1 ,", POINT, (("x", "t"), [-1, 0], [1, 1])),
        ("t=0:1,x=-1:1", POINT, (("t", "x"), [0, -1], [1, 1])),
        ("-1:1", POINT, (("p.0", "p.1"), [-1, -1], [1, 1])),
        ("-1:1", inputs_of(x=1), (("x",), [-1], [1])),
        ("x=1e-3:2.5E2", inputs_of(x=1), (("x",), [1e-3], [250])),
        ("-1:1", PAIR, (("x", "t"), [-1, -1], [1, 1])),
        ("x=-1:1,t=0:1", PAIR, (("x", "t"), [-1, 0], [1, 1])),
        ("t=0:1,x=-1:1", PAIR, (("x", "t"), [-1, 0], [1, 1])),
        ("p=-1:1,t=0:1", MIXED, (("p.0", "p.1", "t"), [-1, -1, 0], [1, 1, 1])),
        ("p.0=-1:1,p.1=2:3,t=0:1", MIXED, (("p.0", "p.1", "t"), [-1, 2, 0], [1, 3, 1])),
        ("p=-1:1,p.1=2:3,t=0:1", MIXED, (("p.0", "p.1", "t"), [-1, 2, 0], [1, 3, 1])),
        ("x=-1:1,t=0.5", POINT, (("x", "t"), [-1, 0.5], [1, 0.5])),
        ("x=-1:1,t=0.5:0.5", POINT, (("x", "t"), [-1, 0.5], [1, 0.5])),
        ("p.1=pi,p=-1:1,t=-2", MIXED, (("p.0", "p.1", "t"), [-1, np.pi, -2], [1, np.pi, -2])),
        ("0:2", MIXED, (("p.0", "p.1", "t"), [0, 0, 0], [2, 2, 2])),
    ],
)
def test_syntax(text, inputs, expected):
    assert told(text, inputs) == expected


def test_input_names_with_dots():
    """Exporters write names such as ``input.1``, which are no columns of ``input``."""
    inputs = inputs_of(**{"input": 1, "input.1": 1})
    columns, low, high = told("input=-1:1,input.1=0:2", inputs)
    assert (columns, low, high) == (("input", "input.1"), [-1, 0], [1, 2])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pi", np.pi),
        ("-pi", -np.pi),
        ("+pi", np.pi),
        ("2pi", 2 * np.pi),
        ("2*pi", 2 * np.pi),
        ("-0.5pi", -0.5 * np.pi),
        ("-.25*pi", -0.25 * np.pi),
        ("PI", np.pi),
        (" 3Pi ", 3 * np.pi),
    ],
)
def test_multiples_of_pi(text, value):
    low, high = (text, "99") if value < 90 else ("0", text)
    box = read_ranges(f"x={low}:{high}").domain(inputs_of(x=1))
    assert box.low[0] == value


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_empty(text):
    assert error(text) == f"the domain is empty\nhint: {SYNTAX}"


@pytest.mark.parametrize(
    ("text", "item"),
    [("x=-1:1,0:1", "0:1"), ("0:1,0:1", "0:1"), ("=0:1,x=0:1", "=0:1"), ("x=0:1, t", "t")],
)
def test_item_without_a_name(text, item):
    assert error(text) == f"'{item}' in the domain is not NAME=lo:hi\nhint: {SYNTAX}{QUOTES}"


@pytest.mark.parametrize(
    "item", ["x=a:1", "x=0:", "x=:1", "x=", "x=one", "x=0:1:2", "x=0:pi/2", "x=0:.pi", "x=0;1"]
)
def test_item_without_numbers(item):
    assert error(f"{item},t=0:1") == f"'{item}' in the domain is not lo:hi\nhint: {SYNTAX}"


def test_single_item_without_numbers():
    assert error("nonsense") == f"'nonsense' in the domain is not lo:hi\nhint: {SYNTAX}"


@pytest.mark.parametrize(
    "item", ["x=1:0", "x=inf", "x=0:inf", "x=nan:1", "x=-inf:inf", "x=pi:3", "x=-1e308:1e308"]
)
def test_item_without_a_range(item):
    assert error(f"{item},t=0:1") == (
        f"'{item}' in the domain is not a range of finite bounds, the lower one first\n"
        f"hint: {SYNTAX}"
    )


def test_twice():
    assert error("x=0:1, x =0:2") == f"the domain gives 'x' twice\nhint: {SYNTAX}"


@pytest.mark.parametrize(("text", "names"), [("x=0:1", "x"), ("x=0:1,y=0:1,t=0:1", "x, y, t")])
def test_wrong_number_of_columns(text, names):
    count = names.count(",") + 1
    assert error(text) == (
        f"the domain gives {count} columns ({names}), the model's input 'p' has 2\nhint: {SYNTAX}"
    )


def test_open_width_needs_names():
    assert error("-1:1", inputs_of(p=None)) == (
        "the model's input 'p' leaves its number of columns open\n"
        f"hint: name every column: {SYNTAX}"
    )
    assert error("x=0:1,t=0:1", inputs_of(p=None, q=1)) == (
        "the model's input 'p' leaves its number of columns open\n"
        f"hint: name every column: {SYNTAX}"
    )


def test_input_left_out():
    assert error("x=0:1", PAIR) == (
        "the domain says nothing of the model's input 't'\n"
        "hint: the inputs are x, t; write NAME=lo:hi for each"
    )
    assert error("p.0=0:1,t=0:1", MIXED) == (
        "the domain says nothing of the model's input 'p.1'\n"
        "hint: the inputs are p.0, p.1, t; write NAME=lo:hi for each"
    )


def test_input_that_does_not_exist():
    assert error("x=0:1,t=0:1,y=0:1,z=0:1", PAIR) == (
        "the model has no input 'y', 'z'\nhint: its inputs are x, t"
    )
    assert error("p=0:1,t=0:1,p.2=0:1", MIXED) == (
        "the model has no input 'p.2'\nhint: its inputs are p.0, p.1, t"
    )


def test_text_form_is_read_back_exactly():
    box = Domain(("x", "t"), np.array([-1 / 3, 0.1]), np.array([np.pi, 1e300]))
    again = read_ranges(str(box)).domain(POINT)
    assert again.columns == box.columns
    np.testing.assert_array_equal(again.low, box.low)
    np.testing.assert_array_equal(again.high, box.high)


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("'x,t'=-1:1", inputs_of(**{"x,t": 1}), (("x,t",), [-1], [1])),
        ("'a=b'=-1:1,' c '=0:1", POINT, (("a=b", " c "), [-1, 0], [1, 1])),
        (" 'x' = -1:1 , u'=0:1", POINT, (("x", "u'"), [-1, 0], [1, 1])),
        ("'it''s'=-1:1,''=0:1", POINT, (("it's", ""), [-1, 0], [1, 1])),
        (
            "'x,t.1'=0:1,'x,t'=-1:1,s=0:2",
            inputs_of(**{"x,t": 2, "s": 1}),
            (("x,t.0", "x,t.1", "s"), [-1, 0, 0], [1, 1, 2]),
        ),
    ],
)
def test_quoted_names(text, inputs, expected):
    assert told(text, inputs) == expected


def test_the_hint_says_how_to_quote_where_it_is_needed():
    assert error("x,t=0:1", inputs_of(**{"x,t": 1})) == (
        f"'x' in the domain is not NAME=lo:hi\nhint: {SYNTAX}{QUOTES}"
    )
    assert error("x=t=0:1", inputs_of(**{"x=t": 1})) == (
        f"'x=t=0:1' in the domain is not lo:hi\nhint: {SYNTAX}{QUOTES}"
    )


def test_a_column_named_as_another_input():
    columns, low, _ = told("x=0:1,x.0=5:6", inputs_of(**{"x": 2, "x.0": 1}))
    assert (columns, low) == (("x.0", "x.1", "x.0"), [0, 0, 5])


# Anything that ONNX takes as a name, with a leaning to what the syntax itself uses.
NAMES = st.text(
    st.sampled_from("xt,=:'\". 0") | st.characters(exclude_categories=["Cs"]), max_size=6
)


@given(names=st.lists(NAMES, min_size=1, max_size=3, unique=True), data=st.data())
def test_a_box_is_read_back_from_its_text_whatever_the_names(names, data):
    """What ``pinnir check`` proposes, filled in, and what messages say of a domain."""
    inputs = [(name, 1, 0) for name in names]
    box = Domain(tuple(names), -np.arange(1.0, len(names) + 1), np.arange(1.0, len(names) + 1))
    order = data.draw(st.permutations(str(box).split(","))) if "," not in "".join(names) else ()
    for text in filter(None, (str(box), ",".join(order))):
        again = read_ranges(text).domain(inputs)
        if len(names) > 1:
            assert again.columns == box.columns
            np.testing.assert_array_equal(again.high, box.high)
        assert set(again.columns) == set(box.columns)


# ---------------------------------------------------------------------------------- other forms


def same(found: Domain, expected: Domain) -> None:
    assert found.columns == expected.columns
    assert found.axes == expected.axes
    np.testing.assert_array_equal(found.low, expected.low)
    np.testing.assert_array_equal(found.high, expected.high)
    assert found.low.dtype == found.high.dtype == np.float64


FINITE = st.floats(-1e300, 1e300, allow_nan=False)


@given(data=st.data())
def test_text_dict_and_array_are_one_domain(data):
    """For inputs of any names, widths and sample axes, and with columns of one value."""
    names = data.draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    widths = data.draw(st.lists(st.integers(1, 3), min_size=len(names), max_size=len(names)))
    axes = data.draw(st.permutations(range(len(names))))
    inputs = list(zip(names, widths, axes, strict=True))
    count = sum(widths)
    pairs = data.draw(st.lists(st.tuples(FINITE, FINITE), min_size=count, max_size=count))
    bounds = np.sort(np.array(pairs), axis=1)
    by_array = read_ranges(bounds).domain(inputs)
    # Only an array can tell a column that is called as another input from that input.
    assume(len(set(by_array.columns) | set(names)) == count + sum(width > 1 for width in widths))
    ranges = dict(zip(by_array.columns, bounds, strict=True))
    fixed = {name: low if low == high else (low, high) for name, (low, high) in ranges.items()}
    for source in (str(by_array), ranges, fixed, bounds.tolist()):
        same(read_ranges(source).domain(inputs), by_array)


@pytest.mark.parametrize(
    ("source", "inputs", "expected"),
    [
        ({"x": (-1, 1), "t": 0.5}, POINT, (("x", "t"), [-1, 0.5], [1, 0.5])),
        ({"t": [0, 1], "x": np.int64(2)}, PAIR, (("x", "t"), [2, 0], [2, 1])),
        (
            {"p.1": (2, 3), "p": (-1, 1), "t": 0},
            MIXED,
            (("p.0", "p.1", "t"), [-1, 2, 0], [1, 3, 0]),
        ),
        (np.array([[-1, 1], [0, 0]]), POINT, (("p.0", "p.1"), [-1, 0], [1, 0])),
        ([(-1, 1), (0, 1)], PAIR, (("x", "t"), [-1, 0], [1, 1])),
        ([(-1, 1)], inputs_of(p=None), (("p",), [-1], [1])),
        ([(-1, 1), (0, 1)], inputs_of(p=None), (("p.0", "p.1"), [-1, 0], [1, 1])),
    ],
)
def test_dicts_and_arrays(source, inputs, expected):
    assert told(source, inputs) == expected


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (3, "the domain is a single number, not (columns, 2)"),
        (None, "the domain of type NoneType holds something else than numbers"),
        (Path("x=0:1"), "the domain of type PosixPath holds something else than numbers"),
        ([[0, 1], [2]], "the domain of type list holds something else than numbers"),
        ([["0", "1"]], "the domain of type list holds something else than numbers"),
        (np.array([[0j, 1]]), "the domain of type ndarray holds something else than numbers"),
        (np.zeros(3), "the domain is an array of shape (3,), not (columns, 2)"),
        ((-1, 1), "the domain is an array of shape (2,), not (columns, 2)"),
        (np.zeros((2, 3)), "the domain is an array of shape (2, 3), not (columns, 2)"),
        (np.zeros((0, 2)), "the domain is an array of shape (0, 2), not (columns, 2)"),
        ({}, "the domain is empty"),
        ({0: (0, 1)}, "the key 0 of the domain is not a name"),
        ({"x": "a"}, "'x': 'a' in the domain is neither a number nor a pair (low, high)"),
        (
            {"x": (0, 1, 2)},
            "'x': (0, 1, 2) in the domain is neither a number nor a pair (low, high)",
        ),
        ({"x": None}, "'x': None in the domain is neither a number nor a pair (low, high)"),
        ({"x": [[0, 1]]}, "'x': [[0, 1]] in the domain is neither a number nor a pair (low, high)"),
        (
            {"x": (1, -1)},
            "'x': (1, -1) in the domain is not a range of finite bounds, the lower one first",
        ),
        (
            {"x": np.inf},
            "'x': inf in the domain is not a range of finite bounds, the lower one first",
        ),
        (
            [[0, 1], [np.nan, 1]],
            "row 1 of the domain, [nan, 1], is not a range of finite bounds, the lower one first",
        ),
        (
            np.array([[2, 1]]),
            "row 0 of the domain, [2, 1], is not a range of finite bounds, the lower one first",
        ),
    ],
)
def test_what_is_no_domain(source, problem):
    assert error(source) == f"{problem}\nhint: {FORMS}"


def test_arrays_of_another_number_of_columns():
    for inputs, names in ((POINT, "p.0, p.1"), (PAIR, "x, t")):
        assert error(np.zeros((3, 2)), inputs) == (
            f"the domain gives 3 columns, the model has 2\nhint: give one range a column: {names}"
        )


def test_names_of_a_dict_are_those_of_the_inputs():
    assert error({"x": (0, 1), "y": (0, 1)}, PAIR) == (
        "the domain says nothing of the model's input 't'\n"
        "hint: the inputs are x, t; write NAME=lo:hi for each"
    )


# --------------------------------------------------------------------------------------- points


@given(seed=st.integers(0, 2**32 - 1), power=st.integers(0, 8))
def test_samples_lie_inside(seed, power):
    points = BOX.sample(2**power, seed)
    assert points.shape == (2**power, 2)
    assert points.dtype == np.float64
    assert np.all((points >= BOX.low) & (points <= BOX.high))


def test_samples_fill_the_box_evenly():
    """A Sobol sequence puts as many points into each of 64 cells."""
    points = BOX.sample(1024, 0)
    cells, _, _ = np.histogram2d(*points.T, bins=8, range=[[-1, 1], [0, 0.5]])
    assert np.all(cells == 16)


def test_samples_depend_on_the_seed_only():
    np.testing.assert_array_equal(BOX.sample(64, 3), BOX.sample(64, 3))
    assert not {*map(tuple, BOX.sample(64, 3))} & {*map(tuple, BOX.sample(64, 4))}


def test_boundary():
    points = BOX.boundary(16, 0)
    assert points.shape == (4 * 16 + 4, 2)
    on_face = (points == BOX.low) | (points == BOX.high)
    assert np.all(on_face.any(axis=1))
    assert np.all((points >= BOX.low) & (points <= BOX.high))
    for column in range(2):
        for bound in (BOX.low[column], BOX.high[column]):
            assert np.count_nonzero(points[:, column] == bound) == 16 + 2
    assert {tuple(row) for row in points[-4:]} == {(-1, 0), (-1, 0.5), (1, 0), (1, 0.5)}


def test_boundary_of_a_line():
    line = Domain(("x",), np.array([2.0]), np.array([3.0]))
    assert set(line.boundary(4, 0)[:, 0]) == {2.0, 3.0}


def test_boundary_of_many_columns_has_no_corners():
    wide = Domain(tuple("abcdefg"), np.zeros(7), np.ones(7))
    assert wide.boundary(8, 0).shape == (7 * 2 * 8, 7)


def test_grid_order():
    np.testing.assert_array_equal(
        BOX.grid((3, 2)), [[-1, 0], [-1, 0.5], [0, 0], [0, 0.5], [1, 0], [1, 0.5]]
    )
    np.testing.assert_array_equal(BOX.grid((1, 1)), [[-1, 0]])


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4), (), (3, 0), (-1, 3)])
def test_grid_that_does_not_fit(shape):
    with pytest.raises(DomainError) as caught:
        BOX.grid(shape)
    assert str(caught.value) == (
        f"the grid {'x'.join(map(str, shape))} does not fit 2 columns (x, t)\n"
        "hint: give one size a column, for example 64x64"
    )


# Numbers that float32 holds as well, but for their last digits.
VALUES = st.just(0.0) | st.floats(1e-30, 1e3) | st.floats(-1e3, -1e-30)


@given(value=VALUES, size=st.integers(1, 9), fixed=st.integers(0, 1))
def test_a_fixed_column_has_its_value_everywhere(value, size, fixed):
    ends = np.array([-1.0, 2.0])
    low, high = (np.where(np.arange(2) == fixed, value, end) for end in ends)
    box = Domain(("x", "t"), low, high)
    shape = (3, 3) if size == 3 else ((size, 4) if fixed == 0 else (4, size))
    sampled = box.sample(16, 0)
    drawn = [sampled, box.boundary(4, 0), box.grid(shape), box.onto_faces(sampled)]
    for points in drawn:
        assert np.all(points[:, fixed] == value)
        np.testing.assert_array_equal(box.check(points, "P"), points)
    assert sorted(along_curve(sampled, box)) == list(range(16))
    rounded = sampled.astype(np.float32)
    assert len(box.check(rounded.clip(-1, 2) if abs(value) <= 1 else rounded, "P")) == 16


def test_parse_grid():
    assert parse_grid("256x101") == (256, 101)
    assert parse_grid("7") == (7,)
    assert parse_grid("2X3x4") == (2, 3, 4)


@pytest.mark.parametrize("text", ["", "x", "3x", "3,4", "3x4.0", "axb"])
def test_not_a_grid(text):
    with pytest.raises(DomainError) as caught:
        parse_grid(text)
    assert str(caught.value) == f"'{text}' is not a grid\nhint: write sizes such as 256x101"


# ---------------------------------------------------------------------------------------- check


def refused(points: object) -> str:
    with pytest.raises(DomainError) as caught:
        BOX.check(points, "P")
    return str(caught.value)


def test_check_gives_float64():
    checked = BOX.check(np.array([[-1, 0], [1, 0]]), "P")
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, [[-1, 0], [1, 0]])
    assert BOX.check([[0.0, 0.25]], "P").shape == (1, 2)
    assert BOX.check(np.zeros((2, 2), np.float32), "P").dtype == np.float64


@pytest.mark.parametrize("shape", [(2,), (), (3, 1), (3, 3), (2, 2, 2), (0, 2)])
def test_check_shape(shape):
    assert refused(np.zeros(shape)) == (
        f"P has shape {shape}, not (samples, 2)\nhint: give the columns x, t, one row a point"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_check_finite(value):
    assert refused([[0.0, 0.0], [value, 0.0]]) == (
        "P holds NaN or infinite values\nhint: remove them"
    )


def test_check_outside():
    assert refused([[0, 0.5], [0.25, 0.75], [-3, 0]]) == (
        "2 of the 3 points of P lie outside the domain x=-1:1,t=0:0.5; the first is (0.25, 0.75)\n"
        "hint: compile with a wider --domain, or leave these points out"
    )


def test_check_forgives_rounding():
    """float32 bounds may lie a little outside; one part in a million is the limit."""
    edge = np.array([[1 + 1.9e-6, 0.5 + 0.4e-6]])
    np.testing.assert_array_equal(BOX.check(edge, "P"), edge)
    assert "1 of the 1 points" in refused([[1 + 2.1e-6, 0]])
    assert "1 of the 1 points" in refused([[0, -0.6e-6]])


def test_check_numbers():
    told = refused(np.array([["a", "b"]]))
    assert told.startswith("P holds no real numbers (could not convert string to float: ")
    assert told.endswith("\nhint: save floats")


# --------------------------------------------------------------------------------------- files


def unreadable(path, keys=("points",)) -> str:
    with pytest.raises(DomainError) as caught:
        load_points(path, keys)
    return str(caught.value)


def test_load_points(tmp_path):
    points = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "p.npy", points)
    np.savez(tmp_path / "p.npz", other=np.zeros(1), points=points)
    np.testing.assert_array_equal(load_points(tmp_path / "p.npy")["points"], points)
    found = load_points(tmp_path / "p.npz")
    np.testing.assert_array_equal(found["points"], points)
    assert found.keys() == {"other", "points"}


def test_points_file_missing(tmp_path):
    path = tmp_path / "no.npz"
    assert unreadable(path) == (f"the file {path} does not exist\nhint: give an .npy or .npz file")


def test_points_file_without_the_array(tmp_path):
    np.savez(tmp_path / "p.npz", x=np.zeros(1), y=np.zeros(1))
    np.save(tmp_path / "p.npy", np.zeros((3, 2)))
    np.savez(tmp_path / "empty.npz")
    assert unreadable(tmp_path / "p.npz", ("points", "outputs")) == (
        f"{tmp_path / 'p.npz'} has no array 'points', 'outputs'; it holds x, y\n"
        "hint: save the arrays points, outputs"
    )
    assert unreadable(tmp_path / "p.npy", ("points", "outputs")) == (
        f"{tmp_path / 'p.npy'} has no array 'outputs'; it holds points\n"
        "hint: save the arrays points, outputs"
    )
    assert unreadable(tmp_path / "empty.npz") == (
        f"{tmp_path / 'empty.npz'} has no array 'points'; it holds nothing\n"
        "hint: save the arrays points"
    )


def test_points_file_of_something_else(tmp_path):
    text, folder, pickled = tmp_path / "p.csv", tmp_path / "folder", tmp_path / "o.npy"
    text.write_text("0,1\n")
    folder.mkdir()
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    for path in (text, folder, pickled):
        assert re.fullmatch(
            rf"{re.escape(str(path))} is not a readable \.npy or \.npz file \(.+\)\n"
            "hint: save it with numpy",
            unreadable(path),
            re.DOTALL,
        )


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_points_file_cut_off(tmp_path, kind):
    path = tmp_path / f"p.{kind}"
    np.save(path, np.zeros((99, 2))) if kind == "npy" else np.savez(path, points=np.zeros((99, 2)))
    data = path.read_bytes()
    for length in (0, 5, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        assert f"{path} is not a readable .npy or .npz file (" in unreadable(path), length


def test_points_file_with_damaged_contents(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, points=np.zeros((99, 2)))
    data = bytearray(path.read_bytes())
    data[400:420] = b"x" * 20
    path.write_bytes(data)
    assert f"{path} is not a readable .npy or .npz file (" in unreadable(path)


def test_load_reference(tmp_path):
    path = tmp_path / "r.npz"
    np.savez(path, points=np.zeros((3, 2), np.float32), outputs=np.arange(3))
    points, outputs = load_reference(path)
    assert (points.dtype, outputs.dtype) == (np.float64, np.float64)
    np.testing.assert_array_equal(outputs, [[0], [1], [2]])
    np.savez(path, points=np.zeros((3, 2)), outputs=np.zeros((3, 2, 2)))
    assert load_reference(path)[1].shape == (3, 4)


@pytest.mark.parametrize("outputs", [np.zeros((2, 1)), np.zeros((3, 0)), np.array(1.0)])
def test_reference_without_one_row_a_point(tmp_path, outputs):
    path = tmp_path / "r.npz"
    np.savez(path, points=np.zeros((3, 2)), outputs=outputs)
    with pytest.raises(DomainError) as caught:
        load_reference(path)
    assert str(caught.value) == (
        f"{path} has points of shape (3, 2) and outputs of shape {outputs.shape}\n"
        "hint: save one row a point in both"
    )


def test_reference_of_something_else(tmp_path):
    path = tmp_path / "r.npz"
    np.savez(path, points=np.zeros((0, 2)), outputs=np.zeros((0, 1)))
    with pytest.raises(DomainError, match=r"points of shape \(0, 2\) and outputs of shape"):
        load_reference(path)
    np.savez(path, points=np.zeros((3, 2)), outputs=np.array([["a"]] * 3))
    with pytest.raises(DomainError) as caught:
        load_reference(path)
    assert str(caught.value).startswith(f"outputs of {path} holds no real numbers (")
    assert str(caught.value).endswith(")\nhint: save floats")


@pytest.mark.parametrize("columns", [1, 2, 3, 7])
def test_points_moved_onto_faces(columns):
    """Every face in turn; nothing else of a point changes."""
    names = tuple(f"x{i}" for i in range(columns))
    box = Domain(names, -np.arange(1.0, columns + 1), np.arange(1.0, columns + 1))
    points = box.sample(64, 3)
    moved = box.onto_faces(points)
    changed = moved != points
    assert np.all(changed.sum(axis=1) == 1)
    column = changed.argmax(axis=1)
    ends = moved[np.arange(64), column]
    assert {*zip(column.tolist(), ends.tolist(), strict=True)} == {
        (i, end) for i in range(columns) for end in (box.low[i], box.high[i])
    }
    assert np.all(np.diff(column) >= 0)
    assert len(box.onto_faces(points[:0])) == 0
