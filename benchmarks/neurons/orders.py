"""Orders of the integrators on every model, between spikes."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.neurons.protocols import Array
from pinnir.neurons import MEMBRANES, Membrane
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme, integrate, start

# Current and duration between spikes, and the longest step: short enough to be in the range where
# the error falls as theory says. FitzHugh-Nagumo and Hodgkin-Huxley go through a whole spike.
SMOOTH = {
    "lif": (15.0, 20.0, 1.0),
    "fitzhugh-nagumo": (0.5, 40.0, 0.1),
    "izhikevich": (3.0, 10.0, 0.25),
    "izhikevich-fast": (3.0, 10.0, 0.25),
    "hodgkin-huxley": (20.0, 3.0, 0.02),
}
# How often the longest step is halved.
_HALVINGS = 3


def orders(name: str, integrator: str) -> Array:
    """Powers of the step that the error falls with, at one halving of the step after the other."""
    model, (current, duration, step) = MEMBRANES[name], SMOOTH[name]

    def slope(time: float, state: Array) -> tuple[Array, ...]:
        return model.slope(tuple(state), current)

    times, accuracy = (0, duration), {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
    exact = solve_ivp(slope, times, model.rest(), **accuracy).y[:, -1]
    scale = 1.0 if INTEGRATORS[integrator].order > 1 else 1 / 8
    steps = [step * scale / 2**halvings for halvings in range(_HALVINGS + 1)]
    ends = [_end(model, Scheme(integrator, one), current, duration) for one in steps]
    largest = np.abs(np.array(ends) - exact).max(axis=1)
    return np.asarray(np.log2(largest[:-1] / largest[1:]))


def _end(model: Membrane, scheme: Scheme, current: float, duration: float) -> Array:
    state = start(model, (1,))
    for _ in range(round(duration / scheme.step)):
        spikes, state = integrate(model, scheme, state, np.array([current]))
        if model.resets and spikes.any():
            raise ValueError(f"a spike of {model.name} lies in between")
    return np.concatenate(state)
