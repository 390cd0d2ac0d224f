"""Run the membranes of this folder in a simulator, by PyNN, and compare with what is expected.

    pip install PyNN==0.12.4 brian2==2.9.0 numpy==1.26.4
    python runner.py                                  # the 16 points of samples.npz
    python runner.py --inputs I.npz --output R.npz    # inputs of your own

A core is NAME.npz: currents are ``clip(weight @ x + bias, low, high)`` of an input ``x``, one
membrane a current is simulated from rest, and what leaves is ``decode @ rate + constant``, with the
spikes of a membrane a step as its rate. In inputs and results, arrays are called NAME/inputs
``(samples, columns)``, NAME/events (spikes in every step, ``(samples, steps, units)``) and
NAME/outputs ``(samples, columns)``. Exit code 1: something differs from what is expected.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import brian2
import numpy as np
import pyNN.brian2 as sim
from pyNN.brian2.cells import BaseNeuronGroup, IzhikevichNeuronGroup
from pyNN.standardmodels import StandardCellType, build_translations

HERE = Path(__file__).resolve().parent
brian2.prefs.codegen.target = "numpy"

# PyNN's current of an Izhikevich cell is divided by 1 pF: 1 mV/ms is 1 pA.
PICOAMPERE = 1e-3


class IzhikevichByRungeKutta(IzhikevichNeuronGroup):
    """PyNN's cells, by another integrator than forward Euler."""

    def __init__(self, n: int, equations: Any, **parameters: Any) -> None:
        super().__init__(n, equations, method="rk4", **parameters)


class Axons(BaseNeuronGroup):
    """Cells that fire when they pass the threshold upwards, and are not reset."""

    method = "euler"

    def __init__(self, n: int, equations: Any, **parameters: Any) -> None:
        above = f"v >= {float(parameters.pop('v_thresh')[0] / brian2.mV)!r}*mV"
        own = {"threshold": above, "reset": "", "refractory": above, "method": self.method}
        super().__init__(n, equations, **own, **parameters)


class AxonsByRungeKutta(Axons):
    """The same, by Runge-Kutta 4."""

    method = "rk4"


# Of the axon, in PyNN and in the equations; unit and default value.
PARAMETERS = (
    ("cm", "c_m", brian2.nF, 1.0),
    ("gbar_Na", "gbar_Na", brian2.uS, 120.0),
    ("gbar_K", "gbar_K", brian2.uS, 36.0),
    ("g_leak", "g_leak", brian2.uS, 0.3),
    ("e_rev_Na", "e_rev_Na", brian2.mV, 50.0),
    ("e_rev_K", "e_rev_K", brian2.mV, -77.0),
    ("e_rev_leak", "e_rev_leak", brian2.mV, -54.387),
    ("v_thresh", "v_thresh", brian2.mV, -20.0),
    ("i_offset", "i_offset", brian2.nA, 0.0),
)


