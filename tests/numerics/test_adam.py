"""Adam against its published algorithm, and training that is stopped and goes on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.numerics.adam import Parameters, Training, flat, paired, unbiased, with_gradient
from tests.strategies import SEEDS


def parameters(seed: int, maps: int = 2) -> Parameters:
    rng = np.random.default_rng(seed)
    return {f"map {i}": (rng.normal(size=(3, 2)), rng.normal(size=3)) for i in range(maps)}


def assert_equal(one: Parameters, other: Parameters) -> None:
    assert one.keys() == other.keys()
    for name, value in flat(one).items():
        np.testing.assert_array_equal(value, flat(other)[name])


@given(seed=SEEDS, maps=st.integers(0, 3))
def test_parameters_come_back_from_their_arrays(seed, maps):
    some = parameters(seed, maps)
    assert_equal(paired(flat(some)), some)


@given(seed=SEEDS, count=st.integers(1, 20))
def test_the_means_of_equal_gradients_are_the_gradient(seed, count):
    gradient = np.random.default_rng(seed).normal(size=4)
    first: np.ndarray | float = 0.0
    second: np.ndarray | float = 0.0
    for _ in range(count):
        first, second = with_gradient(first, second, gradient)
    mean, root = unbiased(first, second, count)
    np.testing.assert_allclose(mean, gradient)
    np.testing.assert_allclose(root, np.abs(gradient))


@given(seed=SEEDS, ratio_first=st.booleans())
def test_steps_are_those_of_the_published_algorithm(seed, ratio_first):
    """Algorithm 1 of the paper, with a rate that falls as a cosine; rates are of each weight."""
    start = parameters(seed)
    gradients = [parameters(seed + number) for number in range(1, 6)]
    training = Training(start, np.inf, 0.1, len(gradients), ratio_first)
    m, v = (dict.fromkeys(flat(start), 0.0) for _ in range(2))
    expected = flat(start)
    for done, gradient in enumerate(gradients):
        training.step(gradient)
        decay = np.cos(np.pi * done / len(gradients) / 2) ** 2
        for name, by in flat(gradient).items():
            m[name] = 0.9 * m[name] + 0.1 * by
            v[name] = 0.999 * v[name] + 0.001 * by**2
            mean, square = m[name] / (1 - 0.9 ** (done + 1)), v[name] / (1 - 0.999 ** (done + 1))
            size = np.sqrt((start[name[:-2]][0] ** 2).mean())
            expected[name] = expected[name] - 0.1 * decay * size * mean / np.sqrt(square)
    for name, value in flat(training.parameters).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, atol=1e-9)


def test_a_map_without_a_gradient_goes_on_in_its_direction():
    start = parameters(0)
    training = Training(start, np.inf, 0.1, 10)
    training.step({"map 0": start["map 0"]})
    assert_equal({"map 1": training.parameters["map 1"]}, {"map 1": start["map 1"]})
    before = training.parameters["map 0"][1]
    training.step({})
    way = np.sign(training.parameters["map 0"][1] - before)
    np.testing.assert_array_equal(way, -np.sign(start["map 0"][1]))


def test_the_best_is_kept():
    training = Training(parameters(0), 1.0, 0.1, 10)
    for loss, idle in ((2.0, 1), (1.0, 2), (0.5, 0), (0.5, 1)):
        training.step(parameters(1))
        training.judge(loss)
        assert training.idle == idle
        if loss < 1 and not idle:
            best = training.parameters
    assert training.least == 0.5
    assert training.best is best


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_training_that_was_stopped_ends_with_the_same_bits(after):
    def run(training: Training, last: int) -> Training:
        while training.done < last:
            training.step(parameters(training.done + 1))
            training.judge(1 / training.done if training.done % 2 else 1.0)
        return training

    def fresh() -> Training:
        return Training(parameters(0), 2.0, 0.1, 6)

    whole, going_on = run(fresh(), 6), fresh()
    going_on.restore(run(fresh(), after).as_arrays())
    run(going_on, 6)
    assert (going_on.least, going_on.done, going_on.idle) == (whole.least, whole.done, whole.idle)
    assert_equal(going_on.parameters, whole.parameters)
    assert_equal(going_on.best, whole.best)
