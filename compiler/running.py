"""From a program's segments to parts that are ready to run: cores on a backend, host parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pinnir.backends import Backend
from pinnir.changes import InputChanges
from pinnir.execute import Execution, Part
from pinnir.ir import Array, Neuron
from pinnir.layout import axes_of, columns_in
from pinnir.metrics import SpikeCounter
from pinnir.onnx_runner import OnnxRunner
from pinnir.order import Streaming
from pinnir.segments import Segment
from pinnir.streaming import is_streaming

if TYPE_CHECKING:
    from pinnir.program import Program

# Values that the widest population may hold for one chunk of points: memory stays flat, and what
# one layer writes is still in the cache when the next one reads it.
_CHUNK_VALUES = 2**16
# Points of a chunk, at least and at most: few points make little use of weights that were read.
_CHUNKS = (128, 8192)


def prepare(
    program: Program, backend: Backend, counters: Sequence[SpikeCounter], streaming: Streaming
) -> Execution:
    """A program's segments on a backend.

    Args:
        program: The program.
        backend: Runs its cores.
        counters: One a core, in running order.
        streaming: The order of points, where it matters.

    Raises:
        BackendError: If the backend cannot run a core.
    """
    waiting = iter(counters)
    parts = []
    for segment in program.segments:
        run: Callable[[list[Array]], list[Array]]
        if segment.host is not None:
            run = OnnxRunner(segment.host, f"host part {segment.label}")
        else:
            run = _core(program, segment, backend, next(waiting), streaming)
        parts.append(Part(segment.inputs, segment.outputs, run))
    chunk, order = chunk_of(program), None
    if program.streams:
        chunk = max(1, chunk // streaming.lines) * streaming.lines
        order = partial(streaming.rows, domain=program.domain)
    return Execution(
        tuple(parts), program.layouts, program.inputs, program.outputs, chunk, order=order
    )


def chunk_of(program: Program) -> int:
    """Points that run at once."""
    nodes = [node for core in program.running for node in core.nodes]
    units = [node.op.units for node in nodes if isinstance(node.op, Neuron)]
    return int(np.clip(_CHUNK_VALUES // max(units, default=1), *_CHUNKS))


def _core(
    program: Program,
    segment: Segment,
    backend: Backend,
    counter: SpikeCounter,
    streaming: Streaming,
) -> Callable[[list[Array]], list[Array]]:
    """A core as a part: what enters stands side by side in its input, likewise what leaves."""
    core, layouts = segment.running, program.layouts
    assert core is not None
    axes = {a for name in (*segment.inputs, *segment.outputs) for a in axes_of(layouts[name])}
    # What joins several sample axes sees all their combinations one by one.
    lines = streaming.lines if len(axes) == 1 else 1
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
