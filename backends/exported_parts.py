"""What every exported folder has beside its cores: host parts, and how parts belong together."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.recording import CoreRecord
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import Target
from pinnir.ir.graph import Neuron
from pinnir.mapping.integer_cores import Whole, WholeCore, whole_core
from pinnir.neurons.start_units import is_start
from pinnir.numerics.matrix import Array
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.quantise_inputs import largest_input
from pinnir.program.program import Program

Arrays: TypeAlias = dict[str, NDArray[np.generic]]
# A core as a chip's tools take it.
Network = TypeVar("Network")


def packed(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Arrays as an npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def host_files(program: Program) -> dict[str, bytes]:
    """Host parts as ONNX models, by file name."""
    return {f"{s.label}.onnx": s.host for s in program.segments if s.host is not None}


def whole_cores(program: Program) -> dict[str, tuple[WholeCore, float]]:
    """Every core in whole numbers, and the largest magnitude of what enters, by label.

    Raises:
        LegalizeError: If the program is not in integers.
    """
    text = program.manifest["pipeline"]  # empty where no passes made the program
    largest = largest_input(parse_pipeline(text) if text else ())
    return {
        segment.label: (whole_core(segment.running, largest), largest)
        for segment in program.segments
        if segment.running is not None
    }


def check_neurons(whole: WholeCore, target: Target) -> None:
    """Find out whether a target has all neurons of a core.

    Start units need not be there: chips are told the initial potentials that they stand for.

    Raises:
        LegalizeError: If not.
    """
    core = whole.core
    for node in core.nodes:
        kind = type(node.op).__name__
        known = not isinstance(node.op, Neuron) or kind in target.neurons
        if not (known or is_start(node, core.users[node])):
            raise LegalizeError(
                f"target {target.name} has no {kind} neurons",
                node=node.name,
                op=kind,
                hint=f"compile with --target {target.name}",
            )


@dataclass(frozen=True, eq=False)
class WrittenCore(Generic[Network]):
    """A core and its network on a chip.

    Attributes:
        label: Of its segment.
        whole: The core in whole numbers.
        network: What is written.
    """

    label: str
    whole: WholeCore
    network: Network

    @property
    def name(self) -> str:
        """What its file is called, without its suffix."""
        return self.label.replace(".", "_")


def core_rows(cores: Sequence[WrittenCore[Network]]) -> dict[str, dict[str, object]]:
    """What ``program.json`` says of cores: their file, and what their sums are worth."""
    return {
        core.label: {"file": f"{core.name}.npz", "unit": value_of_sums(core.whole).tolist()}
        for core in cores
    }


def sums_that_leave(whole: WholeCore, seen: CoreRecord) -> Whole:
    """What left a core, as the whole sums that a target gives, ``(samples, outputs)``.

    Of a mean over the steps it is the sum over them.
    """
    return np.asarray(np.rint(seen.outputs / value_of_sums(whole)), np.int64)


def value_of_sums(whole: WholeCore) -> Array:
    """What one of :func:`sums_that_leave` is worth, ``(outputs,)``."""
    steps = whole.core.steps if whole.core.read_out == "mean" else 1
    unit: Array = np.concatenate([one.unit for one in whole.leaving]) / steps
    return unit


def hard_reset_errors(program: Program) -> dict[str, float]:
    """Relative L2 errors before the pass ``hard-reset`` and behind it, if the program needed it."""
    found = [done for done in program.passes if done.name == "hard-reset"]
    return {
        key: error
        for done in found
        for key, error in (
            ("rel_l2_soft_reset", done.error_before),
            ("rel_l2_hard_reset", done.error_after),
        )
    }


def program_json(
    program: Program, cores: Mapping[str, Mapping[str, object]], /, **more: object
) -> bytes:
    """``program.json``: the parts in running order, with what they take and give.

    Args:
        program: The program.
        cores: What is to be said of every core, by the label of its segment.
        **more: What is to be said of the program besides.
    """
    rows: list[dict[str, object]] = []
    for segment in program.segments:
        row: dict[str, object] = {"inputs": segment.inputs, "outputs": segment.outputs}
        row |= cores.get(segment.label, {"file": f"{segment.label}.onnx"})
        rows.append(row)
    told = {
        "inputs": program.inputs,
        "outputs": program.outputs,
        "segments": rows,
        "layouts": program.layouts,
        "domain": str(program.domain),
        **more,
    }
    return (json.dumps(told, indent=1) + "\n").encode()
