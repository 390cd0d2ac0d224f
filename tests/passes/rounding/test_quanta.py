"""Functions that round are staircases of their own, of as many levels as they have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation, Constant, Graph, Input, Level, Node, Primitive
from pinnir.passes.rounding.quanta import quantum_of
from pinnir.passes.rounding.staircases import build_staircase
from tests.strategies import SEEDS

NEURONS = 2


class Body:
    """A function of one value, written operator by operator."""

    def __init__(self) -> None:
        self.value = self.entry = Node("z", Input(NEURONS))
        self.count = 0

    def apply(self, kind: str, *constants: object) -> Body:
        self.count += 1
        operands = [
            Node(f"c{self.count}_{i}", Constant(np.asarray(c))) for i, c in enumerate(constants)
        ]
        self.value = Node(f"n{self.count}", Primitive(kind), (self.value, *operands))
        return self

    def function(self, name: str) -> Body:
        self.count += 1
        self.value = Node(f"n{self.count}", Activation(name), (self.value,))
        return self

    def rounded(self, scale: object, zero: float, low: float = -128, high: float = 127) -> Body:
        self.apply("Div", scale).apply("Round").apply("Add", zero).apply("Clip", low, high)
        return self.apply("Sub", zero).apply("Mul", scale)

    @property
    def activation(self) -> Activation:
        return Activation("unary", body=Graph(Level.TENSOR, (self.entry,), (self.value,)))


SCALES = st.floats(2.0**-8, 2.0**-4)


@st.composite
def quantised(draw: st.DrawFn) -> Activation:
    """As quantised networks have them: an activation whose value is rounded, and its argument."""
    body, zero = Body(), float(draw(st.integers(-128, 127)))
    if draw(st.booleans()):
        body.rounded(draw(SCALES), float(draw(st.integers(-20, 20))))
    body.function(draw(st.sampled_from(("tanh", "sigmoid", "sin"))))
    scale = draw(st.one_of(SCALES, st.tuples(*[SCALES] * NEURONS).map(np.array)))
    body.rounded(scale, zero)
    if draw(st.booleans()):
        body.function("relu")
    if draw(st.booleans()):
        body.apply("Neg")
    return body.activation


@given(op=quantised(), seed=SEEDS)
def test_with_enough_levels_the_staircase_is_the_function(op, seed):
    low, high = np.full(NEURONS, -2.0), np.array([2.0, 1.5])
    staircase = build_staircase(op, low, high, 2000)
    z = np.random.default_rng(seed).uniform(low, high, (500, NEURONS))
    expected = apply_activation(op, z)
    np.testing.assert_allclose(staircase(z), expected, rtol=0, atol=1e-12)
    span = np.ptp(apply_activation(op, np.linspace(low, high, 5000)), axis=0)
    quantum = quantum_of(op)
    assert quantum is not None
    assert np.all(np.ptp(staircase.level_table, axis=1) <= np.rint(span / quantum))


@given(op=quantised(), levels=st.integers(2, 20))
def test_with_fewer_levels_it_is_rounded_as_any_other(op, levels):
    low, high = np.full(NEURONS, -2.0), np.full(NEURONS, 2.0)
    staircase = build_staircase(op, low, high, levels)
    z = np.linspace(low, high, 997)
    error = np.abs(staircase(z) - apply_activation(op, z))
    assert np.all(error <= 0.5 * staircase.step * (1 + 1e-9) + 1e-12)
    assert staircase.level_table.max() <= levels - 1


@pytest.mark.parametrize(
    ("body", "quantum"),
    [
        (Body().apply("Round"), 1),
        (Body().apply("Floor").apply("Mul", 0.5).apply("Add", 0.3), 0.5),
        (Body().apply("Ceil").apply("Div", -4.0), 0.25),
        (Body().apply("Sign"), 1),
        (Body().apply("Round").apply("Clip", -np.inf, 3.0), 1),
        (Body().apply("Round").apply("Max", 0.5), None),
        (Body().apply("Round").apply("Add", 0.5).function("relu"), None),
        (Body().apply("Round").function("tanh"), None),
        (Body().apply("Round").apply("Exp"), None),
        (Body().function("tanh"), None),
    ],
)
def test_which_functions_have_a_grid(body, quantum):
    assert quantum_of(body.activation) == quantum


def test_named_functions_have_none():
    assert quantum_of(Activation("tanh")) is None


def test_boundaries_are_the_very_floats_where_the_function_jumps():
    """Halves go to even, so the level of 2 begins at 3/2, and that of 1 behind 1/2."""
    op = Body().apply("Round").activation
    staircase = build_staircase(op, np.array([0.0]), np.array([2.2]), 16)
    np.testing.assert_array_equal(staircase.boundaries, [[np.nextafter(0.5, 1), 1.5]])
