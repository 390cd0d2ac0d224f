"""A core of threshold, delta or phase neurons that runs by tables; its spikes are counted.

Which units fire follows from the interval that a neuron's pre-activation lies in. So spikes are
counted interval by interval, not sample by sample: one histogram a layer says how often every
unit fired. What a delta neuron sends follows from how its level changes.
"""

from __future__ import annotations

import numpy as np

from pinnir.engine.event_run import EventRun, is_chain
from pinnir.engine.jit import Patience
from pinnir.engine.kernels import PLAIN, Counts, compiled
from pinnir.engine.layered_network import Layer
from pinnir.engine.level_changes import joined
from pinnir.engine.network_run import NetworkRun, Seen
from pinnir.engine.planning import layered_core
from pinnir.ir.graph import Graph, Neuron
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import Phase
from pinnir.neurons.phase import weight
from pinnir.numerics.matrix import Array

# Numbers to look up before Numba is asked for.
_WORTH_COMPILING = 2**27


class CountedCore:
    """A core that is ready to run; one of delta neurons goes on where the last call ended.

    Attributes:
        core: What runs.
        network: Its layers.
    """

    def __init__(
        self, core: Graph, lines: int, workers: int, compiling: bool | None = None
    ) -> None:
        """Prepare a core.

        Args:
            core: A core of one input and one output.
            lines: Along which a delta core runs at once.
            workers: Threads, at most.
            compiling: Whether Numba compiles the loops, if it is there; None for when it is worth
                it.

        Raises:
            NotCoveredError: If the engine does not run such a core.
        """
        self.core = core
        self.network = layered_core(core)
        streams = any(layer.changing for layer in self.network.layers)
        self._run = NetworkRun(self.network, lines if streams else 0, workers)
        self._patience = Patience(_WORTH_COMPILING, compiling)
        self._sparse = streams and is_chain(self.network)
        self._events: EventRun | None = None
        self._before = [np.zeros((one.table.rows, lines)) for one in self.network.layers]

    def __call__(self, x: Array, counter: SpikeCounter) -> Array:
        """Run points.

        Args:
            x: ``(points, columns)``; of a delta core as a backend's runner takes them.
            counter: Is told how often every unit fired.

        Returns:
            ``(points, outputs)``.
        """
        worth = self._patience.ends(len(x) * self.network.neurons)
        faster = compiled() if worth else None
        begun = np.empty((0, self.network.columns[self.network.leaving[0]]))
        if faster is not None and self._sparse:
            begun = self._by_events(x, counter)
            x = x[len(begun) :]
            self._sparse = not len(x)
            if self._sparse:
                return begun
        (found,), seen = self._run([x], faster or PLAIN)
        for number, layer in enumerate(self.network.layers):
            self._count(number, layer, seen, counter)
        return np.concatenate([begun, found]) if len(begun) else found

    def _by_events(self, x: Array, counter: SpikeCounter) -> Array:
        """Run points event by event, until too much changes."""
        if self._events is None:
            self._events = EventRun(self.network, self._before)
        found, sent = self._events(x)
        for layer, events in zip(self.network.layers, sent, strict=True):
            assert layer.node is not None
            counter.add(layer.node, events)
        self._before = [one.numbers.T for one in self._events.layers]
        return found

    def _count(self, number: int, layer: Layer, seen: list[Seen], counter: SpikeCounter) -> None:
        if layer.changing:
            assert layer.node is not None
            parts = [one.changes[number] for one in seen]
            events, self._before[number] = joined(self._before[number], parts)
            counter.add(layer.node, events)
            return
        often = np.sum([one.histograms[number] for one in seen], axis=0)
        if layer.node is not None and isinstance(layer.node.op, Phase):
            digits = often * weight(layer.numbers.astype(np.int64))
            counter.add(layer.node, np.add.reduceat(digits, layer.table.first[:-1]))
        for runs in layer.runs:
            units = runs.node.op_as(Neuron).units
            counter.add(runs.node, _fired(often, runs.unit, runs.interval, runs.sign, units))


def _fired(often: Counts, unit: Counts, interval: Counts, sign: Counts, units: int) -> Array:
    """How often every unit fired, from how often every interval was found."""
    later = np.append(np.cumsum(often[::-1])[::-1], 0)
    fired = np.bincount(unit, weights=sign * later[interval], minlength=units)
    return np.asarray(fired, np.float64)
