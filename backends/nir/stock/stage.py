"""One stage of a chain: what its units sum, in quanta. ``chain.py`` says what a stage is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.backends.nir.stock.canonical import is_direct
from pinnir.backends.nir.stock.grid import OnGrid
from pinnir.ir.graph import Affine, Input, Neuron, Node, width
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import Array, dense


@dataclass(frozen=True, eq=False)
class Stage:
    """One population of threshold units; a unit fires if its sum is at least 1.

    Attributes:
        maps: Weight and bias of one or two maps from what the stage before sends.
        loop: Weights from the stage's spikes to its sums, one step later, or None.
        keep: 1 for units whose sum is added to the next one, ``(units,)``, or None.
        populations: Where the units of each population are.
        relays: Where the units are that repeat spikes of an earlier population.
    """

    maps: tuple[tuple[Array, Array], ...]
    loop: Array | None
    keep: Array | None
    populations: dict[str, slice]
    relays: dict[str, slice]

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.maps[-1][1].size)


@dataclass(frozen=True, eq=False)
class _Arriving:
    """What some direct maps bring to their rows, in quanta.

    Attributes:
        weight: From what the stage before sends, ``(rows, columns)``.
        within: From populations of the stage itself.
        start: What clocks bring in the first step, ``(rows,)``.
        bias: ``(rows,)``.
    """

    weight: Array
    within: dict[Node, Array]
    start: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class StageBuilder:
    """What the stage of some populations is made from.

    Attributes:
        rounded: The core.
        members: The populations.
        relayed: Populations of the stage before, or relays there, whose spikes are repeated.
        before: The stage before; the first one reads the core's input.
        clocks: Populations that fire in the first step alone.
    """

    rounded: OnGrid
    members: Sequence[Node]
    relayed: Sequence[Node]
    before: Stage | None
    clocks: frozenset[Node]

    def stage(self) -> Stage:
        """The stage."""
        populations, relays, units = self._places()
        clock = any(isinstance(node.op, IF) for node in self.members)
        size = units + clock
        bias, offset, keep = np.zeros((3, size))
        loop = np.zeros((size, size))
        sums = _Sums(self.columns, size)
        for node in self.members:
            rows = populations[node.name]
            for part in node.operands:
                key, expand, constant = self._expansion(part)
                arriving = self._arriving(key)
                sums.add(key, expand, rows, arriving)
                bias[rows] += constant / self.rounded.quantum[node]
                offset[rows] += _expanded(expand, arriving.start)
                for source, matrix in arriving.within.items():
                    loop[rows, populations[source.name]] += _expanded(expand, matrix)
            self._neuron(node, rows, bias, offset, loop, keep)
        for name, rows in relays.items():
            sums.relay(rows, self._column(name))
        if clock:
            bias[-1] = 1.0
            bias[:-1] += offset[:-1]
            loop[:-1, -1] -= offset[:-1]
        looped, kept = (values if values.any() else None for values in (loop, keep))
        return Stage(sums.maps(bias), looped, kept, populations, relays)

    @property
    def columns(self) -> int:
        """Values that the stage before sends."""
        return width(self.rounded.graph.inputs[0]) if self.before is None else self.before.units

    def _places(self) -> tuple[dict[str, slice], dict[str, slice], int]:
        """Where populations and relays stand, and how many units they have."""
        found: tuple[dict[str, slice], dict[str, slice]] = ({}, {})
        first = 0
        for places, nodes in zip(found, (self.members, self.relayed), strict=True):
            for node in nodes:
                end = first + node.op_as(Neuron).units
                places[node.name] = slice(first, end)
                first = end
        return *found, first

    def _expansion(self, part: Node) -> tuple[tuple[Node, ...], Array | None, Array]:
        """A map into a population as direct maps, how their sums are copied, and a constant."""
        op = part.op_as(Affine)
        if is_direct(part):
            return (part,), None, np.zeros_like(op.bias)
        return part.operands, dense(op.weight), op.bias

    def _arriving(self, parts: tuple[Node, ...]) -> _Arriving:
        rows = parts[0].op_as(Affine).bias.size
        found = _Arriving(np.zeros((rows, self.columns)), {}, np.zeros(rows), np.zeros(rows))
        for part in parts:
            op, quantum = part.op_as(Affine), self.rounded.quantum[part]
            weight = dense(op.weight) / quantum[:, None]
            found.bias[:] += op.bias / quantum
            # What is not read need not be there: no stage relays it.
            for source in part.operands if weight.any() else ():
                if source in self.clocks:
                    found.start[:] += weight.sum(axis=1)
                elif source in self.members:
                    found.within[source] = found.within.get(source, 0.0) + weight
                elif isinstance(source.op, Input):
                    found.weight[:] += weight
                else:
                    found.weight[:, self._column(source.name)] += weight
        return found

    def _column(self, name: str) -> slice:
        assert self.before is not None
        return (self.before.populations | self.before.relays)[name]

    def _neuron(
        self, node: Node, rows: slice, bias: Array, offset: Array, loop: Array, keep: Array
    ) -> None:
        """Shift a population's sums so that its units fire at 1, and take spikes off memories."""
        op, quantum = node.op, self.rounded.quantum[node]
        if isinstance(op, Threshold):
            bias[rows] += 1.0 - op.threshold / quantum
        elif isinstance(op, IF):
            threshold = op.threshold / quantum
            offset[rows] += 1.0 - threshold
            loop[rows, rows] -= np.diag(threshold)
            if op.feedback is not None:
                loop[rows, rows] += dense(op.feedback) / quantum[:, None]
            keep[rows] = 1.0


class _Sums:
    """The maps in front of a stage: one, or sums and the map that copies them to units.

    Args:
        columns: Values that arrive.
        units: Units of the stage.
    """

    def __init__(self, columns: int, units: int) -> None:
        self.direct = np.zeros((units, columns))
        self.bias = np.zeros(units)
        self.copied: dict[tuple[Node, ...], _Arriving] = {}
        self.copies: list[tuple[slice, tuple[Node, ...], Array]] = []

    def add(
        self, key: tuple[Node, ...], expand: Array | None, rows: slice, arriving: _Arriving
    ) -> None:
        """Sums of a population's rows, one each or, expanded, copies of shared ones."""
        if expand is None:
            self.direct[rows] += arriving.weight
            self.bias[rows] += arriving.bias
        else:
            self.copied[key] = arriving
            self.copies.append((rows, key, expand))

    def relay(self, rows: slice, columns: slice) -> None:
        """Units that repeat what arrives."""
        self.direct[rows, columns] = np.eye(rows.stop - rows.start)

    def maps(self, bias: Array) -> tuple[tuple[Array, Array], ...]:
        """Weights and biases, the units' own bias behind the last one."""
        if not self.copied:
            return ((self.direct, self.bias + bias),)
        used = np.flatnonzero(self.direct.any(axis=1))
        weights, biases = [self.direct[used]], [np.zeros(used.size)]
        expand = [np.zeros((bias.size, used.size))]
        expand[0][used, np.arange(used.size)] = 1.0
        for key, arriving in self.copied.items():
            weights.append(arriving.weight)
            biases.append(arriving.bias)
            block = np.zeros((bias.size, arriving.bias.size))
            for rows, copied, weight in self.copies:
                if copied == key:
                    block[rows] += weight
            expand.append(block)
        first = np.concatenate(weights), np.concatenate(biases)
        return first, (np.concatenate(expand, axis=1), self.bias + bias)


def _expanded(expand: Array | None, values: Array) -> Array:
    return values if expand is None else np.asarray(expand @ values)
