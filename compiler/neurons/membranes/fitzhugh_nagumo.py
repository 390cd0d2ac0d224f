"""The FitzHugh-Nagumo neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pinnir.neurons.membranes.membrane import Membrane, State, Value


@dataclass(frozen=True)
class FitzHughNagumo(Membrane):
    r"""A cubic membrane with a slow recovery variable, without units and without reset.

    .. math:: \dot v = v - v^3/3 - w + I, \quad \dot w = (v + a - b w) / \tau

    It fires when ``v`` passes the threshold upwards. R. FitzHugh, "Impulses and physiological
    states in theoretical models of nerve membrane", Biophys. J. 1 (1961), with the parameters
    ``a = 0.7``, ``b = 0.8`` and ``tau = 12.5`` of E. M. Izhikevich and R. FitzHugh,
    "FitzHugh-Nagumo model", Scholarpedia 1 (2006). Between currents of about 0.33 and 1.42 it
    fires without end, at nearly the same rate; above, it stays depolarised.

    Attributes:
        threshold: Potential that a spike passes; spikes reach about 2.
        a: Shifts the recovery.
        b: Strength of the recovery.
        tau: Time constant of the recovery.
    """

    name: ClassVar[str] = "fitzhugh-nagumo"
    variables: ClassVar[tuple[str, ...]] = ("v", "w")
    time_unit: ClassVar[str] = ""
    current_unit: ClassVar[str] = ""
    drive: ClassVar[tuple[float, float]] = (-0.5, 1.8)
    fine_step: ClassVar[float] = 0.02
    settling: ClassVar[float] = 200.0
    resets: ClassVar[bool] = False

    threshold: float = 1.0
    a: float = 0.7
    b: float = 0.8
    tau: float = 12.5

    def rest(self) -> tuple[float, ...]:
        """The one point where nothing changes without current."""
        # v - v^3/3 = (v + a) / b
        roots = np.roots([-1 / 3, 0.0, 1 - 1 / self.b, -self.a / self.b])
        v = float(roots[np.argmin(np.abs(roots.imag))].real)
        return v, (v + self.a) / self.b

    def slope(self, state: State, current: Value, xp: Any = np) -> State:
        """``dv/dt`` and ``dw/dt``."""
        v, w = state
        return v - v * v * v / 3.0 - w + current, (v + self.a - self.b * w) / self.tau
