"""The program file: what holds a program, and how it is read when nobody vouches for it.

It is one HDF5 file. Its spiking cores are a plain NIR graph that any NIR reader opens; pinnir's own
part is the top-level group ``pinnir/``, which NIR readers ignore: a JSON manifest, host parts and
source network as ONNX, the printed graph after every pass, and cores as programmable neurons run
them, of the codings that have no NIR form.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import msgspec
import nir
import numpy as np
from msgspec.structs import asdict

from pinnir.base.errors import ProgramFileError
from pinnir.base.files import FORMAT, STREAMED_FORMAT, read_file, unseal
from pinnir.base.sandbox import run_isolated
from pinnir.diagnosis.pass_log import PassRecord
from pinnir.frontend.reader import IMPORTERS
from pinnir.ir.graph import Graph, Neuron
from pinnir.ir.placement import StoredPlacement
from pinnir.numerics.matrix import Array
from pinnir.program.file_check import FORMS, GROUP, damaged
from pinnir.program.manifest import FIELDS, read_manifest
from pinnir.program.nir_file import read_nir
from pinnir.program.nir_graph import StoredMap, read_cores
from pinnir.program.nir_weights import Metadata
from pinnir.program.other_formats import refused
from pinnir.program.program import Program
from pinnir.program.segments import Segment
from pinnir.program.streamed_groups import Datasets, streamed_forms
from pinnir.program.writing import seconds_path


def read(path: str | Path) -> Program:
    """Read a program file.

    The seal shows damage; that a sealed file is harmless is found out in a child process.

    Raises:
        ProgramFileError: If it is missing, damaged, or not written by pinnir.
    """
    path = Path(path)
    name, sealed = str(path), read_file(path)
    data = _unsealed(sealed, name)
    check, operators = "pinnir.program.file_check:check", list(IMPORTERS)
    run_isolated(check, name, ProgramFileError, data=data, name=name, operators=operators)
    program = _parse(data, name)
    _try(program, name)
    times = seconds_path(path)
    if times.is_file():
        program = replace(program, seconds=_read_seconds(times, len(program.passes)))
    return program


def _read_seconds(path: Path, count: int) -> tuple[float, ...]:
    try:
        found = tuple(float(item["seconds"]) for item in json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise ProgramFileError(f"{path} is damaged: {error}", hint="delete it") from error
    if len(found) != count:
        raise ProgramFileError(f"{path} belongs to another program", hint="delete it")
    return found


def from_bytes(data: bytes, name: str = "program") -> Program:
    """The program that :meth:`Program.to_bytes` wrote, from bytes that can be trusted.

    Raises:
        ProgramFileError: If the bytes are something else.
    """
    return _parse(_unsealed(data, name), name)


def read_back(program: Program, finite: Array) -> Program:
    """The program with what its file needs, once the file is known to be one that can be read.

    Args:
        program: Complete.
        finite: Points of its domain on which the source network is finite, ``(samples, columns)``.
            The first one is tried and stored if the middle of the domain is no such point.

    Raises:
        ProgramFileError: If what would be written could not be read.
    """
    name = "the compiled program"
    try:
        _try(program, name)
    except ProgramFileError:
        manifest = program.manifest | {"trial": finite[0].tolist()}
        program = replace(program, manifest=manifest)
        _try(program, name)
    _parse(_unsealed(program.to_bytes(), name), name)
    return program


def _unsealed(sealed: bytes, name: str) -> bytes:
    version, data = unseal(sealed, name)
    if version not in (FORMAT, STREAMED_FORMAT):
        raise refused(version, data, name)
    return data


def _parse(data: bytes, name: str) -> Program:
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            parts: dict[str, bytes] = {}
            streamed: dict[str, Datasets] = {}
            for key, item in file[GROUP].items():
                if isinstance(item, h5py.Group):
                    streamed[key] = {name: value[()] for name, value in item.items()}
                else:
                    parts[key] = item[()].tobytes()
            forms = msgspec.json.decode(parts.pop(FORMS, b"{}"), type=dict[str, Metadata])
            nodes, edges = read_nir(file, forms)
            return _assemble(parts, streamed, nodes, edges)
    except ProgramFileError as error:
        raise damaged(name, error) from error
    except Exception as error:  # h5py, nir and json raise anything on damaged files
        raise damaged(name, f"{type(error).__name__}: {error}") from error


def _try(program: Program, name: str) -> None:
    """Run one point for one step: afterwards all shapes and names are known to fit."""
    if program.cores:
        plain = [replace(s, core=_one_step(s.core), streamed=None) for s in program.segments]
        _try_segments(program, plain, name)
    if program.is_streamed:
        streamed = [replace(s, streamed=_one_step(s.streamed)) for s in program.segments]
        _try_segments(program, streamed, name)


def _one_step(core: Graph | None) -> Graph | None:
    return None if core is None else replace(core, steps=1)


def _try_segments(program: Program, segments: Sequence[Segment], name: str) -> None:
    stored = program.manifest.get("trial")
    middle = (program.domain.low + program.domain.high) / 2
    point = middle if stored is None else np.array(stored)
    try:
        with np.errstate(all="ignore"):
            # The oracle: the tables of the default backend would not pay for one point.
            result = replace(program, segments=tuple(segments)).run(point[None], "reference")
    except Exception as error:  # numpy raises anything on arrays that do not fit
        raise damaged(name, f"{type(error).__name__}: {error}") from error
    if not np.isfinite(result.outputs).all():
        raise damaged(name, "its outputs are not finite")


def _assemble(
    parts: Mapping[str, bytes],
    streamed: Mapping[str, Datasets],
    nodes: Mapping[str, StoredMap | nir.NIRNode],
    edges: Sequence[tuple[str, str]],
) -> Program:
    entries: dict[str, Any] = json.loads(parts["manifest"])
    told = read_manifest(entries)
    labels = [label for label, _, _ in told.segments if label not in parts]
    # Next to a streamed form stands a population program, whatever the manifest says of it.
    steps, read_out = (1, "last") if streamed else (told.steps, told.read_out)
    # A program whose neurons are functions of several values has no other form than the streamed.
    alone = bool(streamed) and not nodes
    cores = {} if alone else read_cores(nodes, edges, labels, steps, read_out)
    forms = streamed_forms(streamed, labels, cores)
    segments = tuple(
        Segment(label, inputs, outputs, cores.get(label), parts.get(label), forms.get(label))
        for label, inputs, outputs in told.segments
    )
    if told.placement is not None:
        _check_placement(told.placement, segments)
    texts = [parts[f"pass.{index:02d}"].decode() for index in range(len(told.passes) + 1)]
    passes = zip(told.passes, texts[1:], strict=True)
    return Program(
        segments=segments,
        inputs=told.inputs,
        outputs=told.outputs,
        layouts=told.layouts,
        domain=told.domain.restored(),
        cost=told.cost,
        scales=told.scales,
        manifest={name: value for name, value in entries.items() if name not in FIELDS},
        source=parts.get("source"),
        initial=texts[0],
        passes=tuple(PassRecord(**asdict(one), text=text) for one, text in passes),
    )


def _check_placement(placement: StoredPlacement, segments: Sequence[Segment]) -> None:
    """Whatever is placed is all units of the cores that run."""
    nodes = [n for s in segments if s.running is not None for n in s.running.nodes]
    units = {node.name: node.op.units for node in nodes if isinstance(node.op, Neuron)}
    if placement.units != units:
        raise ProgramFileError("its placement is of other units than the program's")
