"""A program as membranes for a simulator of cells, with a PyNN script that runs them.

``NAME.npz`` is a core, ``samples.npz`` what the oracle says it does at 16 points, ``runner.py``
builds and runs it, ``program.json`` and the ONNX models are the rest.
"""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import Arrays, host_files, packed, program_json
from pinnir.backends.pynn.network import ConstantCore, constant_core
from pinnir.backends.recording import CoreRecord, probe_points, record
from pinnir.program.program import Program

SAMPLES = 16


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form in PyNN.
    """
    return files_of(program, constant_cores(program))


def files_of(program: Program, cores: list[ConstantCore]) -> dict[str, bytes]:
    """Contents by file name, of cores that were made before."""
    expected: Arrays = {}
    for core, seen in zip(cores, record(program, probe_points(program, SAMPLES)), strict=True):
        expected |= expected_of(core, seen)
    found = {f"{core.name}.npz": _core_file(core) for core in cores}
    found["samples.npz"] = packed(expected)
    found["runner.py"] = (files("pinnir.backends.pynn") / "exported/runner.py").read_bytes()
    found["README.md"] = _README.format(" ".join(ENVIRONMENTS["pynn"].requirements)).encode()
    found["program.json"] = program_json(
        program, {core.label: {"file": f"{core.name}.npz"} for core in cores}
    )
    return found | host_files(program)


def constant_cores(program: Program) -> list[ConstantCore]:
    """The cores of a program.

    Raises:
        LegalizeError: As :func:`write`.
    """
    return [
        constant_core(segment.label, segment.running)
        for segment in program.segments
        if segment.running is not None
    ]


def expected_of(core: ConstantCore, seen: CoreRecord) -> Arrays:
    """What enters a core, and what the runner has to find."""
    return {
        f"{core.name}/inputs": seen.inputs,
        f"{core.name}/events": seen.events[core.population],
        f"{core.name}/outputs": seen.outputs,
    }


def _core_file(core: ConstantCore) -> bytes:
    model, scheme = core.units.model, core.units.scheme
    told = {
        "model": model.name,
        "parameters": core.parameters,
        "rest": dict(zip(model.variables, model.rest(), strict=True)),
        "integrator": scheme.integrator,
        "step": scheme.step,
        "substeps": scheme.substeps,
        "steps": core.steps,
    }
    low, high = core.limits
    return packed(
        {
            "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
            "weight": core.encode[0],
            "bias": core.encode[1],
            "low": np.array(low),
            "high": np.array(high),
            "decode": core.decode[0],
            "constant": core.decode[1],
        }
    )


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
