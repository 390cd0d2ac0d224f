"""A core without shared dendrites: units, and synapses from unit to unit.

In pinnir's graphs a neuron's units share one accumulator of their input, so synapses stay
factored. Most chips have no such thing: there every unit has synapses of its own. Every chain of
maps between two populations becomes one matrix of whole numbers; what comes from the input and the
biases is a constant current of every unit, which the host computes once an inference.

Start units, which give other units their initial potential in the first step, become that
potential: chips set it directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnir.ir.graph import Input, Neuron, Node
from pinnir.mapping.integer_cores import Leaving, Whole, WholeCore, WholeMap
from pinnir.neurons import IF, FlooredIF
from pinnir.neurons.start_units import is_start
from pinnir.numerics.matrix import Array, BlockDiagonal, dense


@dataclass(frozen=True, eq=False)
class FlatPopulation:
    """Units of one population.

    Attributes:
        node: The population in the core.
        thresholds: ``(units,)``.
        potentials: Before the first step, ``(units,)``.
        from_input: Current of a unit for one of every input, ``(units, inputs)``.
        bias: Current of every step besides, ``(units,)``.
        synapses: Weights ``(units, units of the source)``, by the population they come from in
            the same step.
        feedback: From the population's own spikes of the step before, ``(units, units)`` or None.
    """

    node: Node
    thresholds: Whole
    potentials: Whole
    from_input: Whole
    bias: Whole
    synapses: Mapping[Node, Whole]
    feedback: Whole | None

    def currents(self, inputs: Array) -> Whole:
        """Constant current of every unit, ``(samples, units)``, for ``(samples, columns)``."""
        return np.rint(inputs).astype(np.int64) @ self.from_input.T + self.bias


@dataclass(frozen=True, eq=False)
class FlatCore:
    """A core of units and synapses.

    Attributes:
        populations: In running order, without start units.
        leaving: For every value that leaves: its units (scale), weights by population
            ``(columns, units)``, and bias ``(columns,)``.
        steps: Of one inference.
    """

    populations: tuple[FlatPopulation, ...]
    leaving: tuple[tuple[Array, Mapping[Node, Whole], Whole], ...]
    steps: int

    @property
    def sums(self) -> tuple[dict[Node, Whole], Whole]:
        """All that leaves, side by side: weights ``(columns, units)`` by source, and bias."""
        bias = np.concatenate([part for _, _, part in self.leaving])
        found: dict[Node, Whole] = {}
        first = 0
        for _, weights, part in self.leaving:
            for source, weight in weights.items():
                shape = (bias.size, weight.shape[1])
                total = found.setdefault(source, np.zeros(shape, np.int64))
                total[first : first + part.size] = weight
            first += part.size
        return found, bias


def flatten(whole: WholeCore) -> FlatCore:
    """The core of units and synapses that does the same.

    Args:
        whole: A core of threshold or integrate-and-fire units in whole numbers.
    """
    flattening = _Flattening(whole)
    core = whole.core
    starts = {
        node
        for node in core.nodes
        if isinstance(node.op, Neuron) and is_start(node, core.users[node])
    }
    found = [
        flattening.population(node, starts)
        for node in core.nodes
        if isinstance(node.op, Neuron) and node not in starts
    ]
    leaving = tuple(flattening.leaving(one) for one in whole.leaving)
    return FlatCore(tuple(found), leaving, core.steps)


@dataclass(frozen=True, eq=False)
class _Sum:
    """What a map's value is made of: weights by source, and a bias."""

    weights: Mapping[Node, Whole]
    bias: Whole


class _Flattening:
    def __init__(self, whole: WholeCore) -> None:
        self._whole = whole
        self._sums: dict[Node, _Sum] = {}

    def _of(self, nodes: tuple[Node, ...]) -> _Sum:
        """The sum of some maps, in terms of populations and the input."""
        parts = [self._map(node) for node in nodes]
        weights: dict[Node, Whole] = {}
        for part in parts:
            for source, weight in part.weights.items():
                weights[source] = weights[source] + weight if source in weights else weight
        bias: Whole = np.sum([part.bias for part in parts], axis=0)
        return _Sum({n: w for n, w in weights.items() if w.any()}, bias)

    def _map(self, node: Node) -> _Sum:
        if node not in self._sums:
            map_ = self._whole.maps[node]
            weight = _matrix(map_)
            (first, *_) = node.operands
            if isinstance(first.op, Neuron | Input):
                self._sums[node] = _Sum({first: weight}, map_.bias)
            else:
                inner = self._of(node.operands)
                outer = {source: weight @ w for source, w in inner.weights.items()}
                self._sums[node] = _Sum(outer, weight @ inner.bias + map_.bias)
        return self._sums[node]

    def population(self, node: Node, starts: set[Node]) -> FlatPopulation:
        op = node.op
        assert isinstance(op, Neuron)
        total = self._of(node.operands)
        synapses = dict(total.weights)
        (entry,) = self._whole.core.inputs
        from_input = synapses.pop(entry, None)
        potentials = np.zeros(op.units, np.int64)
        if isinstance(op, FlooredIF):
            potentials += op.potential.astype(np.int64)
        for source in starts & synapses.keys():
            potentials += synapses.pop(source)[:, 0]
        assert isinstance(entry.op, Input) and entry.op.width is not None
        if from_input is None:
            from_input = np.zeros((op.units, entry.op.width), np.int64)
        feedback = op.feedback if isinstance(op, IF) else None
        return FlatPopulation(
            node,
            self._whole.thresholds[node],
            potentials,
            from_input,
            total.bias,
            synapses,
            None if feedback is None else np.rint(dense(feedback)).astype(np.int64),
        )

    def leaving(self, one: Leaving) -> tuple[Array, Mapping[Node, Whole], Whole]:
        total = self._of(one.maps)
        return one.unit, total.weights, total.bias


def _matrix(map_: WholeMap) -> Whole:
    """The map's weights, whole and dense."""
    weight = map_.weight << map_.shift
    return (
        dense(BlockDiagonal(weight.astype(np.float64))).astype(np.int64)
        if map_.is_blocks
        else weight
    )
