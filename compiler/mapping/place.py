"""Place the units of a program on the cores of a chip, or refuse with the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from pinnir.base.chips import Chip
from pinnir.base.errors import LegalizeError
from pinnir.ir.placement import Placement
from pinnir.mapping.connectivity import Connectivity
from pinnir.mapping.occupancy import Occupancy, occupancy
from pinnir.mapping.packing import LIMITS, Packing
from pinnir.mapping.partition import CHEAPEST, fitting_groups, pack, partition
from pinnir.numerics.matrix import Array

# What is counted of each limit.
_COUNTED = dict(zip(LIMITS, ("neurons", "bits", "axons", "axons"), strict=True))


def place(
    wiring: Connectivity,
    rates: Mapping[str, Array],
    chip: Chip,
    chips: int = 1,
    seed: int = 0,
) -> tuple[Placement, Occupancy]:
    """Place units so that few spikes travel between cores.

    Args:
        wiring: The units and their synapses.
        rates: Mean spikes of every unit per inference, ``(units,)`` by population.
        chip: Its limits are kept.
        chips: How many such chips.
        seed: Of the search.

    Returns:
        The placement, and what the cores then hold and send.

    Raises:
        LegalizeError: If the units do not fit.
    """
    flat = np.concatenate([np.zeros(0), *(rates[name] for name, _ in wiring.populations)])
    found = partition(wiring, flat, chip, chips, seed)
    if found is None:
        raise refusal(wiring, flat, chip, chips)
    cores = np.concatenate([np.zeros(0, np.int64), *found.cores.values()])
    return found, occupancy(wiring, flat, cores, chip)


def refusal(wiring: Connectivity, rates: Array, chip: Chip, chips: int) -> LegalizeError:
    """What does not fit, and what would."""
    most, groups = chips * chip.cores_per_chip, fitting_groups(wiring, rates, chip)
    packing = Packing(wiring, rates, chip, wiring.units)
    if pack(packing, groups, CHEAPEST) is None:
        return LegalizeError(
            f"spikes of single units go to more cores than a core of {chip.name} has axons out "
            f"({chip.axons_out:,})",
            hint="compile with fewer levels or units per neuron, or for another chip",
        )
    tight = packing.refusals.most_common(1)[0][0]
    used, limit = occupancy(wiring, rates, packing.numbered(), chip).limits(chip)[tight]
    # Synapses go with the square of the units of a neuron, and so do the cores that hear them.
    share = most / packing.used
    units = sqrt(share) if tight in ("synapse memory", "axons out") else share
    told = f"{chips} chips {chip.name} have" if chips > 1 else f"1 chip {chip.name} has"
    return LegalizeError(
        f"the program needs {packing.used:,} cores ({packing.bound(groups):,} at the least), "
        f"{told} {most:,}; what binds is {tight}: {used.sum():,} {_COUNTED[tight]}, and a core "
        f"holds {limit:,} ({wiring.units:,} units with {wiring.synapses:,} synapses in all)",
        hint=f"it fits on {-(-packing.used // chip.cores_per_chip)} chips, or with about "
        f"{units:.0%} of the units a neuron (population coding: {units**2:.0%} of the levels)",
    )
