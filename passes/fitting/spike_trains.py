"""Integrate-and-fire neurons of a core over time, layer after layer.

What a layer fires is kept, packed to bits, so that the next one is simulated without what lies
before it. Maps are linear: their means follow from the neurons' means.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pinnir.codings.rate import integrate_fire
from pinnir.ir.evaluate import add
from pinnir.ir.graph import Node, Staircase
from pinnir.numerics.matrix import Array, apply
from pinnir.passes.fitting.runs import Run

# Values of a layer that are simulated at a time: what a step writes stays in the cache.
_CACHED = 2**16


@dataclass(frozen=True, eq=False)
class SpikeTrain:
    """Spikes of one population.

    Attributes:
        packed: ``(steps, samples, bytes)``: a bit for each neuron, or a byte if they are signed.
        neurons: How many there are.
    """

    packed: NDArray[np.uint8] | NDArray[np.int8]
    neurons: int

    @classmethod
    def empty(cls, steps: int, samples: int, neurons: int, *, signed: bool) -> SpikeTrain:
        """Room for so many spikes."""
        if signed:
            return cls(np.empty((steps, samples, neurons), np.int8), neurons)
        return cls(np.empty((steps, samples, -(-neurons // 8)), np.uint8), neurons)

    def keep(self, step: int, rows: slice, spikes: Array) -> None:
        """Store one step of some samples, ``(samples, neurons)``."""
        signed = self.packed.dtype == np.int8
        self.packed[step, rows] = spikes if signed else np.packbits(spikes > 0, axis=1)

    def at(self, step: int, rows: slice) -> Array:
        """One step of some samples, ``(samples, neurons)``."""
        found = self.packed[step, rows]
        if found.dtype != np.int8:
            found = np.unpackbits(found.view(np.uint8), axis=1, count=self.neurons)
        return found.astype(np.float64)


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """The spikes of a core's neurons over so many steps, as far as they were simulated.

    Attributes:
        steps: How many.
    """

    steps: int
    _trains: dict[Node, SpikeTrain] = field(default_factory=dict)

    def fire(self, run: Run, node: Node) -> Array:
        """Mean values of a population that comes next in a run, ``(samples, neurons)``."""
        op, neurons = node.op_as(Staircase), integrate_fire(node, self.steps)
        samples, count = len(next(iter(run.values.values()))), op.base.size
        train = SpikeTrain.empty(self.steps, samples, count, signed=neurons.signed)
        self._trains[node] = train
        total = np.empty((samples, count))
        between = self._between(run, node)
        widest = max(run.maps[one].bias.size for one in between) if between else count
        size = max(1, _CACHED // max(widest, count))
        for first in range(0, samples, size):
            rows = slice(first, first + size)
            state = neurons.initial_state(min(size, samples - first))
            if neurons.rounds:
                state = (state[0] + neurons.threshold / 2, state[1])
            counted = np.zeros((min(size, samples - first), count))
            known: dict[Node, Array] = {}
            for step in range(self.steps):
                current = self._current(run, node, between, known, step, rows)
                spikes, state = neurons.step(state, current)
                train.keep(step, rows, spikes)
                counted += spikes
            total[rows] = counted
        return np.asarray(op.base + op.step * total)

    def _between(self, run: Run, node: Node) -> tuple[Node, ...]:
        """Maps between neurons, or what enters, and this population, in running order."""
        found: set[Node] = set()
        waiting = list(node.operands)
        while waiting:
            one = waiting.pop()
            if one in run.maps and one not in found:
                found.add(one)
                waiting += one.operands
        return tuple(one for one in run.nodes if one in found)

    def _current(
        self,
        run: Run,
        node: Node,
        between: tuple[Node, ...],
        known: dict[Node, Array],
        step: int,
        rows: slice,
    ) -> Array:
        """What arrives at a population in one step.

        Args:
            run: The run.
            node: The population.
            between: The maps on the way to it.
            known: Values that are the same in every step; filled in the first one.
            step: Which step.
            rows: Of which samples.
        """
        now: dict[Node, Array] = {}

        def value(operand: Node) -> Array:
            if operand in known:
                return known[operand]
            if operand in now:
                return now[operand]
            if operand in self._trains:
                op = operand.op_as(Staircase)
                spikes = self._trains[operand].at(step, rows)
                now[operand] = op.base + (op.step * self.steps) * spikes
                return now[operand]
            known[operand] = run.values[operand][rows]
            return known[operand]

        for one in between:
            if one not in known:
                arriving = add([value(operand) for operand in one.operands])
                op = run.maps[one]
                same = all(operand in known for operand in one.operands)
                (known if same else now)[one] = apply(op.weight, arriving) + op.bias
        return add([value(operand) for operand in node.operands])
