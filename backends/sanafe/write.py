"""A program as networks for SANA-FE's Loihi, with a script that runs them.

``NAME.npz`` is a core's network, ``samples.npz`` what the oracle says it does at 16 points,
``runner.py`` builds and runs it, ``program.json`` and the ONNX models are the rest.
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
from pinnir.backends.sanafe.network import Network, network
from pinnir.backends.sanafe.placement import Cores, place
from pinnir.program.program import Program

SAMPLES = 16


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form on Loihi.
    """
    return files_of(program, written_cores(program))


def files_of(program: Program, cores: list[WrittenCore[Network]]) -> dict[str, bytes]:
    """Contents by file name, of cores that were made before."""
    records = record(program, probe_points(program, SAMPLES))
    expected: Arrays = {}
    for core, seen in zip(cores, records, strict=True):
        expected |= inputs_of(core, seen, SAMPLES) | expected_of(core, seen, SAMPLES)
    found = {
        f"{core.name}.npz": _core_file(core.network, placed)
        for core, placed in zip(cores, place(program, cores), strict=True)
    }
    found["samples.npz"] = packed(expected)
    found["runner.py"] = (files("pinnir.backends.sanafe") / "exported/runner.py").read_bytes()
    found["README.md"] = _README.encode()
    found["program.json"] = program_json(program, core_rows(cores))
    return found | host_files(program)


def written_cores(program: Program) -> list[WrittenCore[Network]]:
    """The cores as networks.

    Raises:
        LegalizeError: As :func:`write`.
    """
    return [
        WrittenCore(label, whole, network(whole))
        for label, (whole, _) in whole_cores(program).items()
    ]


def inputs_of(core: WrittenCore[Network], seen: CoreRecord, most: int) -> Arrays:
    """What enters a core, as the runner reads it."""
    return {f"{core.name}/inputs": np.rint(seen.inputs[:most]).astype(np.int32)}


def expected_of(core: WrittenCore[Network], seen: CoreRecord, most: int) -> Arrays:
    """What the runner has to find: spikes of every population, and sums that leave."""
    found: Arrays = {
        f"{core.name}/{group.name}": seen.events[group.node][:most].astype(np.int8)
        for group in core.network.groups
        if group.node is not None
    }
    found[f"{core.name}/outputs"] = sums_that_leave(core.whole, seen)[:most]
    return found


def _core_file(one: Network, placed: Cores) -> bytes:
    arrays: Arrays = {}
    groups, synapses = [], []
    for group, cores in zip(one.groups, placed, strict=True):
        groups.append({"name": group.name, "begin": group.begin, "decay": group.decay,
                       "reset": group.reset})  # fmt: skip
        arrays |= {
            f"{group.name}/{name}": getattr(group, name)
            for name in ("threshold", "potential", "bias", "from_input")
        }
        arrays[f"{group.name}/core"] = cores
    for number, found in enumerate(one.synapses):
        synapses.append({"source": found.source, "target": found.target, "waits": found.waits})
        arrays[f"synapses/{number}"] = found.weight.astype(np.int32)
    told = json.dumps({"steps": one.steps, "groups": groups, "synapses": synapses})
    arrays["told"] = np.frombuffer(told.encode(), np.uint8)
    return packed(arrays)


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
