"""A program as connection lists for sPyNNaker, with a script that maps them.

``NAME.npz`` is a core's network, ``samples.npz`` the potentials that 16 inputs give and what the
oracle says of them, ``runner.py`` maps the network and checks the memory image, ``program.json``
and the ONNX models are the rest.
"""

from __future__ import annotations

import numpy as np

from pinnir.backends.exported_parts import (
    Arrays,
    core_file,
    folder_files,
    gathered,
    packed,
    recorded_samples,
    sums_that_leave,
)
from pinnir.backends.recording import CoreRecord
from pinnir.backends.spinnaker.groups import SpinnakerCore, SpinnakerNetwork
from pinnir.backends.spinnaker.network import cores_of
from pinnir.backends.stepped_core import SUMS
from pinnir.program.program import Program


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no exact form on SpiNNaker.
    """
    cores, records = cores_of(program), recorded_samples(program)
    found = folder_files(program, "spinnaker", _README, {core.label: core.row for core in cores})
    found["samples.npz"] = packed(gathered(expected_of, cores, records))
    for core, seen in zip(cores, records, strict=True):
        found[f"{core.name}.npz"] = _core_file(core.network, seen)
    return found


def expected_of(core: SpinnakerCore, seen: CoreRecord) -> Arrays:
    """Potentials and currents to begin with, and what then has to come out."""
    found: Arrays = {}
    for group in core.network.groups:
        found[f"{group.name}/potential"] = group.potentials(seen.inputs).astype(np.int32)
        found[f"{group.name}/offset"] = group.offsets(seen.inputs)
        if group.node is not None:
            found[f"{group.name}/spikes"] = seen.events[group.node].astype(np.int8)
    return found | {f"{SUMS}/outputs": sums_that_leave(core.whole, seen)}


def _core_file(one: SpinnakerNetwork, seen: CoreRecord) -> bytes:
    """Groups with the potentials and currents of the first sample, and synapses."""
    arrays: Arrays = {}
    groups, synapses = [], []
    for group in one.groups:
        keys = ("name", "begin", "steps", "shift", "reset")
        groups.append({key: getattr(group, key) for key in keys})
        arrays[f"{group.name}/threshold"] = group.threshold
        arrays[f"{group.name}/sample"] = group.potentials(seen.inputs[:1])[0]
        arrays[f"{group.name}/offset"] = group.offsets(seen.inputs[:1])[0]
    for number, found in enumerate(one.projections):
        synapses.append({key: getattr(found, key) for key in ("source", "target", "delay")})
        arrays[f"synapses/{number}"] = found.weight.astype(np.int32)
    return core_file(arrays, {"steps": one.steps, "groups": groups, "synapses": synapses})


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
