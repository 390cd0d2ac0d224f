"""The staircase that threshold units stand for, found from the units themselves.

Every unit of a neuron is a function of the neuron's pre-activation ``z`` alone: it compares ``w z
+ b``, and what the spikes of other units of the neuron bring, with its threshold. In floating
point too it changes only where ``z`` passes certain numbers, because every operation on the way
is monotone in ``z``. These numbers are found by bisection with the operations that the unit does:
so the intervals between them say exactly what fires, whoever wrote the program and however its
weights were rounded.

Units that change together in exact arithmetic change a few roundings apart, because their sums
round differently. Numbers so close are taken for one, the largest of them: where all sums are
whole numbers that is the boundary itself, as rounding only makes units change earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Node
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import Array

Bits = NDArray[np.bool_]
Index = NDArray[np.intp]

_MOST = float(np.finfo(np.float64).max)
# Roundings of the largest number in a unit's sum by which its changes may lie apart.
_ROUNDINGS = 32
# Units of neurons in intervals that are looked at together.
_AT_ONCE = 2**22
_ALL = slice(None)
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Changes:
    """Where the units of a population begin or end to fire.

    Attributes:
        neuron: Of each change, counted within the population, ``(changes,)``.
        unit: Which of the neuron's units, likewise.
        at: The first ``z`` after it, ``-inf`` of a unit that fires from the beginning, likewise.
        sign: 1 where the unit begins to fire, -1 where it ends, likewise.
        neurons: How many there are.
    """

    neuron: Index
    unit: Index
    at: Array
    sign: NDArray[np.int64]
    neurons: int

    @cached_property
    def of_neurons(self) -> Array:
        """The numbers of every neuron, ``(neurons, changes)`` ascending, padded with ``inf``."""
        inside = np.isfinite(self.at)
        neuron, at = self.neuron[inside], self.at[inside]
        order = np.lexsort((at, neuron))
        neuron, at = neuron[order], at[order]
        counts = np.bincount(neuron, minlength=self.neurons)
        found = np.full((self.neurons, int(counts.max(initial=0))), np.inf)
        found[neuron, np.arange(at.size) - np.repeat(np.cumsum(counts) - counts, counts)] = at
        return found


@dataclass(frozen=True, eq=False)
class Bank:
    """A population of threshold units, equally many for each of its neurons.

    A unit fires if ``weight z + bias + brought >= threshold``.

    Attributes:
        node: The population.
        neurons: That its units belong to, ``(neurons,)``.
        weight: Of the unit's copy of ``z``, ``(neurons, units)``.
        bias: Of the copy, and of the synapses from other units, likewise.
        other: The bank whose spikes its units get from the same neuron's units, or None.
        lateral: These synapses, ``(neurons, units, units of the other)``.
    """

    node: Node
    neurons: Index
    weight: Array
    bias: tuple[Array, Array]
    other: Bank | None = None
    lateral: Array | None = None

    @property
    def threshold(self) -> Array:
        """``(neurons, units)``."""
        return self.node.op_as(Threshold).threshold.reshape(self.weight.shape)

    @property
    def level_weight(self) -> NDArray[np.int32]:
        """What a spike adds to the level, ``(neurons, units)``."""
        return self.node.op_as(Threshold).level_weight.reshape(self.weight.shape)

    def brought(self, z: Array, part: slice = _ALL) -> Array:
        """What other units' spikes bring for ``z`` ``(neurons, numbers)``, for every unit.

        Args:
            z: Of some of the neurons.
            part: Which these are.
        """
        if self.other is None or self.lateral is None:
            return np.zeros((*z.shape, 1))
        spikes = self.other.fires(z, part).astype(np.float64)
        total: Array = spikes @ self.lateral[part].swapaxes(1, 2) + self.bias[1][part, None]
        return total

    def fires(self, z: Array, part: slice = _ALL) -> Bits:
        """Which units fire, ``(neurons, numbers, units)``; arguments as of :meth:`brought`."""
        copied = z[:, :, None] * self.weight[part, None] + self.bias[0][part, None]
        return np.asarray(copied + self.brought(z, part) >= self.threshold[part, None])

    @cached_property
    def changes(self) -> Changes:
        """All that happens to its units as ``z`` rises, unit by unit of a neuron."""
        known = None if self.other is None else self.other.changes.of_neurons
        most = 1 if known is None else known.shape[1] + 1
        each = max(1, _AT_ONCE // (most * self.weight.shape[1]))
        parts = [slice(at, at + each) for at in range(0, self.neurons.size, each)]
        found = [self._changes(part, known) for part in parts]
        neuron, unit, at, sign = (np.concatenate(own) for own in zip(*found, strict=True))
        return Changes(neuron, unit, at, sign, self.neurons.size)

    def _changes(
        self, part: slice, known: Array | None
    ) -> tuple[Index, Index, Array, NDArray[np.int64]]:
        """Changes of some neurons' units.

        While z is between changes of the other units, a unit changes once or not at all; where
        one of these changes, it may change as well.

        Args:
            part: The neurons.
            known: Changes of the other units, ``(neurons, changes)``.

        Returns:
            Neuron, unit, number and sign of each.
        """
        neurons, count = self.weight[part].shape
        starts = np.full((neurons, 1), -_MOST)
        if known is not None:
            starts = np.concatenate([starts, known[part]], axis=1)
        ends = np.pad(starts[:, 1:], ((0, 0), (0, 1)), constant_values=np.inf)
        ends, starts = np.nextafter(ends, -np.inf), np.minimum(starts, _MOST)
        terms = np.broadcast_arrays(
            starts[:, :, None],
            np.maximum(starts, ends)[:, :, None],
            self.weight[part, None],
            self.bias[0][part, None],
            self.brought(starts, part),
            self.threshold[part, None],
        )
        low, high, *unit = terms
        begun, ended = _fires(low, *unit), _fires(high, *unit)
        before = np.concatenate([np.zeros((neurons, 1, count), bool), ended[:, :-1]], axis=1)
        at_start, between = np.nonzero(begun != before), np.nonzero(ended != begun)
        first = _first_change(low[between], high[between], [one[between] for one in unit])
        at = np.concatenate([np.where(at_start[1] == 0, -np.inf, low[at_start]), first])
        begins = np.concatenate([begun[at_start], ended[between]])
        row, _, own = np.concatenate([at_start, between], axis=1)
        return row + part.start, own, at, np.where(begins, np.int64(1), np.int64(-1))

    @property
    def size(self) -> Array:
        """The largest number in the sums of each neuron's units, ``(neurons,)``."""
        finite = np.where(np.abs(self.threshold) < _MOST, np.abs(self.threshold), 0.0)
        largest = finite.max(axis=1, initial=0.0)
        if self.lateral is None:
            return np.asarray(largest)
        reach = np.abs(self.lateral).sum(axis=2).max(axis=1, initial=0.0)
        return np.asarray(np.maximum(largest, reach))


