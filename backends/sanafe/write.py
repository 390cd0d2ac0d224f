"""A program as networks for SANA-FE's Loihi, with a script that runs them.

``NAME.npz`` is a core's network, ``samples.npz`` what the oracle says it does at 16 points,
``runner.py`` builds and runs it, ``program.json`` and the ONNX models are the rest.
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
from pinnir.backends.sanafe.network import UNIT, LoihiCore, LoihiNetwork, cores_of
from pinnir.backends.sanafe.placement import Chip, place
from pinnir.program.program import Program


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form on Loihi.
    """
    cores, records = cores_of(program), recorded_samples(program)
    samples = gathered(inputs_of, cores, records) | gathered(expected_of, cores, records)
    found = folder_files(program, "sanafe", _README, {core.label: core.row for core in cores})
    found["samples.npz"] = packed(samples)
    for core, placed in zip(cores, place(program, cores), strict=True):
        found[f"{core.name}.npz"] = _core_file(core.network, placed)
    return found


def inputs_of(core: LoihiCore, seen: CoreRecord) -> Arrays:
    """What enters a core, as the runner reads it."""
    return {"inputs": np.rint(seen.inputs).astype(np.int32)}


def expected_of(core: LoihiCore, seen: CoreRecord) -> Arrays:
    """What the runner has to find: spikes of every population, and sums that leave."""
    found: Arrays = {
        group.name: seen.events[group.node].astype(np.int8)
        for group in core.network.groups
        if group.node is not None
    }
    return found | {"outputs": sums_that_leave(core.whole, seen)}


def _core_file(one: LoihiNetwork, placed: Chip) -> bytes:
    arrays: Arrays = {}
    groups, synapses = [], []
    for group, cores in zip(one.groups, placed, strict=True):
        groups.append({key: getattr(group, key) for key in ("name", "begin", "decay", "reset")})
        for key in ("threshold", "potential", "bias", "from_input"):
            arrays[f"{group.name}/{key}"] = getattr(group, key) * UNIT
        arrays[f"{group.name}/core"] = cores
    for number, found in enumerate(one.projections):
        waits = found.delay - 1
        synapses.append({"source": found.source, "target": found.target, "waits": waits})
        arrays[f"synapses/{number}"] = found.weight.astype(np.int32)
    steps = one.groups[-1].steps
    return core_file(arrays, {"steps": steps, "groups": groups, "synapses": synapses})


_README = """# A spiking network for SANA-FE's model of Loihi

    pip install sanafe==2.2.9 numpy     # GPL-3; in an environment of its own
    python runner.py                    # runs 16 points, compares every spike, prints costs

A core's network is `core_*.npz`: groups of units with the step in which they begin, and whole
weights between them, to be multiplied by 1/32. `program.json` lists all parts in running order:
host parts are ONNX models; the sums that a core gives, times `unit`, are what leaves it.

Energy and time are SANA-FE's, with the constants of Loihi 1 that its `loihi.yaml` quotes from
Davies et al. (2018). The simulator's potentials, biases and weights are wider than Loihi's: fan-in
of 8-bit weights, cores of 1024 units and 128 KiB of synapses are kept to, widths of other numbers
are not. The host sets inputs (biases) and initial potentials in the step in which a group begins.
"""
