"""From a core to sums and layers.

1. Populations of threshold units whose copies of the pre-activation come from the same sum are one
   layer. Their spikes travel through maps of one synapse a unit; as a spike of a unit is worth its
   level weight times what a level of its neuron is worth, the maps of a layer's populations are
   one map of the neurons' numbers (``_numbers_map``).
2. Delta and phase neurons, and the staircases of a staircase network, are a layer each.
3. Maps that are added up in one place only are added there; others get a slot. Maps that are used
   in the same places share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard
from weakref import WeakKeyDictionary

import numpy as np

from pinnir.engine.layered_network import Layer, LayeredNetwork, Sum, Term, as_numbers
from pinnir.engine.threshold_units import Bank, DerivedStaircase, Index, UnitRuns
from pinnir.ir.graph import Affine, Graph, Node, Op, Scheduled, Staircase, columns_of, width
from pinnir.neurons import Delta, Phase, Threshold
from pinnir.numerics.bucket_table import BucketTable
from pinnir.numerics.matrix import (
    Array,
    BlockDiagonal,
    Decoded,
    Matrix,
    as_copies,
    dense,
)

# How far apart the worth of a level may lie when it is read from different units' synapses.
_SAME = 1e-13

Places = frozenset[Node]


# A program is run on several sets of points, and its tables are found once.
_LAYERED: WeakKeyDictionary[Graph, LayeredNetwork] = WeakKeyDictionary()


class NotCoveredError(Exception):
    """The engine does not run such a core; the message says why."""


def layered_core(core: Graph) -> LayeredNetwork:
    """A core of threshold, delta or phase neurons as sums and layers.

    Args:
        core: A core of one input and one output.

    Raises:
        NotCoveredError: If it has other neurons, or others than such as stand for a staircase.
    """
    if core not in _LAYERED:
        _LAYERED[core] = _layered_core(core)
    return _LAYERED[core]


def _layered_core(core: Graph) -> LayeredNetwork:
    for node in core.nodes:
        if isinstance(node.op, Delta) and node.op.hysteresis:
            raise NotCoveredError("delta neurons with hysteresis")
    if core.steps != 1 and any(isinstance(node.op, Threshold) for node in core.nodes):
        raise NotCoveredError("threshold units that run for several steps")
    (entry,) = core.inputs
    return layered(core.nodes[1:], {entry: width(entry)}, core.outputs)


def layered(
    nodes: Sequence[Node], entering: Mapping[Node, int], leaving: Sequence[Node]
) -> LayeredNetwork:
    """Nodes of a core as sums and layers.

    Args:
        nodes: In topological order, without those that enter.
        entering: Whose values are given, with their columns.
        leaving: Whose values are wanted.

    Raises:
        NotCoveredError: As :func:`layered_core`.
    """
    return _Plan.of(nodes, entering, leaving).network()


@dataclass(frozen=True, eq=False)
class _Speaker:
    """A population or staircase, and the layer that it is or belongs to."""

    layer: Places | Node
    neurons: Index


@dataclass(eq=False)
class _Plan:
    entering: Mapping[Node, int]
    leaving: tuple[Node, ...]
    nodes: tuple[Node, ...]
    speakers: dict[Node, _Speaker]
    banks: dict[Places | Node, list[Bank]]
    inner: frozenset[Node]  # copies of pre-activations and lateral synapses
    uses: dict[Node, frozenset[Places]] = field(default_factory=dict)
    columns: list[int] = field(default_factory=list)
    operations: list[Sum | Layer] = field(default_factory=list)
    slots: dict[object, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, nodes: Sequence[Node], entering: Mapping[Node, int], leaving: Sequence[Node]
    ) -> _Plan:
        """Which populations are a layer (case 1 and 2), and where every map is used."""
        speakers: dict[Node, _Speaker] = {}
        banks: dict[Places | Node, list[Bank]] = {}
        inner: set[Node] = set()
        for node in nodes:
            if isinstance(node.op, Threshold):
                bank, layer = _bank(node, speakers, banks)
                banks.setdefault(layer, []).append(bank)
                speakers[node] = _Speaker(layer, bank.neurons)
                inner.update(node.operands)
            elif isinstance(node.op, Staircase | Delta | Phase):
                count = columns_of(node)
                assert count is not None
                speakers[node] = _Speaker(node, np.arange(count))
            elif not isinstance(node.op, Affine) or isinstance(node.op, Scheduled):
                raise NotCoveredError(f"{type(node.op).__name__} units")
        plan = cls(entering, tuple(leaving), tuple(nodes), speakers, banks, frozenset(inner))
        plan.uses = plan._uses()
        return plan

    def _uses(self) -> dict[Node, frozenset[Places]]:
        """The sums that every map is part of."""
        sums: set[Places] = {frozenset((node,)) for node in self.leaving}
        for node in self.nodes:
            if node in self.speakers:
                layer = self.speakers[node].layer
                sums.add(frozenset(node.operands) if isinstance(layer, Node) else layer)
            elif node not in self.inner and not self._spoken(node):
                sums.add(frozenset(node.operands))
        found: dict[Node, set[Places]] = {}
        for places in sums:
            for node in places:
                found.setdefault(node, set()).add(places)
        return {node: frozenset(own) for node, own in found.items()}

    def _spoken(self, node: Node) -> bool:
        """Whether a map reads spikes or numbers."""
        heard = [operand in self.speakers for operand in node.operands]
        if any(heard) and not all(heard):
            raise NotCoveredError("maps that add up spikes and values")
        return all(heard)

    def _is_spoken(self, places: Places) -> bool:
        """Whether a sum holds more than maps of what enters.

        Such sums of analog values stay what the oracle computes, to the last bit. In others the
        shift of the table is part of the bias.
        """
        operands = {operand for node in places for operand in node.operands}
        return not operands.issubset(self.entering)

    def network(self) -> LayeredNetwork:
        entering = tuple(self._slot(*one) for one in self.entering.items())
        # Layer after layer, so that nothing is built inside something else for long.
        for node in self.nodes:
            if node not in self.speakers and node not in self.inner and self._spoken(node):
                for operand in node.operands:
                    self._layer(self.speakers[operand].layer, operand)
        leaving = tuple(self._sum(frozenset((node,))) for node in self.leaving)
        return LayeredNetwork(tuple(self.columns), entering, tuple(self.operations), leaving)

    def _columns(self, *nodes: Node) -> int:
        """Columns of values that are added up."""
        (count,) = {self.entering.get(node, columns_of(node)) for node in nodes}
        assert count is not None
        return count

    def _slot(self, key: object, columns: int) -> int:
        self.slots[key] = len(self.columns)
        self.columns.append(columns)
        return self.slots[key]

    def _layer(self, layer: Places | Node, speaker: Node) -> int:
        """Slot of a layer's numbers."""
        if layer in self.slots:
            return self.slots[layer]
        node: Node | None
        runs: tuple[UnitRuns, ...] = ()
        if isinstance(layer, Node):
            op = _staircase(layer.op)
            table, numbers = op.lookup.table, op.lookup.level_of.astype(np.float64)
            if isinstance(layer.op, Staircase):
                numbers = op.lookup.value_of
            places, node = frozenset(layer.operands), layer
        else:
            derived = DerivedStaircase.of(self.banks[layer], self._columns(*layer))
            table = BucketTable.of(derived.boundaries, derived.counts)
            numbers = as_numbers(derived.numbers)
            places, node, runs = layer, None, derived.runs
        rows = table.rows
        source = self._sum(places, table)
        target = self._slot(layer, rows)
        scaled = table.scaled(shifted=self._is_spoken(places))
        self.operations.append(Layer(source, target, scaled, numbers, node, runs))
        return target

    def _sum(self, places: Places, table: BucketTable | None = None) -> int:
        """Slot of a sum of maps, or of entering values, scaled for a table if one is given."""
        key = (places, table)
        if key in self.slots:
            return self.slots[key]
        if table is None and len(places) == 1 and next(iter(places)) in self.entering:
            return self.slots[next(iter(places))]
        terms: list[Term] = []
        rows = self._columns(*places)
        bias = np.zeros(rows)
        for nodes, shared in self._groups(places):
            if shared:
                terms.append(Term(self._shared(nodes), np.ones((rows, 1)), mapped=False))
            else:
                added, constant = self._terms(nodes)
                terms += added
                bias = bias + constant
        if table is not None:
            terms = [Term(one.source, one.weight * table.scale, one.mapped) for one in terms]
            bias = (bias - table.shift[:, 0] * self._is_spoken(places)) * table.scale[:, 0]
        target = self._slot(key, rows)
        terms.sort(key=lambda one: not one.mapped)
        self.operations.append(Sum(target, tuple(terms), bias))
        return target

    def _groups(self, places: Places) -> Iterable[tuple[list[Node], bool]]:
        """The maps of a sum, those used in the same places together; whether in others too."""
        groups: dict[frozenset[Places], list[Node]] = {}
        for node in self.nodes:
            if node in places:
                groups.setdefault(self.uses[node], []).append(node)
        for node in self.entering:
            if node in places:
                yield [node], True
        for uses, nodes in groups.items():
            yield nodes, len(uses) > 1

    def _shared(self, nodes: list[Node]) -> int:
        """Slot of a sum of maps that several sums need."""
        key = nodes[0] if nodes[0] in self.entering else ("shared", frozenset(nodes))
        if key not in self.slots:
            terms, bias = self._terms(nodes)
            terms.sort(key=lambda one: not one.mapped)
            self.operations.append(Sum(self._slot(key, bias.size), tuple(terms), bias))
        return self.slots[key]

    def _terms(self, nodes: Sequence[Node]) -> tuple[list[Term], Array]:
        """Maps that are added up, as terms and a constant."""
        terms: list[Term] = []
        spoken: dict[Places | Node, dict[Node, list[Matrix]]] = {}
        bias = np.zeros(self._columns(*nodes))
        for node in nodes:
            op = node.op_as(Affine)
            bias = bias + op.bias
            if self._spoken(node):
                for operand in node.operands:
                    own = spoken.setdefault(self.speakers[operand].layer, {})
                    own.setdefault(operand, []).append(op.weight)
            elif _is_identity(op) and not all(one in self.entering for one in node.operands):
                source = self._sum(frozenset(node.operands))
                terms.append(Term(source, np.ones((bias.size, 1)), mapped=False))
            else:
                source = self._sum(frozenset(node.operands))
                terms.append(Term(source, dense(op.weight)))
        for layer, weights in spoken.items():
            source = self._layer(layer, next(iter(weights)))
            if isinstance(layer, Node):
                weight = _whole(weights[layer], bias.size, self.columns[source])
            else:
                weight = _numbers_map(self.banks[layer], weights, bias.size, self.columns[source])
            terms.append(Term(source, weight))
        return terms, bias


