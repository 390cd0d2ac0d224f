"""Write the program file; what it holds is said in ``reading.py``."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from pinnir.base.files import FORMAT, STREAMED_FORMAT, seal, write_atomic
from pinnir.base.hdf5 import WRITTEN_FOR, Writer
from pinnir.program.file_check import FORMS, GROUP
from pinnir.program.nir_file import write_nir
from pinnir.program.segments import Segment
from pinnir.program.streamed_groups import STREAMED, write_core


def contents(
    manifest: Mapping[str, Any],
    segments: Sequence[Segment],
    source: bytes | None,
    texts: Sequence[str],
) -> bytes:
    """What the file of a program holds, sealed.

    Args:
        manifest: As JSON values, complete.
        segments: In running order.
        source: The source network as ONNX, if it is kept.
        texts: The printed graph before the first pass and after every pass.
    """
    buffer = io.BytesIO()
    streamed = [(s.label, s.streamed) for s in segments if s.streamed is not None]
    with h5py.File(buffer, "w", libver=WRITTEN_FOR) as file:
        writer = Writer()
        cores = {s.label: s.core for s in segments if s.core is not None}
        forms = write_nir(file, cores, writer)
        group = file.create_group(GROUP)
        writer.put(group, FORMS, json.dumps(forms, sort_keys=True).encode())
        writer.put(group, "manifest", json.dumps(manifest, sort_keys=True).encode())
        if source is not None:
            writer.put(group, "source", source)
        for segment in segments:
            if segment.host is not None:
                writer.put(group, segment.label, segment.host)
        for index, text in enumerate(texts):
            writer.put(group, f"pass.{index:02d}", text.encode())
        for label, core in streamed:
            write_core(group.create_group(STREAMED + label), core, writer)
    return seal(buffer.getvalue(), STREAMED_FORMAT if streamed else FORMAT)


def write_seconds(path: Path, seconds: Sequence[tuple[str, float]]) -> None:
    """Keep wall-clock times of passes beside a program file, in the place of older ones."""
    seconds_path(path).unlink(missing_ok=True)  # it would be another program's
    if seconds:
        named = [{"pass": call, "seconds": round(took, 6)} for call, took in seconds]
        write_atomic(seconds_path(path), (json.dumps(named, indent=1) + "\n").encode())


def seconds_path(path: str | Path) -> Path:
    """Where the wall-clock times of a program file are kept."""
    return Path(f"{path}.seconds.json")
