"""Integrators: their order on every model, sub-steps, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neurons.orders import orders
from pinnir.base.errors import PinnirError
from pinnir.neurons import LIF, MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme, integrate, start


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MEMBRANES)
def test_error_falls_with_the_order(name, integrator):
    found = orders(name, integrator)
    assert found[-1] == pytest.approx(INTEGRATORS[integrator].order, abs=0.15), found


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MEMBRANES)
def test_substeps_are_shorter_steps(name, integrator):
    model = MEMBRANES[name]
    current = np.full(3, model.drive[0] + 0.6 * np.ptp(model.drive))
    fine, coarse = start(model, (3,)), start(model, (3,))
    total = 0.0
    for _ in range(500):
        counted = np.zeros(3)
        for _ in range(4):
            spikes, fine = integrate(model, Scheme(integrator, model.fine_step), fine, current)
            counted += spikes
        scheme = Scheme(integrator, 4 * model.fine_step, substeps=4)
        spikes, coarse = integrate(model, scheme, coarse, current)
        np.testing.assert_array_equal(spikes, counted)
        total += spikes.sum()
    np.testing.assert_array_equal(coarse, fine)


def test_evaluations_are_counted():
    calls = 0

    class Counting(LIF):
        def slope(self, state, current, xp=np):
            nonlocal calls
            calls += 1
            return super().slope(state, current, xp)

    for integrator in INTEGRATORS:
        scheme = Scheme(integrator, 0.1, substeps=3)
        calls = 0
        integrate(Counting(), scheme, start(LIF(), (1,)), np.zeros(1))
        assert calls == scheme.evaluations


def test_unknown_integrator_is_refused():
    with pytest.raises(PinnirError, match="'heun': unknown integrator\nhint: known are euler, rk4"):
        Scheme("heun", 0.1)


@pytest.mark.parametrize(("step", "substeps"), [(0.0, 1), (-1.0, 1), (np.nan, 1), (0.1, 0)])
def test_a_step_that_is_none_is_refused(step, substeps):
    with pytest.raises(PinnirError, match="is no step"):
        Scheme("rk4", step, substeps)
