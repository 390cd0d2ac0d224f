"""lower: turn the staircases into spiking neurons of one coding."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from pinnir.base.errors import PipelineError
from pinnir.codings import CODINGS, lower_with
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.neurons.delta import MOST_HYSTERESIS
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# Options that only some codings have.
_OWN = {
    "hysteresis": ("delta",),
    "events": ("delta",),
    **dict.fromkeys(
        ("schedule", "eta", "decay", "delay", "scale", "inputs", "levels"), ("signgd",)
    ),
}

# Codings that need no levels: their neurons follow the activations themselves.
_OF_TENSORS = ("signgd",)


@dataclass(frozen=True)
class Lower(Pass):
    """Turn staircases, or activations themselves, into spiking neurons of one coding.

    Attributes:
        coding: Name in the CODINGS table.
        steps: Time steps T of one inference (rate coding; population needs one).
        hysteresis: Levels by which a potential must leave its level's interval before the level
            changes (delta coding).
        events: Whether a change of level is ``unit`` events or one ``graded`` event (delta coding).
        schedule: How steps become shorter (signgd coding; so is what follows).
        eta: The first step of a layer, in units of a neuron's scale; 0 to choose it.
        decay: Of an exponential schedule; 0 to choose it.
        delay: Steps between the starts of a layer and the next; -1 to choose it.
        scale: Of steps: half of each ``neuron``'s range; or 1, with estimates from 0 on (``none``).
        inputs: Whether analog inputs enter ``exact``, or neurons follow them (``spikes``).
        levels: Of the population program beside it; 0 for none.
    """

    name = "lower"
    accepts = (Level.STAIRCASE, Level.TENSOR)
    limits = (
        ("steps", 1, 2**20), ("hysteresis", 0, MOST_HYSTERESIS), ("eta", 0, 1e6), ("decay", 0, 1),
        ("delay", -1, 2**20), ("levels", 0, 2**20),
    )  # fmt: skip

    coding: str = "population"
    steps: int = 1
    hysteresis: float = 0.0
    events: Literal["unit", "graded"] = "unit"
    schedule: Literal["exponential", "inverse", "constant"] = "exponential"
    eta: float = 0.0
    decay: float = 0.0
    delay: float = -1.0
    scale: Literal["neuron", "none"] = "neuron"
    inputs: Literal["exact", "spikes"] = "exact"
    levels: int = 256

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Hand the staircase graph to the coding.

        Raises:
            PipelineError: If there is no such coding, it has no such option, or it lowers graphs
                of another level.
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
        wanted = Level.TENSOR if self.coding in _OF_TENSORS else Level.STAIRCASE
        if self.coding in CODINGS and graph.level is not wanted:
            raise PipelineError(
                f"coding {self.coding} takes a {wanted.value} graph, not a {graph.level.value} "
                "graph", node=self.name, op="pass", hint="check the order of the pipeline",
            )  # fmt: skip
        beside = own.pop("levels", self.levels)
        lowered = lower_with(self.coding, graph, context, self.steps, own)
        several = any(isinstance(n.op, Activation) and n.op.arguments > 1 for n in graph.nodes)
        if self.coding not in _OF_TENSORS or several or not beside:
            return lowered  # no staircase is a function of several values
        rounded = QuantiseActivations(levels=beside).apply(graph, context)
        return replace(lower_with("population", rounded, context, 1), streamed=lowered)
