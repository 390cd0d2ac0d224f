"""The oracle of streamed forms: what cores of delta and phase neurons do, event by event.

Layers are run one after the other, each over a block of points: a layer's events depend on no later
layer. All sums between layers are whole numbers (``exact_sums.py``), so adding up the events of a
block at once is adding them one by one.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import Observer, add, compute_node
from pinnir.ir.graph import Affine, Graph, Neuron, Node, Staircase
from pinnir.metrics.input_changes import by_steps
from pinnir.metrics.spikes import depths
from pinnir.neurons import Delta, Phase
from pinnir.neurons.phase import naf
from pinnir.numerics.matrix import Array, apply
from pinnir.program.simulators import CoreRunner

Intervals: TypeAlias = NDArray[np.intp]


def stream_runner(core: Graph, lines: int) -> CoreRunner | None:
    """What runs a core of delta or phase neurons; None for any other core.

    Args:
        core: A core of one input and one output.
        lines: How many points run side by side, each on a line of its own.
    """
    kinds = {type(node.op) for node in core.nodes if isinstance(node.op, Neuron)}
    if kinds == {Delta}:
        return DeltaStream(core, lines)
    return PhaseStream(core) if kinds == {Phase} else None


def is_streaming(core: Graph) -> bool:
    """Whether what a core costs depends on the order of the points."""
    return any(isinstance(node.op, Delta) for node in core.nodes)


class DeltaStream:
    """A core of delta neurons and its state; it goes on where the last call ended.

    Attributes:
        core: What runs.
        lines: How many points run side by side, each on a line of its own.
    """

    def __init__(self, core: Graph, lines: int) -> None:
        self.core, self.lines = core, lines
        self._last: Array | None = None  # point of every line, (lines, columns)
        self._sums: dict[Node, Array] = {}  # of maps that events reach, (lines, rows)
        self._levels: dict[Node, Array] = {}  # (lines, neurons)
        self._intervals: dict[Node, Intervals] = {}  # of neurons with hysteresis, likewise

    def __call__(self, x: Array, observe: Observer) -> Array:
        """Go on along the lines.

        Args:
            x: ``(points, columns)``: the next point of every line, then the one after that. The
                last step may leave out lines that have ended, which are the last ones.
            observe: Called with ``(0, node, changes of level (points, neurons))`` for every
                population.

        Returns:
            ``(points, outputs)``.
        """
        count = len(x)
        steps = by_steps(x, self.lines, self._last)
        self._last = steps[-1]
        values: dict[Node, Array] = {self.core.inputs[0]: steps.reshape(-1, x.shape[1])}
        for node in self.core.nodes[1:]:
            op, first = node.op, node.operands[0]
            if isinstance(op, Delta):
                potential = add([values[operand] for operand in node.operands])
                values[node] = self._changes(node, op, potential)
                observe(0, node, values[node][:count])
            elif isinstance(op, Affine) and isinstance(first.op, Delta):
                values[node] = self._sum(node, op, values[first])
            else:
                values[node] = compute_node(node, values)
        return values[self.core.outputs[0]][:count]

    def _by_steps(self, values: Array) -> Array:
        return values.reshape(-1, self.lines, values.shape[1])

    def _sum(self, node: Node, op: Affine, changes: Array) -> Array:
        """What a map has added up from all changes so far, at every point."""
        before = self._sums.get(node, op.bias)
        sums = before + np.cumsum(self._by_steps(apply(op.weight, changes)), axis=0)
        self._sums[node] = sums[-1]
        return sums.reshape(len(changes), -1)

    def _changes(self, node: Node, op: Delta, potential: Array) -> Array:
        stair = op.staircase
        if op.hysteresis:
            levels = stair.level_table[np.arange(op.units), self._held(node, op, potential)]
        else:
            levels = stair.levels(potential)
        steps = self._by_steps(levels.astype(np.float64))
        before = self._levels.get(node, np.zeros(steps.shape[1:]))
        self._levels[node] = steps[-1]
        return np.diff(steps, axis=0, prepend=before[None]).reshape(potential.shape)

    def _held(self, node: Node, op: Delta, potential: Array) -> Intervals:
        """The interval that each neuron is in, left later than the potential leaves it."""
        low, high = held_between(op.staircase, op.hysteresis)
        found = op.staircase.intervals(potential).reshape(-1, self.lines, op.units)
        current, neurons = self._intervals.get(node, found[0]), np.arange(op.units)
        for step, z in enumerate(self._by_steps(potential)):
            stays = (z >= low[neurons, current]) & (z < high[neurons, current])
            current = np.where(stays, current, found[step])
            found[step] = current
        self._intervals[node] = current
        return found.reshape(potential.shape)


def held_between(op: Staircase, hysteresis: float) -> tuple[Array, Array]:
    """Where a neuron leaves each interval between its boundaries, ``(neurons, boundaries + 1)``.

    Args:
        op: The staircase.
        hysteresis: How much wider an interval is to both sides, by its own width; the first and
            the last interval by that of their neighbour.
    """
    ends = np.pad(op.boundaries, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
    low, high = ends[:, :-1], ends[:, 1:]
    inner = np.isfinite(low) & np.isfinite(high)
    width = np.where(inner, np.where(inner, high, 0) - np.where(inner, low, 0), 0.0)
    beside = np.maximum(np.roll(width, 1, axis=1), np.roll(width, -1, axis=1))
    width = hysteresis * np.where(inner, width, beside)
    return low - width, high + width


class PhaseStream:
    """A core of phase neurons. Points are independent of each other, so nothing is kept.

    Attributes:
        core: What runs.
    """

    def __init__(self, core: Graph) -> None:
        self.core = core
        self._periods = depths(core)

    def __call__(self, x: Array, observe: Observer) -> Array:
        """Run points, each through all its periods.

        Args:
            x: ``(points, columns)``.
            observe: Called with ``(step, node, digits (points, neurons))`` for every population
                in every step in which it sends.

        Returns:
            ``(points, outputs)``.
        """
        values: dict[Node, Array] = {self.core.inputs[0]: x}
        sent: dict[Node, NDArray[np.int8]] = {}
        for node in self.core.nodes[1:]:
            op = node.op
            if isinstance(op, Phase):
                potential = add([values[operand] for operand in node.operands])
                sent[node] = naf(op.staircase.levels(potential), op.digits)
                first = (self._periods[node] - 1) * op.digits
                for step, digits in enumerate(sent[node], first):
                    observe(step, node, digits.astype(np.float64))
            elif isinstance(op, Affine) and node.operands[0] in sent:
                values[node] = horner(op, sent[node.operands[0]])
            else:
                values[node] = compute_node(node, values)
        return values[self.core.outputs[0]]


def horner(op: Affine, digits: NDArray[np.int8]) -> Array:
    """What a map adds up from digits ``(digits, points, columns)``, the first weighing most."""
    total = np.zeros((digits.shape[1], op.bias.size))
    for one in digits:
        total = 2 * total + apply(op.weight, one.astype(np.float64))
    return total + op.bias
