"""Units onto Loihi's cores: one after the other, as many as a core holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.sanafe.network import Network
from pinnir.errors import LegalizeError

CORES = 128
UNITS = 1024
# Weights of 8 bits in a core's 128 KiB of synapse memory.
SYNAPSES = 131_072


def place(network: Network) -> list[NDArray[np.int32]]:
    """The core of every unit, ``(units,)`` for each group.

    Raises:
        LegalizeError: If the chip is too small.
    """
    fan_in = {group.name: np.zeros(group.units, np.int64) for group in network.groups}
    for one in network.synapses:
        fan_in[one.target] += np.count_nonzero(one.weight, axis=1)
    core = units = synapses = 0
    found = []
    for group in network.groups:
        cores = np.empty(group.units, np.int32)
        for unit, count in enumerate(fan_in[group.name]):
            if units == UNITS or (units and synapses + count > SYNAPSES):
                core, units, synapses = core + 1, 0, 0
            cores[unit] = core
            units, synapses = units + 1, synapses + int(count)
        found.append(cores)
    if core >= CORES:
        raise LegalizeError(
            f"the program takes {core + 1} cores, and Loihi has {CORES} of {UNITS} units and "
            f"{SYNAPSES} synapses each",
            hint="compile with fewer levels or a larger tolerance",
        )
    return found
