"""Membranes on tensors do what the oracle does; Norse's own models are among them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("norse")
import torch

from pinnir.backends.norse.membranes import MembraneCell
from pinnir.neurons import LIF, MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme, integrate, start

OF_NORSE = {"lif", "izhikevich"}


def driven(model, steps, units):
    """Currents that make units fire irregularly, ``(steps, units)``."""
    rng = np.random.default_rng(7)
    low, high = model.drive
    level = np.linspace(low, high, units)
    return level + 0.1 * (high - low) * rng.standard_normal((steps, units))


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MEMBRANES)
def test_spike_by_spike(name, integrator):
    same_spikes(MEMBRANES[name], integrator)


def test_subtracting_lif():
    same_spikes(LIF(subtract=True), "euler")


def same_spikes(model, integrator):
    scheme = Scheme(integrator, 8 * model.fine_step, substeps=4)
    cell = MembraneCell(model, scheme, torch.float64)
    assert (cell.norse is not None) == (integrator == "euler" and model.name in OF_NORSE)
    currents = driven(model, 400, 6)
    state, other, fired = start(model, (6,)), None, 0.0
    for current in currents:
        spikes, state = integrate(model, scheme, state, current)
        found, other = cell(torch.as_tensor(current), other)
        np.testing.assert_array_equal(found.numpy(), spikes)
        fired += spikes.sum()
    assert fired > 6
    for mine, torches in zip(state, other, strict=True):
        np.testing.assert_allclose(torches.numpy(), mine, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", MEMBRANES)
def test_potential_at_the_threshold_fires(name):
    model = MEMBRANES[name]
    cell = MembraneCell(model, Scheme("rk4", 0.1), torch.float64)
    at = torch.tensor([model.threshold, np.nextafter(model.threshold, -np.inf)])
    assert cell._above(at.double(), model.threshold).tolist()[0] == 1.0
    below = torch.tensor([np.nextafter(model.threshold, -np.inf)], dtype=torch.float64)
    assert cell._above(below, model.threshold).tolist() == [0.0]


@pytest.mark.parametrize("name", MEMBRANES)
def test_gradients_reach_the_current(name):
    model = MEMBRANES[name]
    cell = MembraneCell(model, Scheme("rk4", 2 * model.fine_step), torch.float64, "super", 1.0)
    current = torch.full((1, 4), float(np.mean(model.drive)), dtype=torch.float64)
    current.requires_grad_()
    state, total = None, 0.0
    for _ in range(200):
        spikes, state = cell(current, state)
        total = total + spikes.sum()
    total.backward()
    assert torch.isfinite(current.grad).all()
    assert (current.grad != 0).all()
