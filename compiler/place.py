"""Place the units of a program on the cores of a chip, or refuse with the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from pinnir.connectivity import Connectivity, connectivity
from pinnir.errors import LegalizeError
from pinnir.firing_rates import program_rates
from pinnir.ir import Array
from pinnir.packing import Packing
from pinnir.partition import CHEAPEST, fitting_groups, pack, partition
from pinnir.placement import Occupancy, Placement, occupancy
from pinnir.program import Program
from pinnir.target import Cores

_UNITS = {"neurons": "neurons", "synapse memory": "bits", "axons in": "axons",
          "axons out": "axons"}  # fmt: skip


def place(
    wiring: Connectivity,
    rates: Mapping[str, Array],
    chip: Cores,
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
    flat = flat_rates(wiring, rates)
    found = partition(wiring, flat, chip, chips * chip.cores_per_chip, seed)
    if found is None:
        raise refusal(wiring, flat, chip, chips)
    cores = wiring.by_population(found.cores)
    placement = Placement(chip, chips, cores, found.messages, found.greedy, found.method)
    return placement, occupancy(wiring, flat, found.cores, chip)


def place_program(
    program: Program, chip: Cores, chips: int = 1, seed: int = 0
) -> tuple[Placement, Occupancy]:
    """Place a program's units, by the spikes of a run; as :func:`place`."""
    return place(connectivity(program.running), program_rates(program, seed), chip, chips, seed)


def flat_rates(wiring: Connectivity, rates: Mapping[str, Array]) -> Array:
    """Rates by population as those of all units, ``(units,)``."""
    return np.concatenate([np.zeros(0), *(rates[name] for name, _ in wiring.populations)])


def refusal(wiring: Connectivity, rates: Array, chip: Cores, chips: int) -> LegalizeError:
    """What does not fit, and what would."""
    most = chips * chip.cores_per_chip
    packing = Packing(wiring, rates, chip, wiring.units)
    placed = pack(packing, fitting_groups(wiring, rates, chip), CHEAPEST)
    if placed is None:
        return LegalizeError(
            f"spikes of single units go to more cores than a core of {chip.name} has axons out "
            f"({chip.axons_out:,})",
            hint="compile with fewer levels or units per neuron, or for another chip",
        )
    held = occupancy(wiring, rates, packing.numbered(), chip)
    limits = held.limits(chip)
    fill = {name: used.sum() / (limit * packing.used) for name, (used, limit) in limits.items()}
    tight = max(fill, key=lambda name: fill[name])
    used, limit = limits[tight]
    plural = "s" if chips > 1 else ""
    share = min(1.0, most / packing.used)
    # Synapses go with the square of the units of a neuron, axons and neurons with their number.
    units = sqrt(share) if tight == "synapse memory" else share
    return LegalizeError(
        f"the program needs {packing.used:,} cores, {chips} chip{plural} {chip.name} "
        f"ha{'ve' if chips > 1 else 's'} {most:,}; what binds is {tight}: "
        f"{used.sum():,} {_UNITS[tight]}, and a core holds {limit:,} "
        f"({wiring.units:,} units with {wiring.synapses:,} synapses in all)",
        hint=f"it fits on {-(-packing.used // chip.cores_per_chip)} chips, or with about "
        f"{units:.0%} of the units a neuron (population coding: {units**2:.0%} of the levels)",
    )
