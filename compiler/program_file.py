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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from pinnir.domain import Domain
from pinnir.emit import from_nir, to_nir
from pinnir.errors import ProgramFileError
from pinnir.files import FORMAT, STREAMED_FORMAT, read_file, seal, unseal, write_atomic
from pinnir.frontend.reader import IMPORTERS
from pinnir.ir import Neuron
from pinnir.isolate import run_isolated
from pinnir.manifest import check_manifest
from pinnir.metrics import SourceCost
from pinnir.observe import PassRecord
from pinnir.program import Program
from pinnir.program_check import GROUP
from pinnir.segments import Segment
from pinnir.stored import STREAMED, Datasets, streamed_forms, write_core


def write(program: Program, path: Path) -> None:
    """Write a program file, completely or not at all, and its seconds beside it.

    Raises:
        ProgramFileError: If the file cannot be written.
    """
    write_atomic(path, contents(program))
    seconds_path(path).unlink(missing_ok=True)  # it would be another program's
    if program.seconds:
        named = [
            {"pass": record.call, "seconds": round(seconds, 6)}
            for record, seconds in zip(program.passes, program.seconds, strict=True)
        ]
        write_atomic(seconds_path(path), (json.dumps(named, indent=1) + "\n").encode())


def contents(program: Program) -> bytes:
    """What the file holds, sealed."""
    buffer = io.BytesIO()
    cores = {s.label: s.core for s in program.segments if s.core is not None}
    nir.write(buffer, to_nir(cores))
    with h5py.File(buffer, "r+") as file:
        group = file.create_group(GROUP)
        _put(group, "manifest", json.dumps(_told(program), sort_keys=True).encode())
        if program.source is not None:
            _put(group, "source", program.source)
        for segment in program.segments:
            if segment.host is not None:
                _put(group, segment.label, segment.host)
        for index, text in enumerate([program.initial, *(p.text for p in program.passes)]):
            _put(group, f"pass.{index:02d}", text.encode())
        for segment in program.segments:
            if segment.streamed is not None:
                write_core(group.create_group(STREAMED + segment.label), segment.streamed)
    return seal(buffer.getvalue(), STREAMED_FORMAT if program.is_streamed else FORMAT)


def _told(program: Program) -> dict[str, Any]:
    passes = [{k: v for k, v in asdict(p).items() if k != "text"} for p in program.passes]
    return program.manifest | {
        "segments": [[s.label, s.inputs, s.outputs] for s in program.segments],
        "inputs": program.inputs,
        "outputs": program.outputs,
        "layouts": program.layouts,
        "domain": [
            program.domain.columns,
            program.domain.low.tolist(),
            program.domain.high.tolist(),
            program.domain.axes,
        ],
        "cost": asdict(program.cost),
        "passes": passes,
    }


def _put(group: h5py.Group, name: str, data: bytes) -> None:
    group.create_dataset(name, data=np.frombuffer(data, np.uint8), compression="gzip")


def seconds_path(path: str | Path) -> Path:
    """Where the wall-clock times of a program file are kept."""
    return Path(f"{path}.seconds.json")


def read(path: str | Path) -> Program:
    """Read a program file.

    The seal shows damage; that a sealed file is harmless is found out in a child process.

    Raises:
        ProgramFileError: If it is missing, damaged, or not written by pinnir.
    """
    path = Path(path)
    name, sealed = str(path), read_file(path)
    data = unseal(sealed, name)
    run_isolated(
        "pinnir.program_check:check", name, ProgramFileError,
        data=data, name=name, operators=list(IMPORTERS),
    )  # fmt: skip
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
    return _parse(unseal(data, name), name)


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
        return _assemble(parts, streamed, nir.read(io.BytesIO(data)))
    except ProgramFileError as error:
        raise ProgramFileError(f"{name} is damaged ({error})", hint="compile it again") from error
    except Exception as error:  # h5py, nir and json raise anything on damaged files
        raise ProgramFileError(
            f"{name} is damaged ({type(error).__name__}: {error})", hint="compile it again"
        ) from error


def _try(program: Program, name: str) -> None:
    """Run one point for one step: afterwards all shapes and names are known to fit."""
    plain = tuple(
        s if s.core is None else replace(s, core=replace(s.core, steps=1), streamed=None)
        for s in program.segments
    )
    streamed = tuple(
        s if s.streamed is None else replace(s, streamed=replace(s.streamed, steps=1))
        for s in program.segments
    )
    forms = ([plain] if program.cores else []) + ([streamed] if program.is_streamed else [])
    for segments in forms:
        _try_segments(replace(program, segments=segments), name)


def _try_segments(program: Program, name: str) -> None:
    middle = (program.domain.low + program.domain.high) / 2
    try:
        with np.errstate(all="ignore"):
            result = program.run(middle[None])
    except Exception as error:  # numpy raises anything on arrays that do not fit
        raise ProgramFileError(
            f"{name} is damaged ({type(error).__name__}: {error})", hint="compile it again"
        ) from error
    if not np.isfinite(result.outputs).all():
        raise ProgramFileError(
            f"{name} is damaged (its outputs are not finite)", hint="compile it again"
        )


def _assemble(
    parts: Mapping[str, bytes], streamed: Mapping[str, Datasets], graph: nir.NIRGraph
) -> Program:
    told: dict[str, Any] = json.loads(parts["manifest"])
    check_manifest(told)
    listed = told.pop("segments")
    labels = [label for label, _, _ in listed if label not in parts]
    # Next to a streamed form stands a population program, whatever the manifest says of it.
    steps, read_out = (1, "last") if streamed else (told["steps"], told["read_out"])
    # A program whose neurons are functions of several values has no other form than the streamed.
    alone = bool(streamed) and not graph.nodes
    cores = {} if alone else from_nir(graph, labels, steps, read_out)
    forms = streamed_forms(streamed, labels, cores)
    segments = tuple(
        Segment(
            label, tuple(inputs), tuple(outputs), cores.get(label), parts.get(label),
            forms.get(label),
        )
        for label, inputs, outputs in listed
    )  # fmt: skip
    _check_placement(told, segments)
    columns, low, high, axes = told.pop("domain")
    passes = told.pop("passes")
    texts = [parts[f"pass.{index:02d}"].decode() for index in range(len(passes) + 1)]
    return Program(
        segments=segments,
        inputs=tuple((name, size) for name, size in told.pop("inputs")),
        outputs=tuple(told.pop("outputs")),
        layouts={
            name: tuple(tuple(dim) if isinstance(dim, list) else dim for dim in layout)
            for name, layout in told.pop("layouts").items()
        },
        domain=Domain(
            tuple(columns), np.array(low, np.float64), np.array(high, np.float64), tuple(axes)
        ),
        cost=SourceCost(**told.pop("cost")),
        manifest=told,
        source=parts.get("source"),
        initial=texts[0],
        passes=tuple(PassRecord(**p, text=t) for p, t in zip(passes, texts[1:], strict=True)),
    )


def _check_placement(told: Mapping[str, Any], segments: Sequence[Segment]) -> None:
    """Whatever is placed is all units of the cores that run."""
    if told.get("placement") is None:
        return
    nodes = [n for s in segments if s.running is not None for n in s.running.nodes]
    units = {node.name: node.op.units for node in nodes if isinstance(node.op, Neuron)}
    placed = {
        name: sum(count for _, count in runs) for name, runs in told["placement"]["cores"].items()
    }
    if placed != units:
        raise ProgramFileError("its placement is of other units than the program's")
