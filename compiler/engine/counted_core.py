"""A core of threshold, delta or phase neurons that runs by tables; its spikes are counted.

Which units fire follows from the interval that a neuron's pre-activation lies in. So spikes are
counted interval by interval, not sample by sample: one histogram a layer says how often every
unit fired. What a delta neuron sends follows from how its level changes.
"""

from __future__ import annotations

import numpy as np

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

# Numbers to look up before Numba is asked for: loading it takes as long as numpy takes for these,
# so that it costs at most what it saves.
_WORTH_COMPILING = 2**27


class CountedCore:
    """A core that is ready to run; one of delta neurons goes on where the last call ended.

    Attributes:
        core: What runs.
        network: Its layers.
    """

    def __init__(self, core: Graph, lines: int, workers: int) -> None:
        """Prepare a core.

        Args:
            core: A core of one input and one output.
            lines: Along which a delta core runs at once.
            workers: Threads, at most.

        Raises:
            NotCoveredError: If the engine does not run such a core.
        """
        self.core = core
        self.network = layered_core(core)
        streams = any(layer.changing for layer in self.network.layers)
        self._run = NetworkRun(self.network, lines if streams else 0, workers)
        self._looked_up = 0
        self._before = [np.zeros((one.table.rows, lines)) for one in self.network.layers]

    def __call__(self, x: Array, counter: SpikeCounter) -> Array:
        """Run points.

        Args:
            x: ``(points, columns)``; of a delta core as a backend's runner takes them.
            counter: Is told how often every unit fired.

        Returns:
            ``(points, outputs)``.
        """
        self._looked_up += len(x) * self.network.neurons
        faster = compiled() if self._looked_up >= _WORTH_COMPILING else None
        (found,), seen = self._run([x], faster or PLAIN)
        for number, layer in enumerate(self.network.layers):
            self._count(number, layer, seen, counter)
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
