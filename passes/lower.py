"""lower: turn the staircases into spiking neurons of one coding."""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.codings import lower_with
from pinnir.ir import Graph, Level
from pinnir.manager import Context, Pass


@dataclass(frozen=True)
class Lower(Pass):
    """Turn the staircases into spiking neurons of one coding.

    Attributes:
        coding: Name in the CODINGS table.
        steps: Time steps T of one inference (rate coding; population needs one).
    """

    name = "lower"
    accepts = (Level.STAIRCASE,)
    limits = (("steps", 1, 2**20),)

    coding: str = "population"
    steps: int = 1

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Hand the staircase graph to the coding."""
        return lower_with(self.coding, graph, context, self.steps)
