"""What every exported folder has beside its cores: host parts, and how parts belong together."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.program import Program

Arrays: TypeAlias = dict[str, NDArray[np.generic]]


def file_name(label: str) -> str:
    """What the file of a segment's core is called, without its suffix."""
    return label.replace(".", "_")


def packed(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Arrays as an npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def host_files(program: Program) -> dict[str, bytes]:
    """Host parts as ONNX models, by file name."""
    return {f"{s.label}.onnx": s.host for s in program.segments if s.host is not None}


def program_json(program: Program, cores: Mapping[str, Mapping[str, object]]) -> bytes:
    """``program.json``: the parts in running order, with what they take and give.

    Args:
        program: The program.
        cores: What is to be said of every core, by the label of its segment.
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
    }
    return (json.dumps(told, indent=1) + "\n").encode()