class SquidAxon(StandardCellType):
    """Hodgkin and Huxley's axon (1952), of 0.1 mm2: 1 uA/cm2 is 1 nA.

    PyNN's own ``HH_cond_exp`` has the kinetics of Traub and Miles (1991) instead.
    """

    default_parameters: ClassVar[Any] = {name: value for name, _, _, value in PARAMETERS}
    default_initial_values: ClassVar[Any] = {"v": -65.0, "m": 0.0, "h": 1.0, "n": 0.0}
    recordable: ClassVar[Any] = ["spikes", "v"]
    receptor_types = ()
    units: ClassVar[Any] = {"v": "mV"} | dict.fromkeys("mhn", "dimensionless")
    translations = build_translations(*(row[:3] for row in PARAMETERS))
    state_variable_translations = build_translations(
        ("v", "v", brian2.mV), ("m", "m", 1), ("h", "h", 1), ("n", "n", 1)
    )
    post_synaptic_variables: ClassVar[Any] = {}
    brian2_model: ClassVar[type] = Axons
    eqs = brian2.Equations(
        """
        dv/dt = (i_offset + i_inj - gbar_Na*m*m*m*h*(v - e_rev_Na)
                 - gbar_K*n*n*n*n*(v - e_rev_K) - g_leak*(v - e_rev_leak))/c_m : volt
        dm/dt = (1/exprel(-(v + 40*mV)/(10*mV))*(1 - m) - 4*exp(-(v + 65*mV)/(18*mV))*m)/ms : 1
        dh/dt = (0.07*exp(-(v + 65*mV)/(20*mV))*(1 - h) - h/(1 + exp(-(v + 35*mV)/(10*mV))))/ms : 1
        dn/dt = (0.1/exprel(-(v + 55*mV)/(10*mV))*(1 - n)
                 - 0.125*exp(-(v + 65*mV)/(80*mV))*n)/ms : 1
        c_m : farad
        gbar_Na : siemens
        gbar_K : siemens
        g_leak : siemens
        e_rev_Na : volt
        e_rev_K : volt
        e_rev_leak : volt
        i_offset : amp
        i_inj : amp
        """
    )


class SquidAxonByRungeKutta(SquidAxon):
    """The same, by Runge-Kutta 4."""

    brian2_model = AxonsByRungeKutta


class IzhikevichCellByRungeKutta(sim.Izhikevich):
    """PyNN's cell, by Runge-Kutta 4."""

    brian2_model = IzhikevichByRungeKutta


# (model, integrator) -> cell type, and nA of one unit of current
CELLS = {
    ("izhikevich", "euler"): (sim.Izhikevich, PICOAMPERE),
    ("izhikevich", "rk4"): (IzhikevichCellByRungeKutta, PICOAMPERE),
    ("hodgkin-huxley", "euler"): (SquidAxon, 1.0),
    ("hodgkin-huxley", "rk4"): (SquidAxonByRungeKutta, 1.0),
}


def simulate(told: dict[str, Any], currents: Any) -> Any:
    """Spikes in every step, ``(samples, steps, units)``, under constant currents."""
    cell, unit = CELLS[told["model"], told["integrator"]]
    substep, steps = told["step"] / told["substeps"], told["steps"]
    sim.setup(timestep=substep)
    cells = sim.Population(
        currents.size, cell(**told["parameters"], i_offset=(currents * unit).ravel())
    )
    cells.initialize(**told["rest"])
    cells.record("spikes")
    sim.run(told["step"] * steps)
    (segment,) = cells.get_data().segments
    events = np.zeros((currents.size, steps), np.int16)
    ids, times = segment.spiketrains.multiplexed
    rows = np.searchsorted(cells.all_cells.astype(int), np.asarray(ids, int))
    places = np.rint(times.rescale("ms").magnitude / substep).astype(int) // told["substeps"]
    np.add.at(events, (rows, places), 1)
    sim.end()
    return events.reshape(*currents.shape, steps).swapaxes(1, 2)


def run(name: str, inputs: Any) -> dict[str, Any]:
    """Everything that a core does at all points."""
    core = np.load(HERE / f"{name}.npz")
    currents = np.clip(inputs @ core["weight"].T + core["bias"], core["low"], core["high"])
    events = simulate(json.loads(bytes(core["told"])), currents)
    outputs = events.mean(axis=1) @ core["decode"].T + core["constant"]
    return {f"{name}/inputs": inputs, f"{name}/events": events, f"{name}/outputs": outputs}


def main() -> int:
    """Run all cores; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=Path, default=HERE / "samples.npz")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    given = np.load(asked.inputs)
    found: dict[str, Any] = {}
    for key in given.files:
        name, _, kind = key.rpartition("/")
        if kind == "inputs":
            found |= run(name, given[key])
    if asked.output:
        np.savez_compressed(asked.output, **found)
    differing = sum(
        int((found[key] != given[key]).sum()) for key in given.files if key.endswith("/events")
    )
    print(json.dumps({"spikes_differing": differing}))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
