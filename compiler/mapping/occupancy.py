"""Which core of a chip every unit is on, and what that means: fill of the cores, and traffic.

A message is a spike on its way to one core: a spike that units on ``k`` other cores hear costs
``k`` messages, whatever the distance. Spikes that stay on their core, analog input and the
read-out cost none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pinnir.base.chips import Chip
from pinnir.ir.placement import Index
from pinnir.mapping.connectivity import Connectivity
from pinnir.numerics.matrix import Array


@dataclass(frozen=True, eq=False)
class Occupancy:
    """What the cores hold and send.

    Attributes:
        neurons: Units on each core, ``(cores,)``.
        synapses: Flattened synapses that end there, likewise.
        memory: Bits that they take, likewise.
        axons_in: Different units that they come from, likewise.
        axons_out: Pairs of a unit there and a core that hears it, its own included, likewise.
        traffic: Messages per inference from core to core, ``(cores, cores)``, zero diagonal.
        local: Spikes per inference that units of their own core hear.
        read_out: Spikes per inference that the host reads as outputs.
    """

    neurons: Index
    synapses: Index
    memory: Index
    axons_in: Index
    axons_out: Index
    traffic: Array
    local: float
    read_out: float

    @property
    def messages(self) -> float:
        """Messages per inference between cores."""
        return float(self.traffic.sum())

    def limits(self, chip: Chip) -> dict[str, tuple[Index, int]]:
        """What each core holds, and the most that it can, of everything that the chip limits."""
        held = {
            "neurons": (self.neurons, chip.neurons_per_core),
            "synapse memory": (self.memory, chip.synapse_memory_bits),
            "axons in": (self.axons_in, chip.axons_in),
            "axons out": (self.axons_out, chip.axons_out),
        }
        return {name: (used, most) for name, (used, most) in held.items() if most is not None}


def occupancy(wiring: Connectivity, rates: Array, cores: Index, chip: Chip) -> Occupancy:
    """What cores hold and send.

    Args:
        wiring: The units and their synapses.
        rates: Mean spikes of every unit per inference, ``(units,)``.
        cores: Core of every unit, ``(units,)``.
        chip: Says how many bits synapses take.
    """
    heard = synapses_by_core(wiring, cores)
    there = heard > 0
    count = len(heard)
    sent = there * rates  # (cores, units)
    traffic: Array = np.array([np.bincount(cores, one, count) for one in sent], np.float64).T
    local = float(np.diag(traffic).sum())
    np.fill_diagonal(traffic, 0)
    return Occupancy(
        neurons=np.bincount(cores, minlength=count).astype(np.int64),
        synapses=heard.sum(axis=1),
        memory=chip.memory(heard).sum(axis=1),
        axons_in=there.sum(axis=1),
        axons_out=np.bincount(cores, there.sum(axis=0), count).astype(np.int64),
        traffic=traffic,
        local=local,
        read_out=float(rates @ wiring.read_out),
    )


def synapses_by_core(wiring: Connectivity, cores: Index) -> NDArray[np.int64]:
    """Synapses from every unit to units of each core, ``(cores, units)``."""
    count = int(cores.max(initial=-1)) + 1
    rows = wiring.fan_in.shape[0]
    ones = np.ones(cores.size, np.int64)
    units = csr_array((ones, (cores, wiring.row)), shape=(count, rows))
    synapses: NDArray[np.int64] = (units @ wiring.fan_in.astype(np.int64)).toarray()
    return synapses
