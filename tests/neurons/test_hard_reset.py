"""Integrate-and-fire neurons with hard reset, with and without a floor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Graph, Input, Level, Neuron, Node
from pinnir.neurons import IF, FlooredIF, HardResetIF
from pinnir.numerics.matrix import Array
from pinnir.program.nir_graph import from_nir, to_nir
from tests.helpers import dyadic
from tests.strategies import SEEDS


def run(neuron: Neuron, currents: Array) -> Array:
    """Spikes ``(steps, samples, units)`` for currents of that shape."""
    state, spikes = neuron.initial_state(currents.shape[1]), []
    for current in currents:
        fired, state = neuron.step(state, current)
        spikes.append(fired)
    return np.stack(spikes)


def of(*currents: float) -> Array:
    return np.array(currents).reshape(-1, 1, 1)


def test_a_spike_forgets_the_rest():
    # Potentials before the reset: 1.5, 0.75, 1.25, -1, 0.
    currents = of(1.5, 0.75, 0.5, -1.0, 1.0)
    assert run(HardResetIF(np.ones(1)), currents).ravel().tolist() == [1, 0, 1, 0, 0]


def test_a_floor_forgets_what_is_below():
    # Potentials before the reset: 1.25, 0, 1.
    currents = of(0.75, -1.0, 1.0)
    assert run(FlooredIF(np.ones(1), np.full(1, 0.5)), currents).ravel().tolist() == [1, 0, 1]


@given(seed=SEEDS)
def test_a_floor_makes_no_difference_to_currents_that_are_not_negative(seed):
    rng = np.random.default_rng(seed)
    threshold, currents = dyadic(rng, (3,)) ** 2 + 1, np.abs(dyadic(rng, (9, 4, 3)))
    floored = run(FlooredIF(threshold, np.zeros(3)), currents)
    np.testing.assert_array_equal(floored, run(HardResetIF(threshold), currents))


@given(seed=SEEDS, steps=st.integers(1, 20))
def test_it_never_fires_more_often_than_soft_reset(seed, steps):
    rng = np.random.default_rng(seed)
    threshold, currents = dyadic(rng, (3,)) ** 2 + 1, np.abs(dyadic(rng, (steps, 4, 3), reach=3))
    hard, soft = (run(kind(threshold), currents).sum(axis=0) for kind in (HardResetIF, IF))
    assert (hard <= soft).all()


def core(neuron: HardResetIF) -> Graph:
    x = Node("input", Input(2))
    entry = Node("a", Affine(np.ones((neuron.units, 2)), np.zeros(neuron.units)), (x,), "core.1")
    units = Node("n", neuron, (entry,), "core.1")
    out = Node("b", Affine(np.ones((1, neuron.units)), np.zeros(1)), (units,), "core.1")
    return Graph(Level.SPIKING, (x,), (out,), 4, "mean")


def test_nir_has_hard_reset_and_no_floor():
    written = to_nir({"core.1": core(HardResetIF(np.array([1.0, 2.0])))})
    assert written.nodes["n"].v_reset.tolist() == [0, 0]
    read = from_nir(written, ["core.1"], 4, "mean")["core.1"].node("n").op
    assert type(read) is HardResetIF
    assert read.threshold.tolist() == [1, 2]
    with pytest.raises(LegalizeError, match="NIR has no floor"):
        to_nir({"core.1": core(FlooredIF(np.ones(2), np.zeros(2)))})


def test_floored_units_carry_themselves():
    neuron = FlooredIF(np.array([1.0, 2.0]), np.array([0.5, 0.0]))
    read = FlooredIF.from_arrays(neuron.to_arrays())
    assert read.threshold.tolist() == [1, 2]
    assert read.potential.tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("threshold", "potential"),
    [([1.0], [0.0, 1.0]), ([], []), ([[1.0]], [[0.0]]), ([np.inf], [0.0]), ([1.0], [np.nan])],
)
def test_arrays_that_are_no_population(threshold, potential):
    arrays = {"threshold": np.array(threshold), "potential": np.array(potential)}
    with pytest.raises(ValueError, match=r"a population needs|finite"):
        FlooredIF.from_arrays(arrays)
