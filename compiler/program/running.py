"""What runs of a program: cores on a backend, host parts and the source network by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import BackendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.ir.graph import Graph, Neuron, columns_of
from pinnir.ir.input_forms import InputForm, samples_of_run
from pinnir.ir.sample_axes import Layout, axes_of, columns_in
from pinnir.metrics.input_changes import InputChanges
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.program.execute import Execution, Part, Points
from pinnir.program.segments import Segment
from pinnir.program.simulators import Backend
from pinnir.program.streamed_cores import is_streaming

_SOURCE_CHUNK = 8192  # points
# Values whose squares can be summed.
_LARGEST = 1e100
# Values that the widest population may hold for one chunk of points: memory stays flat, and what
# one layer writes is still in the cache when the next one reads it.
_CHUNK_VALUES = 2**16
# Values that enter or leave a core with one chunk, where only these are kept.
_CHUNK_ENDS = 2**22
# Points of a chunk, at least and at most: few points make little use of weights that were read.
_CHUNKS = (128, 8192)


@dataclass(frozen=True, eq=False)
class SourceNetwork:
    """The source network, run by ONNX Runtime.

    Attributes:
        data: The ONNX model.
        domain: Its columns say which axis they run along.
        inputs: The model's inputs as ``(name, columns)``.
        layouts: Of its inputs and outputs.
        outputs: Names of its outputs as the layouts call them, in order.
    """

    data: bytes
    domain: Domain
    inputs: tuple[tuple[str, int], ...]
    layouts: Mapping[str, Layout]
    outputs: tuple[str, ...]

    def __call__(self, points: Points) -> Array:
        """Its outputs on points as for :meth:`Program.run`, all side by side.

        Raises:
            BackendError: If ONNX Runtime fails, or outputs are NaN or so large that no error of
                them can be measured.
        """
        found, finite = self.values(points)
        if not finite.all():
            raise not_finite(points, finite)
        return found

    def values(self, points: Points) -> tuple[Array, NDArray[np.bool_]]:
        """The same whatever they are, and at which points an error of them can be measured.

        Raises:
            BackendError: If ONNX Runtime fails.
        """
        runner = OnnxRunner(self.data, "source network")
        columns = dict(self.inputs)
        shapes = zip(runner.input_names, runner.shapes, strict=True)
        forms = {name: InputForm.of(shape, columns[name]) for name, shape in shapes}
        run = partial(self._run, runner, forms)
        part = Part(tuple(forms), self.outputs, run)
        execution = Execution(
            (part,), self.layouts, self.inputs, self.outputs, _SOURCE_CHUNK, self._fixed(forms)
        )
        if self.domain.axis_count > 1:
            found = execution.on(points, self.domain)
        else:
            (table,) = points if isinstance(points, tuple) else (points,)
            shared = self._shared(forms)
            runs = _alike(table[:, shared]) if shared else [np.arange(len(table))]
            parts = [execution.on(table[rows], self.domain) for rows in runs]
            found = np.concatenate(parts)[np.argsort(np.concatenate(runs))]
        finite: NDArray[np.bool_] = np.all(np.abs(found) < _LARGEST, axis=1)
        return found, finite

    def _fixed(self, forms: Mapping[str, InputForm]) -> tuple[int | None, ...]:
        """How many samples along each axis a run has, None for any number."""
        own: list[list[InputForm]] = [[] for _ in range(self.domain.axis_count)]
        for name, form in forms.items():
            (axis,) = axes_of(self.layouts[name])
            own[axis].append(form)
        if len(own) == 1:
            return (samples_of_run(own[0]),)
        # Combinations of samples are no runs that could share one.
        return tuple(samples_of_run(one, sharing=False) for one in own)

    def _shared(self, forms: Mapping[str, InputForm]) -> list[int]:
        """Columns of inputs that take one sample in runs of more."""
        if self._fixed(forms) == (1,):
            return []
        names = [name for name, count in self.inputs for _ in range(count)]
        return [column for column, name in enumerate(names) if forms[name].takes_one]

    def _run(
        self, runner: OnnxRunner, forms: Mapping[str, InputForm], tables: list[Array]
    ) -> list[Array]:
        """One run: from tables to the file's own shapes, and back to the layouts."""
        counts = {}
        given = []
        for (name, form), table in zip(forms.items(), tables, strict=True):
            (axis,) = axes_of(self.layouts[name])
            counts[axis] = len(table)
            given.append(form.given(table[:1] if form.takes_one else table))
        return [
            _laid_out(value, self.layouts[name], counts)
            for name, value in zip(self.outputs, runner(given), strict=True)
        ]


