"""A program as a folder of Lava processes that needs nothing but Lava.

``processes/`` and ``runner.py`` are the same in every export. The network is in two files a core:
``<core>.json`` says which populations and synapses there are, ``<core>.npz`` holds their arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from pinnir.backends.exported_parts import (
    Rows,
    folder_files,
    gathered,
    narrowest,
    recorded_samples,
    sums_that_leave,
    value_of_sums,
)
from pinnir.backends.exported_parts import packed as compressed
from pinnir.backends.lava.network import Described, LavaCore, cores_of, network
from pinnir.backends.lava.netx_network import UPPER, dense_layers, network_file
from pinnir.backends.lava.stock_network import read_out, stock_network
from pinnir.backends.recording import CoreRecord
from pinnir.mapping.integer_cores import Whole
from pinnir.program.program import Program

# Arrays by name that the oracle has for a core.
Expected: TypeAlias = Callable[[LavaCore, CoreRecord], dict[str, Whole]]
_PROCESSES = (
    "delta_neurons",
    "read_out",
    "recorder",
    "schedule",
    "soft_reset_if",
    "threshold_units",
)
_SCRIPTS = ("runner.py", "checking.py", *(f"processes/{name}.py" for name in _PROCESSES))


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form there, or its numbers are too large.
    """
    cores = cores_of(program)
    rows = {core.label: {"unit": value_of_sums(core.whole).tolist()} for core in cores}
    networks = {core.label: network(core) for core in cores}
    return _processes(program, networks, rows) | _samples(program, cores, expected_of)


def write_stock(program: Program) -> dict[str, bytes]:
    """Contents by file name, of Lava's own neurons.

    Raises:
        LegalizeError: If the program is not for these neurons, or its numbers are too large.
    """
    cores = cores_of(program, "lava-stock")
    rows = {core.label: read_out(core) for core in cores}
    networks = {core.label: stock_network(core) for core in cores}
    return _processes(program, networks, rows) | _samples(program, cores, events_of)


def write_netx(program: Program) -> dict[str, bytes]:
    """Contents by file name, of Lava's own neurons as files that netx of lava-dl reads.

    Raises:
        LegalizeError: If the program is not for Lava's own neurons, or a core is no chain.
    """
    cores = cores_of(program, "lava-stock")
    found: dict[str, bytes] = {}
    rows: dict[str, dict[str, object]] = {}
    for core in cores:
        layers, file = dense_layers(core), f"{core.label}.net"
        found[file] = network_file(layers)
        rows[core.label] = {
            "core": core.label,
            "file": file,
            "steps": core.steps,
            "populations": [core.names[layer.node] for layer in layers],
            "units": [layer.units for layer in layers],
            "upper": UPPER,
            **read_out(core),
        }
    scripts = ("netx_runner.py", "checking.py")
    found |= folder_files(program, "lava", _NETX_README, rows, scripts, cores=list(rows))
    found["runner.py"] = found.pop("netx_runner.py")
    return found | _samples(program, cores, events_of)


def _processes(program: Program, networks: Mapping[str, Described], rows: Rows) -> dict[str, bytes]:
    """The processes, what runs them, and the networks of some cores, by label."""
    told = {label: {"core": label, **row} for label, row in rows.items()}
    found = folder_files(program, "lava", _README, told, _SCRIPTS, cores=list(rows))
    found["processes/__init__.py"] = _PACKAGE.encode()
    for label, (described, arrays) in networks.items():
        found[f"{label}.json"] = (json.dumps(described, indent=1) + "\n").encode()
        found[f"{label}.npz"] = packed(arrays)
    return found


def _samples(program: Program, cores: Sequence[LavaCore], expected: Expected) -> dict[str, bytes]:
    """What enters every core at some points, and what is then expected of it."""
    records = recorded_samples(program)
    samples = gathered(inputs_of, cores, records) | gathered(expected, cores, records)
    return {"samples.npz": packed(samples)}


def packed(arrays: Mapping[str, Whole]) -> bytes:
    """Arrays as an ``.npz`` file in the narrowest integers; the same arrays give the same bytes."""
    kinds = {name: f"i{narrowest(values) // 8}" for name, values in arrays.items()}
    return compressed({name: values.astype(kinds[name]) for name, values in arrays.items()})


def inputs_of(core: LavaCore, seen: CoreRecord) -> dict[str, Whole]:
    """What entered a core, whole numbers ``(samples, columns)``."""
    return {"inputs": np.asarray(np.rint(seen.inputs), np.int64)}


def events_of(core: LavaCore, seen: CoreRecord) -> dict[str, Whole]:
    """The oracle's events of every population, ``(samples, steps, units)``, by its name."""
    return {
        core.names[node]: events.astype(np.int64)
        for node, events in seen.events.items()
        if node in core.names
    }


def expected_of(core: LavaCore, seen: CoreRecord) -> dict[str, Whole]:
    """What the oracle says of a core's run: events of every population, and what leaves.

    Returns:
        As of :func:`events_of`; ``outputs`` as the sums that the chip gives,
        ``(samples, columns)``.
    """
    return {**events_of(core, seen), "outputs": sums_that_leave(core.whole, seen)}


_PACKAGE = '''"""Spiking neurons as Lava processes, each with a fixed and a floating-point model.

Lava imports all files beside a process to find its models: none of them does anything then.
"""
'''

_README = """# A spiking network as Lava processes

Made for lava-nc 0.10. `processes/` has the neurons, each with a fixed-point and a floating-point
model and its equations; synapses are Lava's own `Dense` and `DelayDense`. `runner.py` builds the
network, runs it and compares every event and every output of 16 points with what the compiler's
oracle says of them:

    python runner.py
    python runner.py --tag floating_pt
    python runner.py --samples my.npz --output events.npz

`my.npz` holds `<core>.inputs`, whole numbers `(samples, columns)`, as the host part before the
core gives them. `events.npz` then holds the events of every population, `(samples, steps, units)`,
and `<core>.outputs`, `(samples, columns)`: times `unit` of `program.json` they are what leaves the
core. Where `program.json` has `weight` and `bias` instead, the neurons are Lava's own, and what
leaves is `weight` times the spike rates of the populations `from`, and the inputs, plus `bias`.

Layer after layer runs one chip step later, as every synapse takes a step; the next sample follows
right behind. `<core>.json` lists populations with their depth, and synapses with their delay. A
synapse of more than 8 bits is several, with 8 bits each and an exponent.

`program.json` lists the parts of the program in running order; host parts are ONNX models
(rounding of the inputs, what follows the cores).
"""

_NETX_README = """# A spiking network as netx files

Made for lava-dl 0.6 on lava-nc 0.10. `<core>.net` is HDF5 that `lava.lib.dl.netx.hdf5.Network`
reads: a chain of dense layers of CUBA units without leak. Behind the units of a population stand
relays, which bring biases and initial potentials to the next layer. `runner.py` loads the network,
runs it, and compares every spike of every layer with what the compiler's oracle says of 16 points:

    python runner.py
    python runner.py --samples my.npz --output events.npz

`my.npz` holds `<core>.inputs`, whole numbers `(samples, columns)`, as the host part before the core
gives them. Behind them, the core's input has four channels: 1 and `upper` in every step, 1 and
`upper` in the first step of a sample. Load the network with `reset_interval` = `steps`,
`reset_offset` = 1 and 24 bits of input messages; samples then follow each other without a gap.

What leaves a core is `weight` of `program.json` times the spike rates of the populations `from`,
and the inputs, plus `bias`. `program.json` lists the parts of the program in running order; host
parts are ONNX models.
"""
