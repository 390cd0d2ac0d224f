"""Cores being filled: what fits where, and how many messages it costs, kept up step by step.

Units move in *groups*: those of one neuron of the source network, which hear the same, or part of
them. All figures are exact at every moment, for the groups that are there.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pinnir.base.chips import Chip
from pinnir.ir.placement import Index
from pinnir.mapping.connectivity import Connectivity
from pinnir.numerics.matrix import Array

NOWHERE = -1
LIMITS = ("neurons", "synapse memory", "axons in", "axons out")


@dataclass(frozen=True, eq=False)
class Group:
    """Units that are placed together.

    Attributes:
        units: Which.
        sources: Units that they hear, one or more of them.
        synapses: How many of them hear each of these.
    """

    units: Index
    sources: Index
    synapses: Index


def groups_of(wiring: Connectivity) -> list[Group]:
    """The units of every neuron of the source network, in running order."""
    order = np.argsort(wiring.neuron, kind="stable")
    ends = np.flatnonzero(np.diff(wiring.neuron[order])) + 1
    return [group_of(wiring, units) for units in np.split(order, ends) if units.size]


def group_of(wiring: Connectivity, units: Index) -> Group:
    """These units as a group."""
    rows, count = np.unique(wiring.row[units], return_counts=True)
    heard = csr_array(count[None]) @ wiring.fan_in[rows].astype(np.int64)
    heard.sort_indices()
    return Group(units, heard.indices.astype(np.int64), heard.data)


class Packing:
    """Groups of units on cores.

    Attributes:
        wiring: The units and their synapses.
        rates: Mean spikes of every unit per inference, ``(units,)``.
        chip: Its limits are kept.
        most: Number of cores that there are.
        core: Core of every unit, ``(units,)``, NOWHERE before it is placed.
        used: Number of cores that have been opened.
        refusals: How often a core had no room for a group, by the limit.
    """

    def __init__(self, wiring: Connectivity, rates: Array, chip: Chip, most: int) -> None:
        self.wiring, self.rates, self.chip, self.most = wiring, rates, chip, most
        self.core = np.full(wiring.units, NOWHERE)
        self.used = 0
        self.refusals: Counter[str] = Counter()
        # One row more than there are open cores, at least.
        self._heard = np.zeros((1, wiring.units), np.int32)  # synapses from units to cores
        self._reach = np.zeros(wiring.units, np.int64)  # cores that hear each unit
        self._neurons, self._memory, self._in, self._out = np.zeros((4, 1), np.int64)

    def copy(self) -> Packing:
        """The same cores, to be filled apart."""
        return copy.deepcopy(self, {id(shared): shared for shared in (self.wiring, self.rates)})

    def open(self) -> int:
        """A new empty core."""
        self.used += 1
        if self.used == len(self._heard):
            self._heard = np.pad(self._heard, ((0, self.used), (0, 0)))
            for name in ("_neurons", "_memory", "_in", "_out"):
                setattr(self, name, np.pad(getattr(self, name), (0, self.used)))
        return self.used - 1

    def put(self, group: Group, core: int) -> None:
        """Place a group that is nowhere."""
        self._move(group, core, 1)
        self.core[group.units] = core
        self._out[core] += self._reach[group.units].sum()

    def take(self, group: Group) -> int:
        """Take a group from its core, and say which it was."""
        core = int(self.core[group.units[0]])
        self._out[core] -= self._reach[group.units].sum()
        self.core[group.units] = NOWHERE
        self._move(group, core, -1)
        return core

    def _move(self, group: Group, core: int, sign: int) -> None:
        """Add or remove the group's synapses; its own units are nowhere."""
        heard = self._heard[core]
        before = heard[group.sources]
        after = before + sign * group.synapses
        heard[group.sources] = after
        self._neurons[core] += sign * group.units.size
        self._memory[core] += (self.chip.memory(after) - self.chip.memory(before)).sum()
        changed = group.sources[(before == 0) != (after == 0)]
        self._in[core] += sign * changed.size
        self._reach[changed] += sign
        homes = self.core[changed]
        np.add.at(self._out, homes[homes != NOWHERE], sign)

    def broken(self, group: Group, core: int) -> str | None:
        """The limit that a group that is nowhere would break on a core, if it would break one.

        Core number ``used`` is an empty one.
        """
        chip, before = self.chip, self._heard[core, group.sources]
        if self._neurons[core] + group.units.size > chip.neurons_per_core:
            return LIMITS[0]
        if chip.synapse_memory_bits is not None:
            more = (chip.memory(before + group.synapses) - chip.memory(before)).sum()
            if self._memory[core] + more > chip.synapse_memory_bits:
                return LIMITS[1]
        new = group.sources[before == 0]
        if chip.axons_in is not None and self._in[core] + new.size > chip.axons_in:
            return LIMITS[2]
        if chip.axons_out is not None:
            more = self._more_axons_out(group, core, new)
            if (self._out + more > chip.axons_out)[more > 0].any():
                return LIMITS[3]
        return None

    def _more_axons_out(self, group: Group, core: int, new: Index) -> Index:
        """Axons out that every core would need if a group were put on ``core``."""
        homes = np.where(np.isin(new, group.units), core, self.core[new])
        more = np.bincount(homes[homes != NOWHERE], minlength=self._out.size)
        more[core] += self._reach[group.units].sum()
        return np.asarray(more, np.int64)

    def costs(self, group: Group) -> Array:
        """Messages that a group that is nowhere would add on each open core, ``(cores,)``."""
        heard = self._heard[: self.used]
        new = heard[:, group.sources] == 0
        homes = self.core[group.sources]
        rates = np.where(homes == NOWHERE, 0.0, self.rates[group.sources])
        incoming = new @ rates
        placed = np.flatnonzero(homes != NOWHERE)
        there = homes[placed]
        np.subtract.at(incoming, there, new[there, placed] * rates[placed])
        own = self.rates[group.units]
        outgoing = own @ self._reach[group.units] - (heard[:, group.units] > 0) @ own
        return np.asarray(incoming + outgoing, np.float64)

    def messages(self) -> float:
        """Messages of what is placed."""
        placed = np.flatnonzero(self.core != NOWHERE)
        own = self._heard[self.core[placed], placed] > 0
        return float(self.rates[placed] @ (self._reach[placed] - own))

    def bound(self, groups: Sequence[Group]) -> int:
        """Cores that groups take at least."""
        chip = self.chip
        units = sum(group.units.size for group in groups)
        synapses = sum(int(group.synapses.sum()) for group in groups)
        found = [-(-units // chip.neurons_per_core)]
        if chip.synapse_memory_bits is not None:
            found.append(-(-synapses * chip.bits_per_synapse // chip.synapse_memory_bits))
        return max(found)

    def fits(self, group: Group, cores: Sequence[int]) -> int | None:
        """The first of these cores that has room for a group that is nowhere."""
        for core in cores:
            limit = self.broken(group, core)
            if limit is None:
                return core
            self.refusals[limit] += 1
        return None

    def numbered(self) -> NDArray[np.int64]:
        """Core of every unit; cores that became empty left out, in order of their first unit."""
        _, first, inverse = np.unique(self.core, return_index=True, return_inverse=True)
        rank = np.empty(first.size, np.int64)
        rank[np.argsort(first)] = np.arange(first.size)
        return rank[inverse]
