"""Units onto Loihi's cores: as the program was placed, and what adds up outputs on one more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.sanafe.network import LoihiCore, SomaGroup
from pinnir.base.chips import LOIHI_1
from pinnir.base.errors import LegalizeError
from pinnir.ir.placement import Placement
from pinnir.program.placing import place_program
from pinnir.program.program import Program

# Of every group of a network, the core of each of its units.
Chip = list[NDArray[np.int32]]


def place(program: Program, networks: Sequence[LoihiCore]) -> list[Chip]:
    """The core of every unit, ``(units,)`` for each group of each network.

    A placement on one Loihi 1 that the program brings is kept to; else it is placed here.

    Raises:
        LegalizeError: If the chip is too small.
    """
    placed = program.placement
    if placed is None or placed.chip is not LOIHI_1 or placed.chips > 1:
        placed, _ = place_program(program, LOIHI_1)
    if placed.used == placed.available:
        raise LegalizeError(
            f"the program takes all {placed.available} cores, and what adds up its outputs takes "
            "one more",
            hint="compile with fewer levels or a larger tolerance",
        )
    return [[_cores(placed, group) for group in one.network.groups] for one in networks]


def _cores(placed: Placement, group: SomaGroup) -> NDArray[np.int32]:
    if group.node is None:
        return np.full(group.units, placed.used, np.int32)
    return placed.cores[group.node.name].astype(np.int32)
