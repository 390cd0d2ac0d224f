"""Sums of spikes: fitted, and in whole numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.graph import Input, Node
from pinnir.passes.fitting.spike_sums import SpikeSum
from tests.strategies import SEEDS

X, S = Node("x", Input(2)), Node("s", Input(5))


def example(seed: int) -> tuple[SpikeSum, dict[Node, np.ndarray]]:
    rng = np.random.default_rng(seed)
    weights = {X: rng.normal(size=(3, 2)), S: rng.normal(size=(3, 5))}
    spikes = (rng.random((6, 64, 5)) < rng.random(5)).astype(np.int8)
    return SpikeSum(weights, rng.normal(size=3)), {X: rng.normal(size=(64, 2)), S: spikes}


@given(seed=SEEDS)
def test_the_mean_is_that_of_all_steps(seed):
    sums, arriving = example(seed)
    by_step = sums.by_step(arriving, 6)
    assert by_step.shape == (6, 64, 3)
    np.testing.assert_allclose(by_step.mean(axis=0), sums.mean(arriving), atol=1e-12)


@given(seed=SEEDS)
def test_a_fit_is_never_worse(seed):
    sums, arriving = example(seed)
    wanted = np.random.default_rng(seed + 1).normal(size=(64, 3))
    fitted = sums.fitted(arriving, wanted, 1e-3)
    before, after = (((one.mean(arriving) - wanted) ** 2).sum() for one in (sums, fitted))
    assert after <= before * (1 + 1e-9)


def test_values_that_stay_are_not_fitted():
    sums, arriving = example(0)
    alone = SpikeSum({X: sums.weights[X]}, sums.bias)
    assert alone.fitted(arriving, np.zeros((64, 3)), 1e-3) is alone


@given(seed=SEEDS, bits=st.integers(3, 9), scale=st.integers(0, 20))
def test_whole_numbers_have_so_many_bits_times_a_power_of_two(seed, bits, scale):
    sums, arriving = example(seed)
    whole = sums.scaled(np.full(3, 2.0**scale)).whole(arriving, bits, 1e-3)
    for weight in whole.weights.values():
        numbers = weight.astype(np.int64)
        np.testing.assert_array_equal(numbers, weight)
        any_bit = int(np.bitwise_or.reduce(np.abs(numbers), axis=None))
        unit = any_bit & -any_bit if any_bit else 1
        assert np.abs(numbers // unit).max() < 2 ** (bits - 1)
    np.testing.assert_array_equal(whole.bias, np.rint(whole.bias))


@given(seed=SEEDS)
def test_fine_whole_numbers_keep_the_sums(seed):
    sums, arriving = example(seed)
    scaled = sums.scaled(np.full(3, 2.0**12))
    whole = scaled.whole(arriving, 24, 1e-3)
    lost = np.abs(whole.mean(arriving) - scaled.mean(arriving)).max()
    assert lost < 8  # a half a weight and input, and the bias
