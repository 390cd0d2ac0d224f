"""The compiled artefact: segments that run one after the other, and the file that holds them.

A program file is one HDF5 file. Its spiking core is a plain NIR graph that any NIR reader opens;
pinnir's own part is the top-level group ``pinnir/``, which NIR readers ignore: a JSON manifest,
host parts and source network as ONNX, and the printed graph after every pass.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from threadpoolctl import threadpool_limits

from pinnir.backends import Backend, find_backend
from pinnir.domain import Domain
from pinnir.emit import from_nir, safe_names, to_nir
from pinnir.errors import LegalizeError, ProgramFileError
from pinnir.host import to_onnx
from pinnir.ir import Array, Constant, Graph, Input, Neuron, Node, split_columns
from pinnir.metrics import (
    SourceCost,
    SpikeCounter,
    field_errors,
    layer_rates,
    program_size,
    reference_errors,
    spike_costs,
)
from pinnir.observe import PassRecord
from pinnir.onnx_runner import OnnxRunner

FORMAT = 1
_GROUP = "pinnir"
# Values that the widest population may hold for one chunk of points: memory stays flat, and what
# one layer writes is still in the cache when the next one reads it.
_CHUNK_VALUES = 2**19


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a program: a spiking core or a host part.

    Attributes:
        label: ``host.0``, ``core.1``, ...; segments run in this order.
        inputs: Names of the values it takes.
        outputs: Names of the values it gives.
        core: The spiking graph, if it is a core.
        host: The ONNX model, if it is a host part.
    """

    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    core: Graph | None = None
    host: bytes | None = None


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run gives.

    Attributes:
        outputs: ``(samples, outputs)``.
        source: The source network's outputs on the same points, where the program carries it.
        spikes: Spikes of every unit over all points and steps, by population.
        layers: Units, spikes per point and spiking rate of each population.
        metrics: The figures of ``metrics.py`` over these points.
    """

    outputs: Array
    source: Array | None
    spikes: dict[str, Array]
    layers: dict[str, dict[str, float]]
    metrics: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Program:
    """A spiking program.

    Attributes:
        segments: In running order.
        inputs: The model's inputs as ``(name, columns)``.
        outputs: Names of the output values.
        domain: What it was compiled for.
        cost: Cost of the source network.
        manifest: Everything else that is said about the program, as JSON values.
        source: The source network as ONNX, or None if it was stripped.
        initial: The printed graph before the first pass.
        passes: What each pass did.
        seconds: Wall-clock seconds per pass, if known; not part of the file.
    """

    segments: tuple[Segment, ...]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    domain: Domain
    cost: SourceCost
    manifest: dict[str, Any]
    source: bytes | None = None
    initial: str = ""
    passes: tuple[PassRecord, ...] = ()
    seconds: tuple[float, ...] = field(default=())

    def __repr__(self) -> str:
        told = self.manifest
        error = self.metrics.get("rel_l2")
        return (
            f"<Program {told.get('coding')} for {told.get('target')}: "
            f"{self.metrics.get('neurons')} neurons, {told.get('steps')} steps"
            + (f", rel_l2 {error:.2e}>" if error is not None else ">")
        )

    @property
    def cores(self) -> list[Graph]:
        """The spiking cores, in running order."""
        return [segment.core for segment in self.segments if segment.core is not None]

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured on the evaluation points when the program was compiled."""
        measured: dict[str, Any] = self.manifest.get("metrics", {})
        return measured

    def run(
        self,
        points: Array,
        backend: str = "reference",
        *,
        reference: Array | None = None,
    ) -> RunResult:
        """Run the program on points of its domain.

        Args:
            points: ``(samples, columns)``.
            backend: Name in the BACKENDS table.
            reference: Reference solution on these points, ``(samples, outputs)``, to measure
                against as well.

        Raises:
            DomainError: If the points do not fit the domain.
            BackendError: If the backend is unknown, not installed, or fails.
        """
        points = self.domain.check(points, "points")
        counter = SpikeCounter()
        # One thread: sums have one order on every machine, and layers are too small to share.
        with threadpool_limits(1):
            outputs = self._execute(points, find_backend(backend), counter)
        source = None if self.source is None else run_source(self.source, points, self.inputs)
        metrics: dict[str, Any] = {"points": len(points), "backend": backend}
        if source is not None:
            metrics |= field_errors(outputs, source)
        if reference is not None:
            metrics |= reference_errors(outputs, source, reference)
        metrics |= program_size(self.cores)
        metrics |= spike_costs(self.cores, counter.spikes, len(points), self.cost)
        layers = layer_rates(self.cores, counter.spikes, len(points))
        return RunResult(outputs, source, counter.spikes, layers, metrics)

    def _execute(self, points: Array, backend: Backend, counter: SpikeCounter) -> Array:
        steps = {
            s.label: OnnxRunner(s.host, f"host part {s.label}")
            if s.host is not None
            else _core_step(backend, s, counter)
            for s in self.segments
        }
        size = self._chunk()
        chunks = []
        for first in range(0, len(points), size):
            values = split_columns(points[first : first + size], self.inputs)
            for segment in self.segments:
                given = steps[segment.label]([values[name] for name in segment.inputs])
                values |= dict(zip(segment.outputs, given, strict=True))
            chunks.append(np.concatenate([values[name] for name in self.outputs], axis=1))
        return np.concatenate(chunks)

    def _chunk(self) -> int:
        units = [n.op.units for core in self.cores for n in core.nodes if isinstance(n.op, Neuron)]
        return int(np.clip(_CHUNK_VALUES // max(units, default=1), 16, 8192))

    def save(self, path: str | Path) -> None:
        """Write the program file, completely or not at all.

        The same program gives the same bytes. Wall-clock times, which differ from run to run, go
        to ``<path>.seconds.json`` beside it.

        Raises:
            ProgramFileError: If the file cannot be written.
        """
        write_atomic(Path(path), self.to_bytes())
        seconds_path(path).unlink(missing_ok=True)  # it would be another program's
        if self.seconds:
            named = [
                {"pass": record.call, "seconds": round(seconds, 6)}
                for record, seconds in zip(self.passes, self.seconds, strict=True)
            ]
            write_atomic(seconds_path(path), (json.dumps(named, indent=1) + "\n").encode())

    def dump(self, folder: str | Path) -> None:
        """Write the printed graph after the frontend and after every pass to ``NN-name.txt``.

        Raises:
            ProgramFileError: If the folder cannot be made or written.
        """
        folder = Path(folder)
        check_writable(folder / "dump", make_folder=True)
        named = [("frontend", self.initial), *((p.name, p.text) for p in self.passes)]
        for index, (name, text) in enumerate(named):
            write_atomic(folder / f"{index:02d}-{name}.txt", text.encode())

    def to_bytes(self) -> bytes:
        """The program file's contents."""
        buffer = io.BytesIO()
        (core,) = self.cores
        nir.write(buffer, to_nir(core))
        with h5py.File(buffer, "r+") as file:
            group = file.create_group(_GROUP)
            _put(group, "manifest", json.dumps(self._told(), sort_keys=True).encode())
            if self.source is not None:
                _put(group, "source", self.source)
            for segment in self.segments:
                if segment.host is not None:
                    _put(group, segment.label, segment.host)
            for index, text in enumerate([self.initial, *(p.text for p in self.passes)]):
                _put(group, f"pass.{index:02d}", text.encode())
        return buffer.getvalue()

    def _told(self) -> dict[str, Any]:
        passes = [{k: v for k, v in asdict(p).items() if k != "text"} for p in self.passes]
        return self.manifest | {
            "format": FORMAT,
            "segments": [[s.label, s.inputs, s.outputs] for s in self.segments],
            "inputs": self.inputs,
            "outputs": self.outputs,
            "domain": [self.domain.columns, self.domain.low.tolist(), self.domain.high.tolist()],
            "cost": asdict(self.cost),
            "passes": passes,
        }


def _core_step(backend: Backend, segment: Segment, counter: SpikeCounter) -> Any:
    assert segment.core is not None
    run_core = backend.load(segment.core)
    return lambda inputs: [run_core(inputs[0], counter)]


def _put(group: h5py.Group, name: str, data: bytes) -> None:
    group.create_dataset(name, data=np.frombuffer(data, np.uint8), compression="gzip")


def seconds_path(path: str | Path) -> Path:
    """Where the wall-clock times of a program file are kept."""
    return Path(f"{path}.seconds.json")


def check_writable(path: Path, *, make_folder: bool = False) -> None:
    """Find out before the work whether a file can be written.

    Raises:
        ProgramFileError: If it cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ProgramFileError(
            f"cannot write {path}: {error.strerror}", hint="give a writable path"
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there completely or not at all.

    Raises:
        ProgramFileError: If that fails.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise ProgramFileError(
                f"cannot write {path}: {error.strerror}", hint="give a writable path"
            ) from error
        raise


def read(path: str | Path) -> Program:
    """Read a program file.

    Raises:
        ProgramFileError: If it is missing, damaged, or not written by pinnir.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProgramFileError(
            f"cannot read the program file {path}: {error.strerror}",
            hint="compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir",
        ) from error
    program = from_bytes(data, str(path))
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
    """The program that :meth:`Program.to_bytes` wrote.

    Raises:
        ProgramFileError: If the bytes are something else.
    """
    try:
        parts = _read_parts(data, name)
        graph = nir.read(io.BytesIO(data))
        return _assemble(parts, graph)
    except ProgramFileError:
        raise
    except Exception as error:  # h5py, nir and json raise anything on damaged files
        raise ProgramFileError(
            f"{name} is damaged ({type(error).__name__}: {error})", hint="compile it again"
        ) from error


def _read_parts(data: bytes, name: str) -> dict[str, bytes]:
    try:
        file = h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        raise ProgramFileError(
            f"{name} is not a program file (no readable HDF5)",
            hint="give a .nir file that pinnir compile wrote",
        ) from error
    with file:
        if _GROUP not in file:
            raise ProgramFileError(
                f"{name} was not written by pinnir: it has no group '{_GROUP}'",
                hint="pinnir runs its own programs; read plain NIR files with nir.read",
            )
        return {key: item[()].tobytes() for key, item in file[_GROUP].items()}


def _assemble(parts: Mapping[str, bytes], graph: nir.NIRGraph) -> Program:
    told: dict[str, Any] = json.loads(parts["manifest"])
    if told.pop("format") != FORMAT:
        raise ProgramFileError(
            "the file has another format version", hint="compile it again with this pinnir"
        )
    core = from_nir(graph, told["steps"], told["read_out"])
    segments = tuple(
        Segment(label, tuple(inputs), tuple(outputs), host=parts[label])
        if label in parts
        else Segment(label, tuple(inputs), tuple(outputs), core=core)
        for label, inputs, outputs in told.pop("segments")
    )
    columns, low, high = told.pop("domain")
    passes = told.pop("passes")
    texts = [parts[f"pass.{index:02d}"].decode() for index in range(len(passes) + 1)]
    return Program(
        segments=segments,
        inputs=tuple((name, size) for name, size in told.pop("inputs")),
        outputs=tuple(told.pop("outputs")),
        domain=Domain(tuple(columns), np.array(low), np.array(high)),
        cost=SourceCost(**told.pop("cost")),
        manifest=told,
        source=parts.get("source"),
        initial=texts[0],
        passes=tuple(PassRecord(**p, text=t) for p, t in zip(passes, texts[1:], strict=True)),
    )


def run_source(source: bytes, points: Array, inputs: tuple[tuple[str, int], ...]) -> Array:
    """The source network's outputs on points, all outputs side by side."""
    columns = split_columns(points, inputs)
    runner = OnnxRunner(source, "source network")
    return np.concatenate(runner([columns[name] for name in runner.input_names]), axis=1)


def build_segments(graph: Graph, dtype: str) -> tuple[Segment, ...]:
    """Cut a legal spiking graph into segments.

    Raises:
        LegalizeError: If a core has several inputs or outputs.
    """
    return tuple(_segment(graph, label, nodes, dtype) for label, nodes in graph.segments.items())


def _segment(graph: Graph, label: str, nodes: tuple[Node, ...], dtype: str) -> Segment:
    inside = set(nodes)
    entering = tuple(
        dict.fromkeys(
            operand
            for node in nodes
            for operand in node.operands
            if operand not in inside and not isinstance(operand.op, Constant)
        )
    )
    leaving = tuple(node for node in nodes if graph.leaves(node))
    names = tuple(n.name for n in entering), tuple(n.name for n in leaving)
    if not nodes[0].in_core:
        return Segment(label, *names, host=to_onnx(nodes, entering, leaving, dtype))
    if len(entering) != 1 or len(leaving) != 1:
        raise LegalizeError(
            f"the core {label} has {len(entering)} inputs and {len(leaving)} outputs",
            hint="a core is a chain with one of each",
        )
    return Segment(label, *names, core=_extract(graph, nodes, entering[0], leaving[0]))


def _extract(graph: Graph, nodes: tuple[Node, ...], entering: Node, leaving: Node) -> Graph:
    """The core as a graph of its own, under names that NIR accepts."""
    names = safe_names(node.name for node in nodes)
    new = {entering: Node("input", Input(None))}
    for node in nodes:
        operands = tuple(new[operand] for operand in node.operands)
        new[node] = replace(node, name=names[node.name], operands=operands)
    return Graph(graph.level, (new[entering],), (new[leaving],), graph.steps, graph.read_out)
