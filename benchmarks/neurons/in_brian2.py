"""The protocols' independent simulator: Brian2, with the equations as its users write them.

Nothing is taken from ``pinnir.neurons`` but the state of rest and the step. Brian2 runs at half
that step, so that agreement also says that the step does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import brian2 as b
import numpy as np

from benchmarks.neurons.protocols import Drive, Trace
from pinnir.neurons import MEMBRANES

b.prefs.codegen.target = "numpy"


@dataclass(frozen=True)
class _Model:
    """A model as Brian2 takes it.

    Attributes:
        equations: Of potential ``v`` and the others; ``I(t, i)`` is the current.
        threshold: When a cell fires.
        reset: What then happens.
        method: Of integration.
        refractory: While this holds, a cell does not fire again.
    """

    equations: str
    threshold: str
    reset: str = ""
    method: str = "rk4"
    refractory: str | bool = False


def _izhikevich(a: float, d: float) -> _Model:
    return _Model(
        f"""dv/dt = (0.04*v**2 + 5*v + 140 - u + I(t, i)) / ms : 1
            du/dt = {a} * (0.2*v - u) / ms : 1""",
        "v >= 30",
        f"v = -65; u += {d}",
    )


# Models without a reset fire once while they are above the threshold.
MODELS: dict[str, _Model] = {
    "lif": _Model("dv/dt = (I(t, i) - v) / (20*ms) : 1", "v >= 20", "v = 10", "exact"),
    "fitzhugh-nagumo": _Model(
        """dv/dt = (v - v**3/3 - w + I(t, i)) / ms : 1
           dw/dt = 0.08 * (v + 0.7 - 0.8*w) / ms : 1""",
        "v >= 1",
        refractory="v >= 1",
    ),
    "izhikevich": _izhikevich(0.02, 8),
    "izhikevich-fast": _izhikevich(0.1, 2),
    "hodgkin-huxley": _Model(
        """dv/dt = (I(t, i) + 0.3*(-54.387 - v) + 120*m**3*h*(50 - v) + 36*n**4*(-77 - v)) / ms : 1
           dm/dt = (1/exprel(-(v + 40)/10) * (1 - m) - 4*exp(-(v + 65)/18) * m) / ms : 1
           dh/dt = (0.07*exp(-(v + 65)/20) * (1 - h) - 1/(1 + exp(-(v + 35)/10)) * h) / ms : 1
           dn/dt = (0.1/exprel(-(v + 55)/10) * (1 - n) - 0.125*exp(-(v + 65)/80) * n) / ms : 1""",
        "v >= -20",
        refractory="v >= -20",
    ),
}


def version() -> str:
    """Of Brian2."""
    return str(b.__version__)


def simulate(name: str, drive: Drive, duration: float) -> Trace:
    """A run from rest; the unit of time is the millisecond where the model has none."""
    model, known = MODELS[name], MEMBRANES[name]
    step = known.fine_step / 2
    count = round(duration / step)
    currents = np.stack([drive(number * step) for number in range(count)])
    b.defaultclock.dt = step * b.ms
    cells = b.NeuronGroup(
        currents.shape[1],
        model.equations,
        threshold=model.threshold,
        reset=model.reset,
        method=model.method,
        refractory=model.refractory,
        namespace={"I": b.TimedArray(currents, dt=step * b.ms)},
    )
    for variable, value in zip(known.variables, known.rest(), strict=True):
        setattr(cells, variable, value)
    traces = b.StateMonitor(cells, "v", record=True, when="end")
    events = b.SpikeMonitor(cells)
    b.Network(cells, traces, events).run(duration * b.ms)
    fired = np.zeros((count, currents.shape[1]), bool)
    fired[np.round(events.t / (step * b.ms)).astype(int), events.i] = True
    return Trace(np.asarray(traces.v).T, fired, step)