def _fires(z: Array, weight: Array, bias: Array, brought: Array, threshold: Array) -> Bits:
    with np.errstate(over="ignore"):
        return np.asarray((z * weight + bias) + brought >= threshold)


def _first_change(low: Array, high: Array, unit: Sequence[Array]) -> Array:
    """The first number of each range at which its unit is not what it is at the range's start."""
    begun = _fires(low, *unit)
    low, high = _narrowed(low, high, begun, unit)
    first, last = _ordered(low), _ordered(high)
    while (first + 1 < last).any():
        # Half of each, as their sum would not fit into 64 bits.
        middle = (first >> 1) + (last >> 1) + (first & last & 1)
        same = _fires(_number(middle), *unit) == begun
        first, last = np.where(same, middle, first), np.where(same, last, middle)
    return _number(last)


def _narrowed(low: Array, high: Array, begun: Bits, unit: Sequence[Array]) -> tuple[Array, Array]:
    """Smaller ranges, around where exact arithmetic has the change, that still hold it."""
    weight, bias, brought, threshold = unit
    with np.errstate(all="ignore"):
        guess = (threshold - brought - bias) / weight
        size = np.abs(threshold) + np.abs(brought) + np.abs(bias)
        near = _ROUNDINGS * _EPS * size / np.abs(weight)
    before, after = np.fmax(low, guess - near), np.fmin(high, guess + near)
    holds = before < after
    before, after = np.where(holds, before, low), np.where(holds, after, high)
    low = np.where(_fires(before, *unit) == begun, before, low)
    return low, np.where(_fires(after, *unit) != begun, after, high)


def _ordered(values: Array) -> NDArray[np.int64]:
    """Floating-point numbers as integers in the same order, neighbours next to each other."""
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(ordered: NDArray[np.int64]) -> Array:
    """The numbers that :func:`_ordered` gives."""
    return np.where(ordered < 0, np.int64(-(2**63)) - ordered, ordered).view(np.float64)


