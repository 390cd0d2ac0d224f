"""Membrane models: equations, rest, spikes and resets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.neurons import LIF, MEMBRANES, HodgkinHuxley
from pinnir.neurons.membranes.hodgkin_huxley import _linoid
from pinnir.neurons.membranes.integrators import Scheme, heaviside, integrate, start

MODELS = pytest.mark.parametrize("model", MEMBRANES.values(), ids=MEMBRANES)


def spike_times(model, currents, duration, step):
    """Times of all spikes of a unit under each of these constant currents."""
    currents = np.array(currents, float)
    state, found = start(model, currents.shape), [[] for _ in currents]
    for number in range(round(duration / step)):
        spikes, state = integrate(model, Scheme("rk4", step), state, currents)
        for unit in np.flatnonzero(spikes):
            found[unit].append((number + 1) * step)
    return [np.array(times) for times in found]


@MODELS
def test_rest_is_where_nothing_changes(model):
    # Hodgkin and Huxley's currents balance at -65 mV to 0.005 uA/cm2.
    np.testing.assert_allclose(model.slope(model.rest(), 0.0), 0.0, atol=5e-3)
    assert len(model.variables) == len(model.rest())


@MODELS
def test_fires_over_its_range_and_not_below(model):
    low, high = model.drive
    currents = [low, 0.0, *(low + np.array([0.5, 0.75]) * (high - low))]
    below, silent, *inside = spike_times(model, currents, 100.0, 3 * model.fine_step)
    assert not below.size
    assert not silent.size
    assert all(times.size for times in inside)


def test_lif_fires_as_its_equation_says():
    model, step = LIF(), 0.05
    currents = np.linspace(20.5, 100, 50)
    periods = model.tau * np.log((currents - model.v_reset) / (currents - model.threshold))
    for times, period in zip(spike_times(model, currents, 250.0, step), periods, strict=True):
        # Every interval begins at a step's end, so it is the period rounded up.
        expected = np.ceil(period / step - 1e-6) * step
        np.testing.assert_allclose(np.diff(times), expected, rtol=0, atol=1e-6)
        assert times.size > 1


def test_resets_are_the_published_ones():
    spikes = np.array([1.0, 0.0])
    (v,) = LIF().reset((np.array([21.0, 5.0]),), spikes)
    assert v.tolist() == [10.0, 5.0]
    state = np.array([31.0, -60.0]), np.array([-3.0, -3.0])
    v, u = MEMBRANES["izhikevich-fast"].reset(state, spikes)
    assert (v.tolist(), u.tolist()) == ([-65.0, -60.0], [-1.0, -3.0])


def test_a_unit_without_reset_fires_once_on_its_way_up():
    model, spikes = HodgkinHuxley(), []
    for before, after in ((-21.0, -20.0), (-20.0, 9.0), (9.0, -70.0)):
        spikes.append(model.spikes((np.array(before),), (np.array(after),), heaviside).item())
    assert spikes == [1.0, 0.0, 0.0]


def test_a_unit_with_reset_fires_wherever_it_is_above():
    spikes = LIF().spikes((np.array([25.0]),), (np.array([20.0]),), heaviside)
    assert spikes.tolist() == [1.0]


@given(st.floats(-20, 20))
def test_linoid_has_no_gap(x):
    here, near = _linoid(np.array([x, x + 1e-7]), np)
    assert abs(here - near) < 1e-6


def test_squid_axon_rates_at_rest():
    # Hodgkin and Huxley 1952, table 3 and figures 4, 7 and 9 at V = 0.
    _, m, h, n = HodgkinHuxley().rest()
    np.testing.assert_allclose([m, h, n], [0.0529, 0.5961, 0.3177], atol=5e-5)
