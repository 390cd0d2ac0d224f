"""What every exported folder has beside its cores: host parts, and how parts belong together."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.recording import CoreRecord, populations, probe_points, record
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import Target
from pinnir.ir.graph import kind_of
from pinnir.mapping.integer_cores import IntegerCore, Whole, bits_of, check_range, integer_core
from pinnir.neurons.start_units import is_start
from pinnir.numerics.matrix import Array
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.quantise_inputs import largest_input
from pinnir.program.program import Program

Arrays: TypeAlias = dict[str, NDArray[Any]]
# What is said of cores in ``program.json``, by the label of their segment.
Rows: TypeAlias = Mapping[str, Mapping[str, object]]
# A core as a target's tools take it.
Network = TypeVar("Network")
# Points whose events an exported folder holds.
SAMPLES = 16


@dataclass(frozen=True, eq=False)
class ExportedCore:
    """A core that an export holds.

    Attributes:
        label: Of its segment.
    """

    label: str

    @property
    def name(self) -> str:
        """What its file is called, without its suffix."""
        return self.label.replace(".", "_")

    @property
    def prefix(self) -> str:
        """What the names of its arrays begin with."""
        return f"{self.name}/"


@dataclass(frozen=True, eq=False)
class NetworkCore(ExportedCore, Generic[Network]):
    """A core and its network on a chip.

    Attributes:
        whole: The core in whole numbers.
        network: What is written.
    """

    whole: IntegerCore
    network: Network

    @property
    def row(self) -> dict[str, object]:
        """What ``program.json`` says of it: its file, and what its sums are worth."""
        return {"file": f"{self.name}.npz", "unit": value_of_sums(self.whole).tolist()}


Core = TypeVar("Core", bound=ExportedCore)


def packed(arrays: Arrays) -> bytes:
    """Arrays as an npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def core_file(arrays: Arrays, told: Mapping[str, object]) -> bytes:
    """A core's arrays as an npz file, with what else there is to say as JSON in ``told``."""
    return packed({**arrays, "told": np.frombuffer(json.dumps(told).encode(), np.uint8)})


def folder_files(
    program: Program,
    backend: str,
    readme: str,
    rows: Rows,
    scripts: Iterable[str] = ("runner.py",),
    **more: object,
) -> dict[str, bytes]:
    """What a folder holds beside its cores: README, scripts, ``program.json``, host parts as ONNX.

    Args:
        program: The program.
        backend: Whose folder ``exported/`` holds the scripts.
        readme: The README's text.
        rows: What ``program.json`` says of every core.
        scripts: Names of the scripts.
        **more: What ``program.json`` says of the program besides.
    """
    own = files(f"pinnir.backends.{backend}") / "exported"
    found = {name: own.joinpath(name).read_bytes() for name in scripts}
    found["README.md"] = readme.encode()
    found["program.json"] = _program_json(program, rows, more)
    return found | {f"{s.label}.onnx": s.host for s in program.segments if s.host is not None}


def _program_json(program: Program, rows: Rows, more: Mapping[str, object]) -> bytes:
    """The parts in running order, with what they take and give."""
    segments = [
        {"inputs": s.inputs, "outputs": s.outputs, **rows.get(s.label, {"file": f"{s.label}.onnx"})}
        for s in program.segments
    ]
    told = {
        "inputs": program.inputs,
        "outputs": program.outputs,
        "segments": segments,
        "layouts": program.layouts,
        "domain": str(program.domain),
        **more,
    }
    return (json.dumps(told, indent=1) + "\n").encode()


def recorded_samples(program: Program) -> list[CoreRecord]:
    """What every core does at the points whose events a folder holds."""
    return [
        replace(
            one,
            inputs=one.inputs[:SAMPLES],
            events={node: events[:SAMPLES] for node, events in one.events.items()},
            outputs=one.outputs[:SAMPLES],
        )
        for one in record(program, probe_points(program, SAMPLES))
    ]


def gathered(
    values_of: Callable[[Core, CoreRecord], Arrays],
    cores: Iterable[Core],
    records: Iterable[CoreRecord],
) -> Arrays:
    """Arrays of all cores by name, each core's behind its prefix."""
    return {
        f"{core.prefix}{name}": values
        for core, seen in zip(cores, records, strict=True)
        for name, values in values_of(core, seen).items()
    }


def whole_cores(program: Program) -> dict[str, tuple[IntegerCore, float]]:
    """Every core in whole numbers, and the largest magnitude of what enters, by label.

    Raises:
        LegalizeError: If the program is not in integers.
    """
    text = program.manifest["pipeline"]  # empty where no passes made the program
    largest = largest_input(parse_pipeline(text) if text else ())
    return {
        segment.label: (integer_core(segment.running, largest), largest)
        for segment in program.segments
        if segment.running is not None
    }


def network_cores(
    program: Program, network: Callable[[IntegerCore, float], Network]
) -> list[NetworkCore[Network]]:
    """Every core with its network.

    Args:
        program: The program.
        network: Makes it from a core and the largest magnitude of what enters.

    Raises:
        LegalizeError: If the program is not in integers, or a core has no such network.
    """
    cores = whole_cores(program).items()
    return [NetworkCore(label, whole, network(whole, most)) for label, (whole, most) in cores]


def check_core(whole: IntegerCore, target: Target) -> int:
    """Find out whether a target has all neurons of a core, and its integers hold every sum.

    Start units need not be there: chips are told the initial potentials that they stand for.

    Returns:
        Bits of a sum.

    Raises:
        LegalizeError: If not.
    """
    for node in populations(whole.core):
        kind = kind_of(node)
        if kind not in target.neurons and not is_start(node, whole.core.users[node]):
            problem = f"target {target.name} has no {kind} neurons"
            raise node.error(LegalizeError, problem, f"compile with --target {target.name}")
    return check_sums(whole, target)


def check_sums(whole: IntegerCore, target: Target) -> int:
    """Find out whether a target's integers hold every sum; as :func:`check_core`."""
    assert target.integers is not None
    check_range(whole, target.integers)
    return target.integers.state_bits


def sums_that_leave(whole: IntegerCore, seen: CoreRecord) -> Whole:
    """What left a core, as the whole sums that a target gives, ``(samples, outputs)``.

    Of a mean over the steps it is the sum over them.
    """
    return np.asarray(np.rint(seen.outputs / value_of_sums(whole)), np.int64)


def value_of_sums(whole: IntegerCore) -> Array:
    """What one of :func:`sums_that_leave` is worth, ``(outputs,)``."""
    steps = whole.core.steps if whole.core.read_out == "mean" else 1
    return np.asarray(np.concatenate([one.unit for one in whole.leaving]) / steps)


def narrowest(values: Whole) -> int:
    """Bits of the narrowest machine integer that holds these."""
    return next(bits for bits in (8, 16, 32, 64) if bits >= bits_of(values))


def hard_reset_errors(program: Program) -> dict[str, float]:
    """Relative L2 errors before the pass ``hard-reset`` and behind it, if the program needed it."""
    found: dict[str, float] = {}
    for done in program.passes:
        if done.name == "hard-reset":
            found["rel_l2_soft_reset"] = done.error_before
            found["rel_l2_hard_reset"] = done.error_after
    return found
