"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pinnir.neurons.membranes.membrane import Membrane, State, Value


@dataclass(frozen=True)
class LIF(Membrane):
    r"""Leaky integrate-and-fire neuron; potentials are counted from rest.

    .. math:: \tau \dot v = -v + R I, \qquad
              v \ge \theta: \text{ spike, } v \leftarrow v_r

    The current is given as :math:`R I`, the depolarisation that it brings if it lasts, in mV.
    Parameters are those of N. Brunel, "Dynamics of sparsely connected networks of excitatory and
    inhibitory spiking neurons", J. Comput. Neurosci. 8 (2000), section 2, without its absolute
    refractory period, which neither ``nir.LIF`` nor Norse's ``LIFBox`` has.

    Attributes:
        threshold: ``theta``, mV above rest.
        tau: Membrane time constant, ms.
        v_reset: ``v_r``, mV above rest.
        subtract: Whether a spike subtracts ``theta`` instead, as pinnir's integrate-and-fire
            neurons do: what the potential was above it then counts for the next spike.
    """

    name: ClassVar[str] = "lif"
    variables: ClassVar[tuple[str, ...]] = ("v",)
    time_unit: ClassVar[str] = "ms"
    current_unit: ClassVar[str] = "mV"
    drive: ClassVar[tuple[float, float]] = (-20.0, 100.0)
    fine_step: ClassVar[float] = 0.02
    settling: ClassVar[float] = 100.0
    resets: ClassVar[bool] = True

    threshold: float = 20.0
    tau: float = 20.0
    v_reset: float = 10.0
    subtract: bool = False

    def rest(self) -> tuple[float, ...]:
        """Potential zero."""
        return (0.0,)

    def slope(self, state: State, current: Value, xp: Any = np) -> State:
        """``dv/dt``, mV/ms."""
        (v,) = state
        return ((current - v) / self.tau,)

    def reset(self, state: State, spikes: Value) -> State:
        """``v = v_r``, or ``v - theta``, where there is a spike."""
        (v,) = state
        if self.subtract:
            return (v - spikes * self.threshold,)
        return ((1 - spikes) * v + spikes * self.v_reset,)
