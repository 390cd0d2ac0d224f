"""Runs a chain of delta layers event by event, compiled by Numba: it costs what changes.

A neuron's pre-activation moves by the weights of the events that arrive. It is looked up only
where it leaves the interval that it was in. All sums behind the first layer are whole numbers of
a unit, so that adding up events gives the very sums that multiplying by all levels gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.engine import jit
from pinnir.engine.layered_network import Layer, LayeredNetwork, Sum
from pinnir.numerics.matrix import Array

# Samples that run at once, and the share of neurons that change from one to the next above which
# multiplying by all levels is faster.
_BLOCK = 2048
_MOST_CHANGING = 0.3


@dataclass(frozen=True, eq=False)
class Events:
    """Changes of a layer's numbers, sample after sample.

    Attributes:
        neuron: Which changed, of one sample after the other.
        change: By how much, likewise.
        end: How many events there are up to each sample, itself included, ``(samples,)``.
    """

    neuron: NDArray[np.int32]
    change: Array
    end: NDArray[np.int64]


class EventLayer:
    """A layer and its state on every line.

    Attributes:
        layer: The layer.
        numbers: ``(lines, neurons)``.
    """

    def __init__(self, before: Sum, layer: Layer, arrived: Array, numbers: Array) -> None:
        self.layer, self.numbers = layer, np.ascontiguousarray(numbers.T)
        self._weight = np.ascontiguousarray(before.terms[0].weight.T)
        self._potential = _reached(before, arrived)
        # In no interval yet: nothing is at or above infinity.
        self._low, self._high = (np.full(self.numbers.shape, np.inf) for _ in range(2))
        self._interval = np.tile(layer.table.first[:-1], (len(self.numbers), 1))
        self._found = _NO_EVENTS

    def follow(self, given: Events | Array, count: int) -> tuple[Events, Array]:
        """Go on along the lines.

        Args:
            given: Events of the layer before; or pre-activations ``(samples, neurons)``.
            count: How many samples.

        Returns:
            The events, which the next call overwrites, and how often every neuron sent one,
            ``(neurons,)``.
        """
        neurons = self.layer.table.rows
        if self._found.end.size != count:
            most = count * neurons
            ends = np.empty(count, np.int64)
            self._found = Events(np.empty(most, np.int32), np.empty(most), ends)
        found = self._found
        arriving = _NO_EVENTS if isinstance(given, np.ndarray) else given
        potentials = given if isinstance(given, np.ndarray) else np.empty((0, neurons))
        sent = np.zeros(neurons)
        loops = compiled()
        assert loops is not None
        loops[0](
            potentials,
            (arriving.neuron, arriving.change, arriving.end, self._weight),
            (self._potential, self.numbers, self._low, self._high, self._interval),
            (self.layer.table.boundaries, self.layer.table.first, self.layer.numbers),
            (found.neuron, found.change, found.end),
            sent,
            self.layer.graded,
        )
        return found, sent


_NO_EVENTS = Events(np.empty(0, np.int32), np.empty(0), np.empty(0, np.int64))


class EventRun:
    """A chain of delta layers that is ready to run; it goes on where the last call ended.

    Attributes:
        layers: In running order.
    """

    def __init__(self, network: LayeredNetwork, before: Sequence[Array]) -> None:
        """Prepare a network that :func:`is_chain` is true of.

        Args:
            network: The network.
            before: Numbers of every layer before the first sample, ``(neurons, lines)``.
        """
        sums = {one.target: one for one in network.operations if isinstance(one, Sum)}
        self._entry, last = sums[network.layers[0].source], sums[network.leaving[0]]
        lines = before[0].shape[1]
        arrived = [np.zeros((self._entry.terms[0].weight.shape[1], lines)), *before]
        self.layers = [
            EventLayer(sums[layer.source], layer, arrived[place], before[place])
            for place, layer in enumerate(network.layers)
        ]
        self._weight = np.ascontiguousarray(last.terms[0].weight.T)
        self._leaving = _reached(last, before[-1])
        self._block = max(1, _BLOCK // lines) * lines

    def __call__(self, x: Array) -> tuple[Array, list[Array]]:
        """Go on along the lines, until too much changes.

        Args:
            x: ``(samples, columns)`` as a delta core takes them.

        Returns:
            What leaves, ``(samples, columns)``, of the samples that were run; and events of every
            neuron of every layer.
        """
        found, done = np.empty((len(x), self._weight.shape[1])), 0
        total = [np.zeros(one.layer.table.rows) for one in self.layers]
        loops = compiled()
        assert loops is not None
        while done < len(x):
            part = slice(done, min(done + self._block, len(x)))
            done, count = part.stop, part.stop - part.start
            given: Events | Array = x[part] @ self._entry.terms[0].weight.T + self._entry.bias
            changing = 0
            for own, layer in zip(total, self.layers, strict=True):
                events, sent = layer.follow(given, count)
                own += sent
                changing, given = changing + int(events.end[-1]), events
            assert isinstance(given, Events)
            arriving = (given.neuron, given.change, given.end, self._weight)
            loops[1](arriving, self._leaving, found[part])
            if changing > _MOST_CHANGING * count * sum(map(len, total)):
                break
        return found[:done], total


def _reached(before: Sum, arrived: Array) -> Array:
    """A sum on every line after what arrived, ``(lines, rows)``."""
    return np.ascontiguousarray((before.terms[0].weight @ arrived).T + before.bias)


def is_chain(network: LayeredNetwork) -> bool:
    """Whether layers follow each other, the first one behind what enters, nothing beside them."""
    layers = network.layers
    sources = [*network.entering, *(layer.target for layer in layers)]
    targets = [*(layer.source for layer in layers), *network.leaving]
    sums = [one for one in network.operations if isinstance(one, Sum)]
    read = [(tuple(term.source for term in one.terms), one.target) for one in sums]
    chained = [((source,), target) for source, target in zip(sources, targets, strict=False)]
    mapped = all(term.mapped for one in sums for term in one.terms)
    return len(sources) == len(targets) and read == chained and mapped


@cache
def compiled() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """The two loops, compiled by Numba; None if that cannot be imported."""
    if jit.numba() is None:
        return None
    return jit.compiled(_follow), jit.compiled(_add_up)


def _follow(
    potentials: Array,
    arriving: tuple[NDArray[np.int32], Array, NDArray[np.int64], Array],
    state: tuple[Array, Array, Array, Array, NDArray[np.intp]],
    told: tuple[Array, NDArray[np.intp], Array],
    sent: tuple[NDArray[np.int32], Array, NDArray[np.int64]],
    total: Array,
    graded: bool,
) -> None:
    neuron, change, end, weight = arriving
    z, numbers, low, high, interval = state
    boundaries, first, levels = told
    lines, count, event, done = z.shape[0], z.shape[1], 0, 0
    for sample in range(sent[2].size):
        at = np.uint64(sample % lines)
        for i in range(count if len(potentials) else 0):
            z[at, i] = potentials[np.uint64(sample), i]
        while end.size and event < end[sample]:
            source, by = np.uint64(neuron[event]), change[event]
            for i in range(count):
                z[at, i] += weight[source, i] * by
            event += 1
        for i in range(count):
            value = z[at, i]
            if value >= low[at, i] and not value >= high[at, i]:
                continue
            # Most go to the next interval; the first ones walk far, once.
            k = interval[at, i]
            while value >= boundaries[k]:
                k += 1
            while k > first[i] and value < boundaries[k - 1]:
                k -= 1
            low[at, i] = boundaries[k - 1] if k > first[i] else -np.inf
            high[at, i] = boundaries[k]
            interval[at, i] = k
            by = levels[k] - numbers[at, i]
            if by != 0.0:
                numbers[at, i] = levels[k]
                sent[0][done], sent[1][done] = i, by
                total[i] += 1.0 if graded else abs(by)
                done += 1
        sent[2][sample] = done


def _add_up(
    arriving: tuple[NDArray[np.int32], Array, NDArray[np.int64], Array], z: Array, found: Array
) -> None:
    neuron, change, end, weight = arriving
    event = 0
    for sample in range(end.size):
        at = sample % z.shape[0]
        while event < end[sample]:
            for i in range(z.shape[1]):
                z[at, i] += weight[neuron[event], i] * change[event]
            event += 1
        for i in range(z.shape[1]):
            found[sample, i] = z[at, i]
