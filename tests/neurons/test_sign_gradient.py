"""Sign-gradient neurons: the equations, step by step, and what a file keeps of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.activation_bytes import function_to_bytes
from pinnir.ir.graph import Activation, Constant, Graph, Input, Level, Node, Primitive
from pinnir.neurons import SignGradient
from pinnir.numerics.step_schedules import KINDS, Schedule
from tests.strategies import SEEDS


def quotient() -> Activation:
    """``x / sqrt(y + 1)``."""
    x, y = Node("x", Input(1)), Node("y", Input(1))
    one = Node("one", Constant(np.array(1.0)))
    root = Node("root", Primitive("Sqrt"), (Node("sum", Primitive("Add"), (y, one)),))
    body = Graph(Level.TENSOR, (x, y), (Node("f", Primitive("Div"), (x, root)),))
    return Activation("quotient", body=body, arguments=2)


def neuron(function: Activation, rates: np.ndarray, units: int = 3) -> SignGradient:
    columns = units * function.arguments
    scale, low, high = np.full(units, 0.5), np.full(columns, -2.0), np.full(columns, 2.0)
    return SignGradient(function, rates, scale, low, high, np.zeros(columns), np.zeros(units))


@given(seed=SEEDS)
def test_the_equations(seed):
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.1, 1, 6) * (np.arange(6) >= 2)
    op = neuron(Activation("tanh"), rates)
    state = op.initial_state(4)
    m, y = np.zeros((4, 3)), np.zeros((4, 3))
    for rate in rates:
        current = rng.normal(size=(4, 3))
        spikes, state = op.step(state, current)
        m = m + current
        wanted = (y >= np.tanh(np.clip(m, -2, 2))) & (rate > 0)
        y = y - rate * 0.5 * (2.0 * wanted - 1)
        np.testing.assert_array_equal(spikes, wanted)
        np.testing.assert_array_equal(state[0], m)
        np.testing.assert_array_equal(state[1], y)


@given(seed=SEEDS, name=st.sampled_from(("tanh", "sin", "relu")))
def test_a_constant_value_is_found_to_the_last_step(seed, name):
    """With a decay of one half and more, and all of the range in reach, nothing is lost."""
    rates = Schedule("exponential", 2.0, 0.6).rates(24, 0)
    op = neuron(Activation(name), rates)
    z = np.random.default_rng(seed).uniform(-2, 2, (16, 3))
    _, state = op.step(op.initial_state(16), z)
    for _ in rates[1:]:
        _, state = op.step(state, np.zeros_like(z))
    assert np.abs(state[1] - op.follow(z)).max() <= 0.5 * rates[-1] / 0.6


def test_a_function_of_two_values():
    op = neuron(quotient(), np.ones(4))
    assert (op.units, op.columns) == (3, 6)
    m = np.array([[0.5, 1.0, 1.5, 0.0, 1.0, 9.0]])
    np.testing.assert_allclose(op.follow(m), [[0.5, 1 / np.sqrt(2), 1.5 / np.sqrt(3)]])


@pytest.mark.parametrize(
    "function",
    [
        Activation("tanh"),
        Activation("clip", (-1.0, 0.25)),
        Activation("clip", (np.zeros(3), np.ones(3))),
        quotient(),
    ],
)
def test_what_is_read_is_what_was_written(function):
    op = neuron(function, np.geomspace(1, 0.01, 5))
    again = SignGradient.from_arrays(op.to_arrays())
    assert function_to_bytes(again.function) == function_to_bytes(function)
    z = np.random.default_rng(0).normal(size=(7, op.columns))
    np.testing.assert_array_equal(again.follow(z), op.follow(z))
    for name, value in op.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], value)


def spelled_out(inputs: bytes, output: bytes, nodes: bytes) -> dict[str, bytes]:
    head = b'{"function": "f", "arguments": 1, "inputs": [' + inputs + b'], "output": "' + output
    return {"function": head + b'", "body": [["a", "input", [], 1]' + nodes + b"]}"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"scale": np.ones(2)}, "there is one estimate a unit, and one potential an argument"),
        ({"low": np.ones(2)}, "every argument has a range"),
        ({"low": np.full(3, 9.0)}, "the ends of a range are the wrong way round"),
        ({"rates": np.full(4, np.inf)}, "a parameter is not a list of finite numbers"),
        (
            {"function": b'{"function": "exec", "parameters": [], "arguments": 1}'},
            "'exec' is not a function",
        ),
        (
            {"function": b'{"function": "tanh", "parameters": [], "arguments": 0}'},
            "a function has a number of arguments",
        ),
        (spelled_out(b"", b"a", b""), "a function has an input for each argument"),
        (
            spelled_out(b'"a"', b"b", b', ["b", "MatMul", ["a", "a"], {}]'),
            "MatMul is not an element-wise operator",
        ),
        (
            spelled_out(b'"a"', b"b", b', ["b", "constant", [], ["O", [1]]]'),
            "the constant b holds no numbers",
        ),
    ],
)
def test_damage(changes, problem):
    arrays = dict(neuron(Activation("tanh"), np.ones(4)).to_arrays())
    for name, value in changes.items():
        arrays[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
    with pytest.raises(ValueError, match=problem):
        SignGradient.from_arrays(arrays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delay", [0.0, 1.5, 4.0])
def test_a_layer_starts_after_the_layer_before(kind, delay):
    schedule = Schedule(kind, 0.4, 0.7 if kind == "exponential" else 1.0, delay)
    for depth in range(3):
        rates = schedule.rates(16, depth)
        first = int(delay * depth)
        assert not rates[:first].any()
        assert (rates[first:] > 0).all()
        assert (np.diff(rates[first:]) <= 0).all()
        assert rates[first] >= 0.4
