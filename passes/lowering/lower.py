"""lower: turn the staircases into spiking neurons of one coding."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from pinnir.base.errors import PipelineError
from pinnir.codings import CODINGS, find_coding
from pinnir.codings.coding import Coding
from pinnir.codings.population import PopulationCoding
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass
from pinnir.pipeline.options import defaults, no_such_option, read_options, written_options

_POPULATION = PopulationCoding()


@dataclass(frozen=True)
class Lower(Pass):
    """Turn staircases, or activations themselves, into spiking neurons of one coding.

    In text, the options of its coding stand beside its own.

    Attributes:
        coding: One of the CODINGS table, with its options.
        steps: Time steps T of one inference (rate coding; population needs one).
    """

    name = "lower"
    accepts = (Level.STAIRCASE, Level.TENSOR)
    limits = (("steps", 1, 2**20),)

    coding: Coding = _POPULATION
    steps: int = 1

    @classmethod
    def of(cls, options: dict[str, str]) -> Self:
        """The pass with its own options and those of its coding, given as text.

        Raises:
            PipelineError: If there is no such coding, or it has no such option.
        """
        coding = find_coding(options.get("coding", _POPULATION.name))
        own = {key: text for key, text in options.items() if key not in ("coding", "steps")}
        names = [one.name for one in fields(coding)]
        for key in own:
            if key not in names:
                raise _not_of(coding.name, key)
        made = coding(**read_options(coding, own, cls.name))
        steps = {key: text for key, text in options.items() if key == "steps"}
        return cls(made, **read_options(cls, steps, cls.name))

    @classmethod
    def options(cls) -> list[str]:
        """Its own options, and those of all codings."""
        codings = [option for name in CODINGS for option in defaults(find_coding(name))]
        return [*defaults(cls), *codings]

    def written(self, *, spelled: bool) -> list[tuple[str, Any]]:
        """Its own options, and those of the coding."""
        always = ("coding", "steps") if not self.coding.length else ("coding",)
        own = written_options(self, always if spelled else ())
        return [*own, *written_options(self.coding)]

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Hand the graph to the coding.

        Raises:
            PipelineError: If the coding lowers graphs of another level.
        """
        coding = self.coding
        if graph.level is not coding.takes:
            wanted, found = coding.takes.value, graph.level.value
            problem = f"coding {coding} takes a {wanted} graph, not a {found} graph"
            raise self.refusal(problem, "check the order of the pipeline")
        lowered = coding.lower(graph, context, self.steps)
        several = any(isinstance(n.op, Activation) and n.op.arguments > 1 for n in graph.nodes)
        if several or not coding.levels_beside:
            return lowered  # no staircase is a function of several values
        rounded = QuantiseActivations(levels=coding.levels_beside).apply(graph, context)
        return replace(_POPULATION.lower(rounded, context, 1), streamed=lowered)


def _not_of(coding: str, option: str) -> PipelineError:
    """The error of an option that a coding does not have."""
    owners = [n for n in CODINGS if option in {one.name for one in fields(find_coding(n))}]
    if not owners:
        known = [text.partition("=")[0] for text in Lower.options()]
        return no_such_option(Lower.name, option, known)
    problem = f"coding {coding} has no option {option!r}"
    return Lower.refusal(problem, f"it belongs to {', '.join(owners)}")
