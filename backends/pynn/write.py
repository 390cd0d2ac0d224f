"""A program as membranes for a simulator of cells, with a PyNN script that runs them.

``NAME.npz`` is a core, ``samples.npz`` what the oracle says it does at 16 points, ``runner.py``
builds and runs it, ``program.json`` and the ONNX models are the rest.
"""

from __future__ import annotations

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import (
    Arrays,
    core_file,
    folder_files,
    gathered,
    packed,
    recorded_samples,
)
from pinnir.backends.pynn.network import ConstantCore, cores_of
from pinnir.backends.recording import CoreRecord
from pinnir.program.program import Program


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form in PyNN.
    """
    cores, records = cores_of(program), recorded_samples(program)
    samples = gathered(inputs_of, cores, records) | gathered(expected_of, cores, records)
    found = {f"{core.name}.npz": _core_file(core) for core in cores}
    found["samples.npz"] = packed(samples)
    readme = _README.format(" ".join(ENVIRONMENTS["pynn"].requirements))
    rows = {core.label: {"file": f"{core.name}.npz"} for core in cores}
    return found | folder_files(program, "pynn", readme, rows)


def inputs_of(core: ConstantCore, seen: CoreRecord) -> Arrays:
    """What enters a core."""
    return {"inputs": seen.inputs}


def expected_of(core: ConstantCore, seen: CoreRecord) -> Arrays:
    """What the runner has to find."""
    return {"events": seen.events[core.population], "outputs": seen.outputs}


def _core_file(core: ConstantCore) -> bytes:
    model, scheme, synapse = core.units.model, core.units.scheme, core.units.synapse
    low, high = (-np.inf, np.inf) if synapse is None else (synapse.low, synapse.high)
    told = {
        "model": model.name,
        "parameters": core.parameters,
        "rest": dict(zip(model.variables, model.rest(), strict=True)),
        "integrator": scheme.integrator,
        "step": scheme.step,
        "substeps": scheme.substeps,
        "steps": core.steps,
    }
    arrays: Arrays = {
        "weight": core.encode[0],
        "bias": core.encode[1],
        "low": np.array(low),
        "high": np.array(high),
        "decode": core.decode[0],
        "constant": core.decode[1],
    }
    return core_file(arrays, told)


_README = """# Membranes for a simulator of cells

    pip install {}     # CeCILL; in an environment of its own
    python runner.py                           # runs 16 points, compares every spike

`runner.py` is a PyNN script: one population with a cell for every unit at every point, constant
currents, spikes recorded. Izhikevich neurons by forward Euler are PyNN's own cells; Runge-Kutta 4
and the Hodgkin-Huxley neuron are cell types that the script defines for Brian2. Time step and
integrator are those of the program, so spikes are equal one by one.

`program.json` lists all parts in running order: host parts are ONNX models. A core's file
`core_*.npz` holds the maps from its inputs to currents and from rates to what leaves it.
"""
