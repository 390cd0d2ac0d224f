"""What a program's cores do at some points, event by event, for others to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.reference import ReferenceBackend
from pinnir.ir.evaluate import Observer
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.numerics.matrix import Array
from pinnir.points.streaming_order import Streaming
from pinnir.program.program import Program
from pinnir.program.simulators import Backend, CoreRunner

# Of probe points; what a program was compiled with has other seeds.
_SEED = 1
# Where a line of probe points begins and ends, as shares of the domain.
_LINE = (0.1, 0.9)

Events = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class CoreRecord:
    """One core's run.

    Attributes:
        core: The core.
        inputs: What entered, ``(samples, columns)``.
        events: Of every population, ``(samples, steps, units)``, by node.
        outputs: What left, ``(samples, columns)``.
    """

    core: Graph
    inputs: Array
    events: Mapping[Node, Events]
    outputs: Array


def populations(core: Graph) -> list[Node]:
    """The populations of a core in running order."""
    return [node for node in core.nodes if isinstance(node.op, Neuron)]


def probe_points(program: Program, count: int) -> Array:
    """Points of the domain, ``(count, columns)``: on a line if the program streams them."""
    box = program.domain
    if program.streams:
        share = np.linspace(*_LINE, count)[:, None]
        return np.asarray(box.low + share * (box.high - box.low))
    whole = 1 << (count - 1).bit_length()  # Sobol points come in powers of two
    return box.sample(whole, _SEED)[:count]


def record(program: Program, points: Array) -> list[CoreRecord]:
    """What every core does while the program runs on points of its domain, by the oracle.

    Args:
        program: The program.
        points: ``(samples, columns)``. A delta program takes them one after the other.
    """
    recorder = _Recorder()
    program.run_cores(points, recorder, Streaming("given") if program.streams else None)
    return [_joined(pieces) for pieces in recorder.tapes]


class _Recorder(Backend):
    """The oracle, with everything kept that cores take, do and give."""

    def __init__(self) -> None:
        self.tapes: list[list[CoreRecord]] = []  # of every core, chunk after chunk

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """The oracle's runner of a core, recorded."""
        tape: list[CoreRecord] = []
        self.tapes.append(tape)
        inner = ReferenceBackend().load(core, lines)

        def run(x: Array, observe: Observer) -> Array:
            steps: dict[Node, list[Events]] = {node: [] for node in populations(core)}

            def both(step: int, node: Node, value: Array) -> None:
                observe(step, node, value)
                if node in steps:
                    steps[node].append(value.astype(np.int16))

            output = inner(x, both)
            events = {node: np.stack(found, axis=1) for node, found in steps.items()}
            tape.append(CoreRecord(core, x, events, output))
            return output

        return run


def _joined(pieces: list[CoreRecord]) -> CoreRecord:
    """All pieces of a core's run as one."""
    inputs, outputs = ([getattr(p, side) for p in pieces] for side in ("inputs", "outputs"))
    core = pieces[0].core
    events = {n: np.concatenate([p.events[n] for p in pieces]) for n in populations(core)}
    return CoreRecord(core, np.concatenate(inputs), events, np.concatenate(outputs))
