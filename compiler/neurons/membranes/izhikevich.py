"""The Izhikevich neuron, regular spiking and fast spiking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pinnir.neurons.membranes.membrane import Membrane, State, Value


@dataclass(frozen=True)
class Izhikevich(Membrane):
    r"""A quadratic membrane with a recovery variable.

    .. math:: \dot v = 0.04 v^2 + 5 v + 140 - u + I, \quad \dot u = a (b v - u), \qquad
              v \ge \theta: \text{ spike, } v \leftarrow c,\; u \leftarrow u + d

    E. M. Izhikevich, "Simple model of spiking neurons", IEEE Trans. Neural Networks 14 (2003),
    equations 1 to 3 and figure 2. Defaults are its regular spiking neuron (RS), the usual
    excitatory cell of the cortex, which adapts. ``v`` is in mV, time in ms; ``I`` has no unit in
    the paper, where it adds to mV/ms.

    Attributes:
        threshold: ``theta``, the spike's peak, mV.
        a: Rate of recovery, 1/ms.
        b: How far recovery follows the potential.
        c: Potential after a spike, mV.
        d: What a spike adds to the recovery variable.
    """

    name: ClassVar[str] = "izhikevich"
    variables: ClassVar[tuple[str, ...]] = ("v", "u")
    time_unit: ClassVar[str] = "ms"
    current_unit: ClassVar[str] = "mV/ms"
    drive: ClassVar[tuple[float, float]] = (-10.0, 40.0)
    fine_step: ClassVar[float] = 0.01
    settling: ClassVar[float] = 500.0
    resets: ClassVar[bool] = True

    threshold: float = 30.0
    a: float = 0.02
    b: float = 0.2
    c: float = -65.0
    d: float = 8.0

    def rest(self) -> tuple[float, ...]:
        """The lower of the two points where nothing changes without current."""
        linear = 5.0 - self.b
        v = (-linear - float(np.sqrt(linear**2 - 4 * 0.04 * 140.0))) / (2 * 0.04)
        return v, self.b * v

    def slope(self, state: State, current: Value, xp: Any = np) -> State:
        """``dv/dt`` and ``du/dt``."""
        v, u = state
        return 0.04 * v * v + 5.0 * v + 140.0 - u + current, self.a * (self.b * v - u)

    def reset(self, state: State, spikes: Value) -> State:
        """``v = c`` and ``u = u + d`` where there is a spike."""
        v, u = state
        return (1 - spikes) * v + spikes * self.c, u + spikes * self.d