@dataclass(frozen=True, eq=False)
class UnitRuns:
    """The intervals in which the units of a population fire.

    Attributes:
        node: The population.
        unit: Of each change, ascending, ``(changes,)``.
        interval: From which on it is another, counted over all neurons of the layer, likewise.
        sign: 1 where the unit begins to fire, -1 where it ends, likewise.
    """

    node: Node
    unit: Index
    interval: Index
    sign: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DerivedStaircase:
    """What the units of a layer do in every interval of its neurons' pre-activations.

    Attributes:
        boundaries: Of one neuron after the other, ascending.
        counts: How many each neuron has, ``(neurons,)``.
        numbers: Sum of the level weights of the units that fire in each interval, of which a
            neuron has one more than boundaries.
        runs: When the units of every population fire.
    """

    boundaries: Array
    counts: Index
    numbers: NDArray[np.int64]
    runs: tuple[UnitRuns, ...]

    @classmethod
    def of(cls, banks: Sequence[Bank], neurons: int) -> DerivedStaircase:
        """The staircase of a layer of so many neurons with these units."""
        boundaries, counts = _boundaries(banks, neurons)
        first = np.concatenate([[0], np.cumsum(counts + 1)])
        steps = np.zeros(first[-1] + 1, np.int64)  # what the numbers rise by, from one to the next
        runs = []
        for bank in banks:
            own = _runs(bank, boundaries, counts, first)
            runs.append(own)
            worth = bank.level_weight.reshape(-1).astype(np.int64)
            np.add.at(steps, own.interval, own.sign * worth[own.unit])
        return cls(boundaries, counts, np.cumsum(steps[:-1]), tuple(runs))


def _runs(bank: Bank, boundaries: Array, counts: Index, first: Index) -> UnitRuns:
    """The intervals in which a bank's units fire.

    Args:
        bank: The population.
        boundaries: As of ``DerivedStaircase``.
        counts: Likewise.
        first: First interval of each neuron of the layer, and the end of the last one's.
    """
    found = bank.changes
    units = bank.weight.shape[1]
    own = found.neuron * units + found.unit
    interval = _rank(boundaries, counts, bank.neurons[found.neuron], found.at)
    # Who still fires in a neuron's last interval ends behind it.
    last = np.zeros(bank.weight.size, np.int64)
    np.add.at(last, own, found.sign)
    still = np.flatnonzero(last)
    own = np.concatenate([own, still])
    interval = np.concatenate([interval, first[bank.neurons[still // units] + 1]])
    sign = np.concatenate([found.sign, -last[still]])
    # Of changes in one cluster only what is left of them counts.
    order = np.lexsort((interval, own))
    own, interval, sign = own[order], interval[order], sign[order]
    begins = np.flatnonzero((np.diff(own, prepend=-1) != 0) | (np.diff(interval, prepend=-1) != 0))
    total = np.add.reduceat(sign, begins) if begins.size else sign
    kept = total != 0
    return UnitRuns(bank.node, own[begins][kept], interval[begins][kept], total[kept])


def _rank(boundaries: Array, counts: Index, neuron: Index, at: Array) -> Index:
    """The interval that begins with each change, counted over all neurons of the layer.

    A change belongs to the first boundary of its neuron that is not below it.
    """
    ends = np.cumsum(counts)
    found = np.empty(at.size, np.intp)
    order = np.argsort(neuron, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(neuron[order])) + 1):
        if rows.size:
            own = neuron[rows[0]]
            begin, end = ends[own] - counts[own], ends[own]
            found[rows] = begin + np.searchsorted(boundaries[begin:end], at[rows])
    # One interval more than boundaries before this neuron, and one for the boundary itself.
    return found + neuron + np.isfinite(at)


def _boundaries(banks: Sequence[Bank], neurons: int) -> tuple[Array, Index]:
    """Boundaries of one neuron after the other, and how many each has."""
    size = np.zeros(neurons)
    owners, changes = [np.zeros(0, np.intp)], [np.zeros(0)]
    for bank in banks:
        owners.append(bank.neurons[bank.changes.neuron])
        changes.append(bank.changes.at)
        np.maximum.at(size, bank.neurons, bank.size)
    owner, at = np.concatenate(owners), np.concatenate(changes)
    owner, at = owner[np.isfinite(at)], at[np.isfinite(at)]
    order = np.lexsort((at, owner))
    owner, at = owner[order], at[order]
    slack = _ROUNDINGS * _EPS * np.maximum(size[owner], np.abs(at))
    apart = (np.diff(owner) != 0) | (np.diff(at) > slack[1:])
    last = np.append(apart, np.ones(min(1, at.size), bool))
    return at[last], np.bincount(owner[last], minlength=neurons)
