"""A program as a folder of Lava processes that needs nothing but Lava.

``processes/`` and ``runner.py`` are the same in every export. The network is in two files a core:
``<core>.json`` says which populations and synapses there are, ``<core>.npz`` holds their arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TypeAlias

import numpy as np

from pinnir.backends.exported_parts import (
    host_files,
    program_json,
    sums_that_leave,
    value_of_sums,
    whole_cores,
)
from pinnir.backends.exported_parts import packed as compressed
from pinnir.backends.lava.network import ChipCore, ChipPopulation, Synapses
from pinnir.backends.recording import CoreRecord, probe_points, record
from pinnir.base.targets import TARGETS
from pinnir.mapping.integer_cores import Whole
from pinnir.program.program import Program

SAMPLES = 16
# What the runner builds a core from: a description as JSON, and arrays by name.
Network: TypeAlias = tuple[dict[str, object], dict[str, Whole]]
# Arrays by name that the oracle has for a core.
Expected: TypeAlias = Callable[[ChipCore, CoreRecord], dict[str, Whole]]
_PROCESSES = (
    "delta_neurons",
    "read_out",
    "recorder",
    "schedule",
    "soft_reset_if",
    "threshold_units",
)


def write(program: Program) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        LegalizeError: If a core has no form there, or its numbers are too large.
    """
    cores = chip_cores(program)
    found = network_files({core.label: network(core) for core in cores})
    found["samples.npz"] = samples_file(program, cores, expected_of)
    units = {core.label: {"unit": value_of_sums(core.whole).tolist()} for core in cores}
    return found | about(program, units)


def about(program: Program, parts: Mapping[str, Mapping[str, object]]) -> dict[str, bytes]:
    """README, host parts, and how everything belongs together.

    Args:
        program: The program.
        parts: What to say of every core, by label.
    """
    told = {label: {"core": label, **part} for label, part in parts.items()}
    found = host_files(program) | {"README.md": _README.encode()}
    found["program.json"] = program_json(program, told, cores=list(parts))
    return found


def chip_cores(program: Program, target: str = "lava") -> list[ChipCore]:
    """The cores on the chip, with the neurons of a target.

    Raises:
        LegalizeError: As :func:`write`.
    """
    found = [ChipCore(label, *core) for label, core in whole_cores(program).items()]
    for one in found:
        one.check(TARGETS[target])
    return found


def samples_file(program: Program, cores: Sequence[ChipCore], expected: Expected) -> bytes:
    """What enters every core at some points, and what is then expected of it."""
    records = record(program, probe_points(program, SAMPLES))
    pairs = list(zip(cores, records, strict=True))
    found = by_name(pairs, inputs_of) | by_name(pairs, expected)
    return packed({name: values[:SAMPLES] for name, values in found.items()})


def by_name(pairs: Iterable[tuple[ChipCore, CoreRecord]], values_of: Expected) -> dict[str, Whole]:
    """Arrays of all cores, as the runner calls them."""
    return {
        f"{core.label}.{name}": values
        for core, seen in pairs
        for name, values in values_of(core, seen).items()
    }


def network_files(networks: Mapping[str, Network]) -> dict[str, bytes]:
    """The processes, what runs them, and the networks of some cores, by label."""
    own = files("pinnir.backends.lava") / "exported"
    found = {name: (own / name).read_bytes() for name in ("runner.py", "checking.py")}
    found["processes/__init__.py"] = _PACKAGE.encode()
    for name in _PROCESSES:
        found[f"processes/{name}.py"] = (own / "processes" / f"{name}.py").read_bytes()
    for label, (told, arrays) in networks.items():
        found[f"{label}.json"] = (json.dumps(told, indent=1) + "\n").encode()
        found[f"{label}.npz"] = packed(arrays)
    return found


def network(core: ChipCore) -> Network:
    """A core on our own processes."""
    told, arrays = described(core, core.populations(), core.synapses())
    told |= {"stock": False, "period": core.period, "streams": core.streams}
    return told, arrays


def described(
    core: ChipCore, found: Iterable[ChipPopulation], between: Iterable[Synapses]
) -> Network:
    """Populations and synapses as the runner reads them."""
    arrays: dict[str, Whole] = {}
    synapses, populations = [], []
    for number, one in enumerate(between):
        arrays[f"w{number}"] = one.weights
        synapses.append({
            "source": one.source, "target": one.target, "weights": f"w{number}",
            "exponent": one.exponent, "delay": one.delay, "graded": one.graded,
            "constant": one.constant,
        })  # fmt: skip
    nodes = {name: node.name for node, name in core.names.items()}
    for population in found:
        arrays |= {f"{population.name}.{n}": values for n, values in population.arrays.items()}
        populations.append({
            "name": population.name, "node": nodes.get(population.name, population.name),
            "model": population.model, "depth": population.depth,
            "arrays": list(population.arrays), "settings": population.settings,
        })  # fmt: skip
    told: dict[str, object] = {"steps": core.steps, "populations": populations}
    return told | {"synapses": synapses}, arrays


def packed(arrays: Mapping[str, Whole]) -> bytes:
    """Arrays as an ``.npz`` file in the narrowest integers; the same arrays give the same bytes."""
    return compressed({name: values.astype(_kind(values)) for name, values in arrays.items()})


def _kind(values: Whole) -> np.dtype[np.signedinteger]:
    low, high = values.min(initial=0), values.max(initial=0)
    kinds = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))
    return next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)


def entering(seen: CoreRecord) -> Whole:
    """What entered a core, whole numbers ``(samples, columns)``."""
    return np.asarray(np.rint(seen.inputs), np.int64)


def inputs_of(core: ChipCore, seen: CoreRecord) -> dict[str, Whole]:
    """What entered a core, as the runner takes it."""
    return {"inputs": entering(seen)}


def events_of(core: ChipCore, seen: CoreRecord) -> dict[str, Whole]:
    """The oracle's events of every population, ``(samples, steps, units)``, by its name."""
    return {
        core.names[node]: events.astype(np.int64)
        for node, events in seen.events.items()
        if node in core.names
    }


def expected_of(core: ChipCore, seen: CoreRecord) -> dict[str, Whole]:
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
