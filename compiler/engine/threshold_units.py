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
    def changes(self) -> Array:
        """Numbers at which units change, the first ``z`` after each change.

        ``(neurons, changes)`` ascending, padded with ``inf``.
        """
        starts = np.full((self.neurons.size, 1), -_MOST)
        if self.other is not None:
            starts = np.concatenate([starts, self.other.changes], axis=1)
        ends = np.pad(starts[:, 1:], ((0, 0), (0, 1)), constant_values=np.inf)
        ends, starts = np.nextafter(ends, -np.inf), np.minimum(starts, _MOST)
        # While z is between changes of the other units, a unit changes once or not at all.
        terms = np.broadcast_arrays(
            starts[:, :, None],
            ends[:, :, None],
            self.weight[:, None],
            self.bias[0][:, None],
            self.brought(starts),
            self.threshold[:, None],
        )
        low, high, *unit = (term.reshape(-1) for term in terms)
        differ = (low < high) & (_fires(low, *unit) != _fires(high, *unit))
        found = np.full(low.shape, np.inf)
        found[differ] = _first_change(low[differ], high[differ], [one[differ] for one in unit])
        found = np.sort(found.reshape(self.neurons.size, -1), axis=1)
        return found[:, : int(np.isfinite(found).sum(axis=1).max(initial=0))]

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
        boundaries, counts, inside = _boundaries(banks, neurons)
        first = np.concatenate([[0], np.cumsum(counts + 1)])
        numbers = np.zeros(inside.size, np.int64)
        runs = []
        for bank in banks:
            most = int(counts[bank.neurons].max()) + 1
            each = max(1, _AT_ONCE // (most * bank.weight.shape[1]))
            starts = range(0, bank.neurons.size, each)
            parts = [slice(start, start + each) for start in starts]
            found = [_runs(bank, part, first, inside, numbers) for part in parts]
            unit, interval, sign = (np.concatenate(each) for each in zip(*found, strict=True))
            runs.append(UnitRuns(bank.node, unit, interval, sign))
        return cls(boundaries, counts, numbers, tuple(runs))


def _runs(
    bank: Bank, part: slice, first: Index, inside: Array, numbers: NDArray[np.int64]
) -> tuple[Index, Index, NDArray[np.int64]]:
    """Units, intervals and signs of the changes of some neurons' units, as of ``UnitRuns``.

    Args:
        bank: The population.
        part: Which of its neurons.
        first: First interval of each neuron of the layer.
        inside: A number in every interval.
        numbers: What the units that fire are worth together in every interval; theirs is added.
    """
    neurons = bank.neurons[part]
    begin, end = first[neurons][:, None], first[neurons + 1][:, None]
    places = begin + np.arange((end - begin).max())
    real = places < end
    fires = bank.fires(inside[np.where(real, places, 0)], part) & real[:, :, None]
    added = (fires * bank.level_weight[part, None]).sum(axis=2)
    np.add.at(numbers, places[real], added[real])
    # By units, and with nothing before the first interval and behind the last.
    padded = np.zeros((len(neurons), bank.weight.shape[1], fires.shape[1] + 2), bool)
    padded[:, :, 1:-1] = fires.swapaxes(1, 2)
    change = padded[:, :, 1:] != padded[:, :, :-1]
    row, unit, column = np.unravel_index(np.flatnonzero(change), change.shape)
    sign = np.where(padded[row, unit, column + 1], np.int64(1), np.int64(-1))
    own = (part.start + row) * bank.weight.shape[1] + unit
    return own, begin[row, 0] + column, sign


def _boundaries(banks: Sequence[Bank], neurons: int) -> tuple[Array, Index, Array]:
    """Boundaries of one neuron after the other, how many each has, a number in every interval."""
    size = np.zeros(neurons)
    owners, changes = [np.zeros(0, np.intp)], [np.zeros(0)]
    for bank in banks:
        own = bank.changes
        owners.append(np.repeat(bank.neurons, own.shape[1]))
        changes.append(own.reshape(-1))
        np.maximum.at(size, bank.neurons, bank.size)
    owner, at = np.concatenate(owners), np.concatenate(changes)
    owner, at = owner[np.isfinite(at)], at[np.isfinite(at)]
    order = np.lexsort((at, owner))
    owner, at = owner[order], at[order]
    slack = _ROUNDINGS * _EPS * np.maximum(size[owner], np.abs(at))
    apart = (np.diff(owner) != 0) | (np.diff(at) > slack[1:])
    some = np.ones(min(1, at.size), bool)
    highest, lowest = at[np.append(apart, some)], at[np.append(some, apart)]
    of = owner[np.append(apart, some)]
    counts = np.bincount(of, minlength=neurons)
    return highest, counts, _inside(highest, lowest, of, counts)


def _inside(highest: Array, lowest: Array, of: Index, counts: Index) -> Array:
    """A number inside every interval: from a boundary to where the next cluster begins."""
    first = np.concatenate([[0], np.cumsum(counts + 1)])
    place = np.arange(highest.size) + of
    after, before = np.full(int(first[-1]), np.nan), np.full(int(first[-1]), np.nan)
    after[place + 1], before[place] = highest, lowest
    open_low, open_high = np.isnan(after), np.isnan(before)
    low = np.where(open_low, before - 1 - np.abs(before), after)
    high = np.where(open_high, after + 1 + np.abs(after), before)
    return np.asarray(np.where(open_low & open_high, 0.0, low / 2 + high / 2))
