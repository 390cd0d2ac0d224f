"""Populations of membranes: their state, what NIR says of them, and their arrays."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import BackendError, LegalizeError, PinnirError
from pinnir.ir.graph import Staircase
from pinnir.neurons import LIF, MEMBRANES, Integrated
from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.neurons.membranes.integrators import Scheme, integrate, start
from pinnir.neurons.membranes.synapse import Synapse

SYNAPSE = Synapse(4.0, 0.0, 30.0)


def response(units):
    boundaries = np.tile([1.0, 2.0], (units, 1))
    ones = np.ones(units)
    return Staircase(
        boundaries, np.ones((units, 2), np.int8), np.zeros(units, np.int32), 0 * ones, ones / 8
    )


def population(name, units=3, synapse=None):
    model = MEMBRANES[name]
    return Integrated(model, Scheme("rk4", 4 * model.fine_step, 2), response(units), synapse)


@pytest.mark.parametrize("name", MEMBRANES)
def test_a_step_is_one_of_the_membrane(name):
    op = population(name)
    current = np.full((2, 3), op.model.drive[1])
    state, other, fired = op.initial_state(2), start(op.model, (2, 3)), 0.0
    for _ in range(300):
        spikes, state = op.step(state, current)
        expected, other = integrate(op.model, op.scheme, other, current)
        np.testing.assert_array_equal(spikes, expected)
        fired += spikes.sum()
    np.testing.assert_array_equal(state, other)
    assert fired


def test_synapses_average_and_saturate():
    arriving = np.array([8.0, 0.0, 0.0, 0.0, 100.0, 400.0])
    state, found = (np.zeros(1), np.zeros(1)), []
    for value in arriving:
        current, state = SYNAPSE.current(state, np.array([value]))
        found.append(current.item())
    # The plain average at first, then a quarter of what is new; no more than 30.
    assert found == pytest.approx([8.0, 4.0, 8 / 3, 2.0, 26.5, 30.0])


def test_constant_input_passes_synapses_unchanged():
    plain, behind = population("izhikevich"), population("izhikevich", synapse=SYNAPSE)
    current = np.array([[5.0, 12.0, 25.0]])
    states = [plain.initial_state(1), behind.initial_state(1)]
    for _ in range(400):
        one, states[0] = plain.step(states[0], current)
        other, states[1] = behind.step(states[1], current)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("synapse", [None, SYNAPSE])
@pytest.mark.parametrize("name", MEMBRANES)
def test_arrays_tell_everything(name, synapse):
    op = population(name, synapse=synapse)
    again = Integrated.from_arrays(op.to_arrays())
    assert (again.model, again.scheme, again.synapse) == (op.model, op.scheme, op.synapse)
    np.testing.assert_array_equal(again.response.boundaries, op.response.boundaries)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", np.array([7])),
        ("model", np.array([-1])),
        ("parameters", np.array([np.inf, 1.0, 1.0, 0.0])),
        ("parameters", np.ones(9)),
        ("integrator", np.array([2])),
        ("time", np.array([-1.0])),
        ("substeps", np.array([2**20])),
        ("synapse", np.array([0.5, 0.0, 1.0])),
        ("synapse", np.array([2.0, 1.0, 1.0])),
    ],
)
def test_arrays_that_are_none_are_refused(name, value):
    arrays = population("lif").to_arrays() | {name: value}
    with pytest.raises((ValueError, PinnirError)):
        Integrated.from_arrays(arrays)


@pytest.mark.parametrize("model", [LIF(), LIF(subtract=True), LIF(10.0, 5.0, 2.0)])
def test_lif_is_a_nir_primitive(model):
    op = Integrated(model, Scheme("euler", 0.5, 3), response(3))
    again = Integrated.from_nir(op.to_nir())
    assert (again.model, again.scheme, again.units) == (op.model, op.scheme, 3)


@pytest.mark.parametrize("name", sorted(set(MEMBRANES) - {"lif"}))
def test_nir_has_no_primitive_for_the_others(name):
    model = MEMBRANES[name].name
    with pytest.raises(LegalizeError, match=f"NIR has no primitive for {model} neurons"):
        population(name).to_nir()


def test_a_state_that_blows_up_is_refused():
    op = population("fitzhugh-nagumo")
    with pytest.raises(BackendError, match="state blows up under rk4 at sub-steps of"):
        op.step(op.initial_state(1), np.full((1, 3), 1e200))


def test_lif_conversion_fires_in_every_step_at_the_end_of_its_ramp():
    found = CONVERSIONS["lif"]
    state, fired = start(found.model, (2,)), np.zeros(2)
    for step in range(40):
        current = np.array(found.drive) + (found.kick if step == 0 else 0.0)
        spikes, state = integrate(found.model, found.scheme, state, current)
        fired += spikes
    assert fired.tolist() == [0.0, 40.0]
