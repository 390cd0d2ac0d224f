"""Integrate-and-fire neurons with soft reset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError
from pinnir.neurons import IF
from pinnir.numerics.matrix import BlockDiagonal
from tests.helpers import dyadic
from tests.strategies import SEEDS


def run(neuron: IF, currents: np.ndarray) -> np.ndarray:
    """Spikes ``(steps, samples, units)`` for currents of that shape."""
    state, spikes = neuron.initial_state(currents.shape[1]), []
    for current in currents:
        fired, state = neuron.step(state, current)
        spikes.append(fired)
    return np.stack(spikes)


def test_by_hand():
    neuron = IF(np.array([1.0, 0.5]), bias=np.array([0.0, 0.25]))
    currents = np.array([[[0.5, -0.25]], [[0.5, 0.75]], [[1.75, -0.25]], [[0.25, 0.0]]])
    np.testing.assert_array_equal(run(neuron, currents)[:, 0], [[0, 0], [1, 1], [1, 1], [1, 0]])


def test_signed_by_hand():
    currents = np.array([1.0, -1.5, -1.0, 0.0, 0.75, 1.25]).reshape(6, 1, 1)
    spikes = run(IF(np.ones(1), signed=True), currents)
    # Potentials before the reset: 1, -1.5, -1.5, -0.5, 0.25, 1.5.
    np.testing.assert_array_equal(spikes.ravel(), [1, -1, -1, 0, 0, 1])


def test_centred_by_hand():
    currents = np.array([0.5, -0.5, -0.5, 0.25, 0.75, -1.25]).reshape(6, 1, 1)
    spikes = run(IF(np.ones(1), signed=True, centred=True), currents)
    # Potentials before the reset: 0.5, 0, 0.5, 0.75, 1.5, -0.75.
    np.testing.assert_array_equal(spikes.ravel(), [0, -1, 0, 0, 1, -1])


@given(seed=SEEDS, signed=st.booleans())
def test_potential_is_input_minus_spikes(seed, signed):
    """Soft reset loses nothing: what was put in is still there or was fired."""
    rng = np.random.default_rng(seed)
    neuron = IF(dyadic(rng, (3,)) + 2, bias=dyadic(rng, (3,)), signed=signed)
    currents = dyadic(rng, (12, 4, 3), reach=4)
    state, fired = neuron.initial_state(4), np.zeros((4, 3))
    for current in currents:
        spikes, state = neuron.step(state, current)
        fired += spikes
    total = currents.sum(axis=0) + 12 * neuron.bias
    np.testing.assert_array_equal(state[0], total - neuron.threshold * fired)


@given(seed=SEEDS, steps=st.integers(1, 40), signed=st.booleans())
def test_constant_input_is_counted(seed, steps, signed):
    rng = np.random.default_rng(seed)
    z, theta = dyadic(rng, (20, 1), reach=3), np.array([1.5])
    count = run(IF(theta, signed=signed), np.tile(z, (steps, 1, 1))).sum(axis=0)
    exact = np.trunc(steps * z / theta) if signed else np.floor(steps * z / theta)
    np.testing.assert_array_equal(count, np.clip(exact, -steps if signed else 0, steps))


def test_feedback_is_of_the_last_step():
    cross = BlockDiagonal(np.array([[[0.0, 1.0], [0.0, 0.0]]]))
    neuron = IF(np.ones(2), feedback=cross)
    currents = np.zeros((3, 1, 2))
    currents[0, 0, 1] = 1.0
    np.testing.assert_array_equal(run(neuron, currents)[:, 0], [[0, 1], [1, 0], [0, 0]])


def test_to_nir_and_back():
    neuron = IF(np.array([1.0, 0.5]))
    node = neuron.to_nir()
    np.testing.assert_array_equal(node.v_threshold, neuron.threshold)
    np.testing.assert_array_equal(node.r, [1, 1])
    np.testing.assert_array_equal(node.v_reset, [0, 0])
    assert node.metadata == {"pinnir": {"comparison": ">=", "reset": "subtract", "dt": 1.0}}
    np.testing.assert_array_equal(IF.from_nir(node).threshold, neuron.threshold)
    assert neuron.units == IF.from_nir(node).units == 2


def test_nir_has_no_signed_neuron():
    with pytest.raises(LegalizeError) as caught:
        IF(np.ones(1), signed=True).to_nir()
    assert str(caught.value) == (
        "IF: NIR has no signed neuron\nhint: run the pass split-signs first"
    )
