"""place: the core of a chip for every unit, so that few spikes travel between cores.

The pass changes nothing that the program does. It runs the graph on calibration points to see how
often units fire, keeps the limits of the chip (``base/targets.py``), and notes the core of every
unit on the graph; a program keeps it in its manifest. Nothing that changes populations may follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pinnir.base.chips import find_chip
from pinnir.ir.graph import Graph, Level
from pinnir.mapping.connectivity import connectivity
from pinnir.mapping.firing_rates import graph_rates
from pinnir.mapping.place import place
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class Place(Pass):
    """Put every unit on a core of a chip, within its limits, with few spikes between cores.

    Attributes:
        chip: Name in the CHIPS table.
        chips: How many such chips there are.
        seed: Of the search.
    """

    name = "place"
    accepts = (Level.SPIKING,)
    limits = (("chips", 1, 2**10), ("seed", 0, 2**32 - 1))

    chip: str = "loihi1"
    chips: int = 1
    seed: int = 0

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Note the core of every unit.

        Raises:
            LegalizeError: If there is no such chip, or the units do not fit.
        """
        chip = find_chip(self.chip)
        wiring = connectivity([graph.executed])
        placed, _ = place(wiring, graph_rates(graph, context), chip, self.chips, self.seed)
        return replace(graph, placement=placed)
