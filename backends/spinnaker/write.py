"""A program as connection lists for sPyNNaker, with a script that maps them.

``NAME.npz`` is a core's network, ``samples.npz`` the potentials that 16 inputs give and what the
oracle says of them, ``runner.py`` maps the network and checks the memory image, ``program.json``
and the ONNX models are the rest.
"""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from pinnir.backends.exported_parts import (
    Arrays,
    WrittenCore,
    core_rows,
    host_files,
    packed,
    program_json,
    sums_that_leave,
    whole_cores,
)
from pinnir.backends.recording import CoreRecord, probe_points, record
from pinnir.backends.spinnaker.groups import SUMS, Network
from pinnir.backends.spinnaker.network import network
from pinnir.program.program import Program

SAMPLES = 16


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no exact form on SpiNNaker.
    """
    return files_of(program, written_cores(program))


def files_of(program: Program, cores: list[WrittenCore[Network]]) -> dict[str, bytes]:
    """Contents by file name, of cores that were made before."""
    records = record(program, probe_points(program, SAMPLES))
    both = list(zip(cores, records, strict=True))
    samples: Arrays = {}
    for core, seen in both:
        samples |= _samples(core, seen)
    found = {f"{core.name}.npz": _core_file(core.network, seen) for core, seen in both}
    found["samples.npz"] = packed(samples)
    own = files("pinnir.backends.spinnaker") / "exported"
    found["runner.py"] = (own / "runner.py").read_bytes()
    found["README.md"] = _README.encode()
    found["program.json"] = program_json(program, core_rows(cores))
    return found | host_files(program)


def written_cores(program: Program) -> list[WrittenCore[Network]]:
    """The cores as networks.

    Raises:
        LegalizeError: As :func:`write`.
    """
    return [
        WrittenCore(label, whole, network(whole, largest))
        for label, (whole, largest) in whole_cores(program).items()
    ]


def _samples(core: WrittenCore[Network], seen: CoreRecord) -> Arrays:
    """Potentials to begin with, and what then has to come out."""
    found: Arrays = {}
    for group in core.network.groups:
        potentials = group.potentials(seen.inputs[:SAMPLES])
        found[f"{core.name}/{group.name}/potential"] = potentials.astype(np.int32)
        found[f"{core.name}/{group.name}/offset"] = group.offsets(seen.inputs[:SAMPLES])
        if group.node is not None:
            spikes = seen.events[group.node][:SAMPLES]
            found[f"{core.name}/{group.name}/spikes"] = spikes.astype(np.int8)
    found[f"{core.name}/{SUMS}/outputs"] = sums_that_leave(core.whole, seen)[:SAMPLES]
    return found


def _core_file(one: Network, seen: CoreRecord) -> bytes:
    """Groups with the potentials and currents of the first sample, and synapses."""
    arrays: Arrays = {}
    for group in one.groups:
        arrays[f"{group.name}/threshold"] = group.threshold
        arrays[f"{group.name}/sample"] = group.potentials(seen.inputs[:1])[0]
        arrays[f"{group.name}/offset"] = group.offsets(seen.inputs[:1])[0]
    for number, synapses in enumerate(one.synapses):
        arrays[f"synapses/{number}"] = synapses.weight.astype(np.int32)
    told = json.dumps({
        "steps": one.steps,
        "groups": [{"name": g.name, "begin": g.begin, "steps": g.steps, "shift": g.shift,
                    "reset": g.reset} for g in one.groups],
        "synapses": [{"source": s.source, "target": s.target, "delay": s.delay}
                     for s in one.synapses],
    })  # fmt: skip
    return packed(arrays | {"told": np.frombuffer(told.encode(), np.uint8)})


_README = """# A spiking network for SpiNNaker

    pip install 'sPyNNaker==1!7.4.1'    # in an environment of its own
    python runner.py                    # maps the network, checks every weight in the memory image

A core's network is `core_*.npz`: groups of `IFTruncDelta` units (`tau_m = cm = 1`, no refractory
period) with thresholds, reset potentials, initial potentials and constant currents (`offset`), and
whole weights between them, all in units of 2^-15, with a delay in steps of a millisecond. Units
have steps of their own: so many `steps`, from `begin` of their group on. The `sums` are read off
the potentials at the end, times `unit` of `program.json`. `samples.npz` holds initial potentials
and currents for 16 inputs, the spikes `(samples, steps, units)` and the sums that come of them.

`runner.py` uses a virtual board: sPyNNaker partitions, places and routes, and makes the memory
image, but executes nothing. No SpiNNaker board has run this. What the units do was computed by a
model of `IFTruncDelta` in the integers that SpiNNaker uses, from the weights in that image.
"""
