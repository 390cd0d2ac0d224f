"""lower: turn the staircases into spiking neurons of one coding."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from pinnir.codings import lower_with
from pinnir.errors import PipelineError
from pinnir.ir import Graph, Level
from pinnir.manager import Context, Pass
from pinnir.neurons.delta import MOST_HYSTERESIS

# Options that only some codings have.
_OWN = {"hysteresis": ("delta",), "events": ("delta",)}


@dataclass(frozen=True)
class Lower(Pass):
    """Turn the staircases into spiking neurons of one coding.

    Attributes:
        coding: Name in the CODINGS table.
        steps: Time steps T of one inference (rate coding; population needs one).
        hysteresis: Levels by which a potential must leave its level's interval before the level
            changes (delta coding).
        events: Whether a change of level is ``unit`` events or one ``graded`` event (delta coding).
    """

    name = "lower"
    accepts = (Level.STAIRCASE,)
    limits = (("steps", 1, 2**20), ("hysteresis", 0, MOST_HYSTERESIS))

    coding: str = "population"
    steps: int = 1
    hysteresis: float = 0.0
    events: Literal["unit", "graded"] = "unit"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Hand the staircase graph to the coding.

        Raises:
            PipelineError: If there is no such coding, or it has no such option.
        """
        own = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name in _OWN and getattr(self, one.name) != one.default
        }
        for name in own:
            if self.coding not in _OWN[name]:
                raise PipelineError(
                    f"coding {self.coding} has no option {name!r}", node=self.name, op="pass",
                    hint=f"it belongs to {', '.join(_OWN[name])}",
                )  # fmt: skip
        return lower_with(self.coding, graph, context, self.steps, own)
