"""Staircases are the activation, rounded to levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation, Constant, Graph, Input, Level, Node, Primitive
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.passes.rounding.staircases import build_staircase, turning_points
from tests.helpers import FUNCTIONS

FLOATS = st.floats(-6, 6, width=32)
# Up to three neurons, each with its own range of pre-activations.
RANGES = st.lists(
    st.tuples(FLOATS, st.floats(0.0625, 15, width=32)).map(lambda ab: (ab[0], ab[0] + ab[1])),
    min_size=1,
    max_size=3,
)
LEVELS = st.integers(2, 70)


def function(name: str):
    return ACTIVATIONS[name].function


def built(name: str, ranges, levels: int):
    low, high = np.array(ranges).T
    return low, high, build_staircase(Activation(name), low, high, levels)


@given(name=st.sampled_from(FUNCTIONS), ranges=RANGES, levels=LEVELS)
def test_value_is_within_half_a_step_of_the_function(name, ranges, levels):
    low, high, staircase = built(name, ranges, levels)
    z = np.linspace(low, high, 997)
    error = np.abs(staircase(z) - function(name)(z))
    assert np.all(error <= 0.5 * staircase.step * (1 + 1e-9) + 1e-15)


@st.composite
def jumping(draw: st.DrawFn) -> tuple[Activation, float]:
    """A curve that is another beyond a point, and where that is: ``z < a ? f(z) : c g(z) + d``."""
    at = draw(st.integers(-250, 250)) / 97
    entry = Node("z", Input(1))

    def curve(name: str) -> Node:
        function = draw(st.sampled_from(("tanh", "sin", "relu", "sigmoid")))
        shape = Node(name, Activation(function), (entry,))
        scale, shift = (
            Constant(np.float64(draw(st.sampled_from((-2.0, -0.5, 0.0, 1.0))))) for _ in range(2)
        )
        scaled = Node(f"{name}:scaled", Primitive("Mul"), (shape, Node(f"{name}:c", scale)))
        return Node(f"{name}:moved", Primitive("Add"), (scaled, Node(f"{name}:d", shift)))

    below = Node("below", Primitive("Less"), (entry, Node("at", Constant(np.float64(at)))))
    value = Node("value", Primitive("Where"), (below, curve("left"), curve("right")))
    return Activation("unary", body=Graph(Level.TENSOR, (entry,), (value,))), at


@settings(max_examples=200)
@given(jump=jumping(), levels=LEVELS)
def test_a_function_that_jumps_is_rounded_on_both_sides(jump, levels):
    """Within half a step, but for what lies between a jump and the last float before it."""
    op, at = jump
    low, high = np.array([-3.0, -2.9]), np.array([3.1, 1.7])
    staircase = build_staircase(op, low, high, levels)
    z = np.linspace(low, high, 997)
    error = np.where(np.abs(z - at) < 1e-9, 0.0, np.abs(staircase(z) - apply_activation(op, z)))
    assert np.all(error <= 0.5 * staircase.step * (1 + 1e-6) + 1e-9)


@given(name=st.sampled_from(FUNCTIONS), ranges=RANGES, levels=LEVELS)
def test_levels_span_the_functions_range(name, ranges, levels):
    low, high, staircase = built(name, ranges, levels)
    values = function(name)(np.linspace(low, high, 20001))
    np.testing.assert_allclose(staircase.base, values.min(axis=0), atol=1e-6)
    top = staircase.base + staircase.step * (levels - 1)
    np.testing.assert_allclose(top, values.max(axis=0), atol=1e-6)
    table = staircase.level_table
    assert table.min() >= 0
    assert table.max() <= levels - 1


@given(name=st.sampled_from(FUNCTIONS), ranges=RANGES, levels=LEVELS)
def test_boundaries_ascend_and_pad_with_inf(name, ranges, levels):
    staircase = built(name, ranges, levels)[2]
    real = staircase.directions != 0
    assert np.all(np.isfinite(staircase.boundaries) == real)
    assert np.all(staircase.boundaries[:, :-1] <= staircase.boundaries[:, 1:])
    assert np.all(real[:, :-1] >= real[:, 1:])


@given(name=st.sampled_from(FUNCTIONS), ranges=RANGES, levels=LEVELS)
def test_each_boundary_separates_two_levels(name, ranges, levels):
    """Just below, the old level still holds; from the boundary on, the new one does."""
    staircase = built(name, ranges, levels)[2]
    for i, boundaries in enumerate(staircase.boundaries):
        t = boundaries[np.isfinite(boundaries)]
        assume(np.all(np.diff(t) > 1e-6))
        z = np.tile(t[:, None], len(ranges))
        below, at = staircase.levels(z - 1e-7)[:, i], staircase.levels(z)[:, i]
        np.testing.assert_array_equal(at - below, staircase.directions[i, : len(t)])
        # The function crosses the middle between the two levels there.
        middle = staircase.base[i] + staircase.step[i] * 0.5 * (at + below)
        np.testing.assert_allclose(function(name)(t), middle, atol=1e-9)


@given(name=st.sampled_from(("tanh", "sigmoid", "relu")), ranges=RANGES, levels=LEVELS)
def test_closed_inverse_equals_bisection(name, ranges, levels):
    low, high, closed = built(name, ranges, levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ACTIVATIONS, name, replace(ACTIVATIONS[name], inverse=None))
        bisected = build_staircase(Activation(name), low, high, levels)
    real, same = closed.directions > 0, bisected.directions > 0
    np.testing.assert_array_equal(real.sum(axis=1), same.sum(axis=1))
    one, other, f = closed.boundaries[real], bisected.boundaries[same], function(name)
    # Where the function is flat, a rounding error of its value moves the boundary far.
    np.testing.assert_allclose(f(one), f(other), rtol=1e-14, atol=1e-15)
    steep = np.broadcast_to(closed.step[:, None] > 1e-4, real.shape)[real]
    np.testing.assert_allclose(one[steep], other[steep], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(closed.start, bisected.start)
    np.testing.assert_array_equal(closed.base, bisected.base)
    np.testing.assert_array_equal(closed.step, bisected.step)


@pytest.mark.parametrize(("name", "turns"), [("sin", 4), ("cos", 5)])
def test_several_turning_points(name, turns):
    low, high = np.array([-7.0]), np.array([6.9])
    found = turning_points(function(name), low, high)
    offset = np.pi / 2 if name == "sin" else 0.0
    expected = offset + np.pi * np.arange(-9, 9)
    expected = expected[(expected > low) & (expected < high)]
    assert len(expected) == turns
    # At a flat extremum, values tell positions apart to the square root of their rounding.
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-7)
    staircase = build_staircase(Activation(name), low, high, 33)
    signs = staircase.directions[0]
    assert np.count_nonzero(np.diff(signs)) == turns
    z = np.linspace(-7.0, 6.9, 5001)[:, None]
    expected = np.floor((function(name)(z) + 1) / staircase.step + 0.5)
    # A point that is a rounding error away from a boundary may fall on either side.
    far = np.abs(z - staircase.boundaries).min(axis=1) > 1e-9
    np.testing.assert_array_equal(staircase.levels(z)[far], expected[far])
    assert far.mean() > 0.99


@pytest.mark.parametrize(("name", "low", "high"), [("relu", -3.0, -1.0), ("tanh", 0.5, 0.5)])
def test_constant_neuron_has_one_level(name, low, high):
    """Alone, and beside a neuron that is not constant."""
    alone = build_staircase(Activation(name), np.array([low]), np.array([high]), 16)
    beside = build_staircase(Activation(name), np.array([low, -1.0]), np.array([high, 1.0]), 16)
    value = function(name)(np.array([high]))
    z = np.array([[-9.0], [low], [high], [9.0]])
    np.testing.assert_array_equal(alone(z), np.tile(value, (4, 1)))
    np.testing.assert_array_equal(beside(np.tile(z, 2))[:, :1], np.tile(value, (4, 1)))
    assert beside(np.tile(z, 2))[3, 1] > 0.7


def test_constant_neuron_of_a_function_that_turns():
    staircase = build_staircase(Activation("sin"), np.zeros(2), np.zeros(2), 16)
    np.testing.assert_array_equal(staircase(np.array([[1.0, -1.0]])), [[0.0, 0.0]])


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tanh", 15.0, 30.0),
        ("tanh", 16.0, 30.0),
        ("tanh", 18.0, 30.0),
        ("tanh", -30.0, -15.0),
        ("sigmoid", 30.0, 60.0),
    ],
)
@pytest.mark.parametrize("levels", [16, 256])
def test_saturated_neuron(name, low, high, levels):
    """Its levels are closer than rounding errors; the boundaries stay finite or padding."""
    staircase = build_staircase(Activation(name), np.array([low]), np.array([high]), levels)
    assert np.all(np.isfinite(staircase.boundaries) == (staircase.directions != 0))
    z = np.linspace(low, high, 101)[:, None]
    np.testing.assert_allclose(staircase(z), function(name)(z), rtol=0, atol=1e-12)


def test_neurons_turn_at_places_of_their_own():
    """One neuron turns three times, one never; a flat stretch is no turn."""
    low, high = np.array([-4.0, -1.0]), np.array([5.0, 1.0])
    found = turning_points(np.sin, low, high)
    np.testing.assert_allclose(found[:, 0], np.pi * np.array([-0.5, 0.5, 1.5]), atol=1e-7)
    np.testing.assert_array_equal(found[:, 1], [1.0, 1.0, 1.0])

    def plateau(z):
        return np.maximum(np.abs(z), 1.0)

    (turn,) = turning_points(plateau, np.array([-3.0]), np.array([3.0]))[:, 0]
    assert -1.1 < turn < 1.1
    assert not len(turning_points(lambda z: np.maximum(z, 0.0), low, high))