def _laid_out(value: Array, layout: Layout, counts: Mapping[int, int]) -> Array:
    """A value of the file in the layout that it has in the graph."""
    wanted = [dim if isinstance(dim, int) else prod(counts[axis] for axis in dim) for dim in layout]
    if value.size == prod(wanted):
        return value.reshape(wanted)
    # What all samples of a run share is the same for each of them.
    return np.broadcast_to(value.reshape(1, -1), wanted)


def _alike(rows: Array) -> list[NDArray[np.intp]]:
    """Numbers of rows, those of equal ones together."""
    _, groups = np.unique(rows, axis=0, return_inverse=True)
    order = np.argsort(groups.reshape(-1), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups.reshape(-1)[order])) + 1)


def not_finite(points: Points, finite: NDArray[np.bool_]) -> BackendError:
    """The error about a source network that is not finite on some of these points."""
    return BackendError(
        f"the source network gives NaN or values beyond {_LARGEST:g} on {int((~finite).sum())} of "
        f"{len(finite)} points{_first_bad(points, finite)}",
        hint="give a domain on which it is finite; the training may have diverged",
    )


def _first_bad(points: Points, finite: NDArray[np.bool_]) -> str:
    """In words, the first point where values are not finite."""
    row = int(np.argmin(finite))
    if isinstance(points, tuple):
        rows = np.unravel_index(row, [len(table) for table in points])
        values = np.concatenate([t[i] for t, i in zip(points, rows, strict=True)])
    else:
        values = points[row]
    return f"; the first is ({', '.join(f'{value:g}' for value in values)})"


def segment_parts(
    segments: Sequence[Segment],
    layouts: Mapping[str, Layout],
    backend: Backend,
    counters: Sequence[SpikeCounter],
    lines: int,
) -> tuple[Part, ...]:
    """Segments on a backend.

    Args:
        segments: In running order.
        layouts: Of the values that they take and give, by name.
        backend: Runs the cores.
        counters: One a core, in running order.
        lines: Along which delta cores run at once.

    Raises:
        BackendError: If the backend cannot run a core.
    """
    waiting = iter(counters)
    parts = []
    for segment in segments:
        run: Callable[[list[Array]], list[Array]]
        if segment.host is not None:
            run = OnnxRunner(segment.host, f"host part {segment.label}")
        else:
            run = _core(segment, layouts, backend, next(waiting), lines)
        parts.append(Part(segment.inputs, segment.outputs, run))
    return tuple(parts)


def chunk_of(cores: Sequence[Graph], at_once: int | None = None) -> int:
    """Points that run at once.

    Args:
        cores: That run.
        at_once: How many their backend takes, if memory allows; None if units fill it.
    """
    if at_once is not None:
        ends = [columns_of(node) or 1 for core in cores for node in (*core.inputs, *core.outputs)]
        return int(np.clip(_CHUNK_ENDS // max(ends, default=1), _CHUNKS[0], at_once))
    nodes = [node for core in cores for node in core.nodes]
    units = [node.op.units for node in nodes if isinstance(node.op, Neuron)]
    return int(np.clip(_CHUNK_VALUES // max(units, default=1), *_CHUNKS))


def _core(
    segment: Segment,
    layouts: Mapping[str, Layout],
    backend: Backend,
    counter: SpikeCounter,
    lines: int,
) -> Callable[[list[Array]], list[Array]]:
    """A core as a part: what enters stands side by side in its input, likewise what leaves."""
    core = segment.running
    assert core is not None
    axes = {a for name in (*segment.inputs, *segment.outputs) for a in axes_of(layouts[name])}
    # What joins several sample axes sees all their combinations one by one.
    lines = lines if len(axes) == 1 else 1
    run_core = backend.load(core, lines)
    counter.changes = InputChanges(lines) if is_streaming(core) else None
    ends = np.cumsum([columns_in(layouts[name]) for name in segment.outputs])[:-1]

    def run(inputs: list[Array]) -> list[Array]:
        counter.samples += len(inputs[0])
        entering = inputs[0] if len(inputs) == 1 else np.concatenate(inputs, axis=1)
        if counter.changes is not None:
            counter.changes(entering)
        return np.split(run_core(entering, counter), ends, axis=1)

    return run