def _staircase(op: Op) -> Staircase:
    found = op.staircase if isinstance(op, Delta | Phase) else op
    assert isinstance(found, Staircase)
    return found


def _is_identity(op: Affine) -> bool:
    if not isinstance(op.weight, BlockDiagonal) or op.weight.blocks.shape[1:] != (1, 1):
        return False
    return bool(np.all(op.weight.blocks == 1) and not op.bias.any())


def _bank(
    node: Node, speakers: dict[Node, _Speaker], banks: dict[Places | Node, list[Bank]]
) -> tuple[Bank, Places]:
    """The units of a population, and the sum that they copy.

    Raises:
        NotCoveredError: If they are not banks of units that copy one neuron's sum each.
    """
    copies = [one for one in node.operands if not _reads(one, speakers)]
    lateral = [one for one in node.operands if _reads(one, speakers)]
    if len(copies) != 1 or len(lateral) > 1 or not isinstance(copies[0].op, Affine):
        raise NotCoveredError("threshold units that read more than a sum and lateral synapses")
    copy = copies[0].op
    offsets = node.op_as(Threshold).level_offset
    copied = as_copies(copy.weight)
    if copied is None:
        raise NotCoveredError("threshold units that read several values")
    by_bank = copied.source.reshape(offsets.size, -1)
    if (by_bank != by_bank[:, :1]).any() or np.unique(by_bank[:, 0]).size != offsets.size:
        raise NotCoveredError("threshold units that are not grouped by neurons")
    shape, neurons = by_bank.shape, by_bank[:, 0]
    own = copied.factor.reshape(shape)
    layer = frozenset(copies[0].operands)
    bias = copy.bias.reshape(shape)
    if not lateral:
        return Bank(node, neurons, own, (bias, np.zeros(shape))), layer
    op = lateral[0].op_as(Affine)
    other = [one for one in banks.get(layer, []) if (one.node,) == lateral[0].operands]
    if not other or other[0].other is not None or not np.array_equal(other[0].neurons, neurons):
        raise NotCoveredError("lateral synapses that do not stay within a neuron")
    blocks = _within(op.weight, neurons.size)
    return Bank(node, neurons, own, (bias, op.bias.reshape(shape)), other[0], blocks), layer


