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

from pinnir.ir.graph import Neuron, Node, width
from pinnir.mapping.integer_cores import IntegerCore, IntegerMap, Whole
from pinnir.mapping.multiplied_out import Chains
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


def flatten(whole: IntegerCore) -> FlatCore:
    """The core of units and synapses that does the same.

    Args:
        whole: A core of threshold or integrate-and-fire units in whole numbers.
    """
    core = whole.core
    maps = Chains(lambda node: _matrix(whole.maps[node]), lambda node: whole.maps[node].bias)
    populations = [node for node in core.nodes if isinstance(node.op, Neuron)]
    starts = {node for node in populations if is_start(node, core.users[node])}
    found = [
        _population(whole, node, starts, _sums(maps, node.operands))
        for node in populations
        if node not in starts
    ]
    leaving = tuple((one.unit, *_sums(maps, one.maps)) for one in whole.leaving)
    return FlatCore(tuple(found), leaving, core.steps)


def _sums(maps: Chains[Whole], nodes: tuple[Node, ...]) -> tuple[dict[Node, Whole], Whole]:
    """Some maps together: weights by population or input, and bias."""
    weights, bias = maps.sum(nodes)
    return {source: weight for source, weight in weights.items() if weight.any()}, bias


def _population(
    whole: IntegerCore, node: Node, starts: set[Node], sums: tuple[dict[Node, Whole], Whole]
) -> FlatPopulation:
    op, (synapses, bias) = node.op_as(Neuron), sums
    (entry,) = whole.core.inputs
    potentials = np.zeros(op.units, np.int64)
    if isinstance(op, FlooredIF):
        potentials += op.potential.astype(np.int64)
    for source in starts & synapses.keys():
        potentials += synapses.pop(source)[:, 0]
    feedback = op.feedback if isinstance(op, IF) else None
    return FlatPopulation(
        node=node,
        thresholds=whole.thresholds[node],
        potentials=potentials,
        from_input=synapses.pop(entry, np.zeros((op.units, width(entry)), np.int64)),
        bias=bias,
        synapses=synapses,
        feedback=None if feedback is None else np.rint(dense(feedback)).astype(np.int64),
    )


def _matrix(map_: IntegerMap) -> Whole:
    """The map's weights, whole and dense."""
    weight = map_.weight << map_.shift
    if not map_.is_blocks:
        return weight
    return dense(BlockDiagonal(weight.astype(np.float64))).astype(np.int64)
