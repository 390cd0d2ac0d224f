"""The protocols' simulator that is tested: pinnir's oracle, by Runge-Kutta 4."""

from __future__ import annotations

import numpy as np

from benchmarks.neurons.protocols import Drive, Trace
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import Scheme, integrate, start


def simulate(name: str, drive: Drive, duration: float) -> Trace:
    """A run from rest at the model's fine step."""
    model = MEMBRANES[name]
    scheme = Scheme("rk4", model.fine_step)
    count, cells = round(duration / scheme.step), len(drive(0.0))
    potential, fired = np.empty((count, cells)), np.empty((count, cells), bool)
    state = start(model, (cells,))
    for number in range(count):
        spikes, state = integrate(model, scheme, state, drive(number * scheme.step))
        potential[number], fired[number] = state[0], spikes > 0
    return Trace(potential, fired, scheme.step)