def _reads(node: Node, speakers: dict[Node, _Speaker]) -> bool:
    return any(operand in speakers for operand in node.operands)


def _within(weight: Matrix, neurons: int) -> Array:
    """Lateral synapses as one block a neuron.

    Raises:
        NotCoveredError: If some lead from one neuron to another.
    """
    if isinstance(weight, BlockDiagonal) and len(weight.blocks) == neurons:
        return weight.blocks
    try:
        return BlockDiagonal.from_dense(dense(weight), neurons).blocks
    except ValueError as error:
        raise NotCoveredError("lateral synapses that do not stay within a neuron") from error


def _whole(maps: Sequence[Matrix], rows: int, columns: int) -> Array:
    """The sum of maps."""
    return sum((dense(one) for one in maps), np.zeros((rows, columns)))


def _numbers_map(
    banks: Sequence[Bank], weights: Mapping[Node, Sequence[Matrix]], rows: int, neurons: int
) -> Array:
    """The map of a layer's numbers that maps of its populations' spikes are together.

    Args:
        banks: All populations of the layer.
        weights: Maps of their spikes that are added up, by population.
        rows: Of the maps.
        neurons: Of the layer.

    Raises:
        NotCoveredError: If a spike is not worth its level weight times one and the same.
    """
    found = np.full((rows, neurons), np.nan)
    for bank in banks:
        maps = weights.get(bank.node, ())
        known = found[:, bank.neurons]
        levels = bank.level_weight.astype(np.float64)
        outers = [one.outer for one in maps if _sums_levels(one, levels)]
        if maps and len(outers) == len(maps):
            # Sums of levels behind one map say what a level is worth, whatever the units.
            told = sum(outers, np.zeros((rows, len(levels)))) * levels.any(axis=1)
            known = np.where(np.isnan(known) & levels.any(axis=1), told, known)
            expected = np.where(np.isnan(known), 0.0, known) * levels.any(axis=1)
        else:
            told = _whole(maps, rows, levels.size).reshape(rows, *levels.shape)
            known = np.where(np.isnan(known), _worth(told, levels), known)
            expected = np.where(np.isnan(known), 0.0, known)[:, :, None] * levels
        if not np.allclose(told, expected, rtol=_SAME, atol=0):
            raise NotCoveredError("threshold units whose spikes are not worth levels")
        found[:, bank.neurons] = known
    return np.where(np.isnan(found), 0.0, found)


def _sums_levels(weight: Matrix, levels: Array) -> TypeGuard[Decoded]:
    return isinstance(weight, Decoded) and np.array_equal(weight.weight, levels)


def _worth(weight: Array, levels: Array) -> Array:
    """What a level is worth, ``(rows, neurons)``; NaN for neurons whose units count none.

    Args:
        weight: Of the units, ``(rows, neurons, units)``.
        levels: That a unit counts, ``(neurons, units)``.
    """
    # A unit that is worth one level says it without rounding.
    best = np.argmin(np.where(levels == 0, np.inf, np.abs(levels)), axis=1)
    every = np.arange(len(levels))
    divisor = levels[every, best]
    found = weight[:, every, best] / np.where(divisor == 0, 1.0, divisor)
    return np.where(divisor == 0, np.nan, found)
