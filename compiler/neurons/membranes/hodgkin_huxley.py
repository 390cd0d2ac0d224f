"""The Hodgkin-Huxley neuron: the squid's giant axon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pinnir.neurons.membranes.membrane import Membrane, State, Value


@dataclass(frozen=True)
class HodgkinHuxley(Membrane):
    r"""A membrane with sodium, potassium and leak channels, without reset.

    .. math:: C \dot v = I - \bar g_{Na} m^3 h (v - E_{Na}) - \bar g_K n^4 (v - E_K)
                          - g_L (v - E_L), \qquad
              \dot x = \alpha_x(v) (1 - x) - \beta_x(v) x, \quad x \in \{m, h, n\}

    .. math::
        \alpha_m &= 0.1 (v + 40) / (1 - e^{-(v + 40) / 10}), & \beta_m &= 4 e^{-(v + 65) / 18} \\
        \alpha_h &= 0.07 e^{-(v + 65) / 20}, & \beta_h &= 1 / (1 + e^{-(v + 35) / 10}) \\
        \alpha_n &= 0.01 (v + 55) / (1 - e^{-(v + 55) / 10}), & \beta_n &= 0.125 e^{-(v + 65) / 80}

    It fires when ``v`` passes the threshold upwards: from about 6.3 uA/cm2 without end, up to about
    100, where its spikes, which shrink as the current grows, no longer reach it.

    A. L. Hodgkin and A. F. Huxley, "A quantitative description of membrane current and its
    application to conduction and excitation in nerve", J. Physiol. 117 (1952), table 3, at 6.3
    degrees Celsius, with the potential's sign turned and its zero moved so that rest is -65 mV, as
    in P. Dayan and L. F. Abbott, "Theoretical Neuroscience" (2001), section 5.6.

    Attributes:
        threshold: Potential that a spike passes, mV.
        capacitance: ``C``, uF/cm2.
        g_sodium: mS/cm2, all channels open.
        g_potassium: mS/cm2, all channels open.
        g_leak: mS/cm2.
        e_sodium: Reversal potential, mV.
        e_potassium: Reversal potential, mV.
        e_leak: Reversal potential, mV.
    """

    name: ClassVar[str] = "hodgkin-huxley"
    variables: ClassVar[tuple[str, ...]] = ("v", "m", "h", "n")
    time_unit: ClassVar[str] = "ms"
    current_unit: ClassVar[str] = "uA/cm2"
    drive: ClassVar[tuple[float, float]] = (-10.0, 90.0)
    fine_step: ClassVar[float] = 0.01
    settling: ClassVar[float] = 100.0
    resets: ClassVar[bool] = False

    threshold: float = -20.0
    capacitance: float = 1.0
    g_sodium: float = 120.0
    g_potassium: float = 36.0
    g_leak: float = 0.3
    e_sodium: float = 50.0
    e_potassium: float = -77.0
    e_leak: float = -54.387

    def rest(self) -> tuple[float, ...]:
        """-65 mV, which currents balance at to a hundredth of a millivolt, and the gates there."""
        rates = _gates(-65.0, np)
        return -65.0, *(float(opens / (opens + closes)) for opens, closes in rates)

    def slope(self, state: State, current: Value, xp: Any = np) -> State:
        """``dv/dt`` in mV/ms, and the gates' derivatives in 1/ms."""
        v, m, h, n = state
        ionic = (
            self.g_sodium * m * m * m * h * (v - self.e_sodium)
            + self.g_potassium * (n * n) * (n * n) * (v - self.e_potassium)
            + self.g_leak * (v - self.e_leak)
        )
        gates = zip((m, h, n), _gates(v, xp), strict=True)
        return (
            (current - ionic) / self.capacitance,
            *(opens * (1.0 - x) - closes * x for x, (opens, closes) in gates),
        )


def _gates(v: Value, xp: Any) -> tuple[tuple[Value, Value], ...]:
    """Rates at which the gates m, h and n open and close, 1/ms."""
    return (
        (_linoid((v + 40.0) / 10.0, xp), 4.0 * xp.exp(-(v + 65.0) / 18.0)),
        (0.07 * xp.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + xp.exp(-(v + 35.0) / 10.0))),
        (0.1 * _linoid((v + 55.0) / 10.0, xp), 0.125 * xp.exp(-(v + 65.0) / 80.0)),
    )


def _linoid(x: Value, xp: Any) -> Value:
    """``x / (1 - e^-x)``, which is 1 at 0, where the quotient has no value."""
    near = abs(x) < 1e-6
    safe = xp.where(near, 1.0, x)
    return xp.where(near, 1.0 + 0.5 * x, safe / -xp.expm1(-safe))
