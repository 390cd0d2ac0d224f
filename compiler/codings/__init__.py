"""How a real number travels as spikes: one file a coding, one line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.base.registry import imported, look_up

if TYPE_CHECKING:
    from pinnir.base.targets import Target
    from pinnir.ir.graph import Graph
    from pinnir.pipeline.context import Context

_NONE: Mapping[str, Any] = MappingProxyType({})

# name -> function (staircase or tensor graph, context, steps, own options) -> spiking graph
CODINGS: dict[str, str] = {
    "population": "pinnir.codings.population:lower",
    "rate": "pinnir.codings.rate:lower",
    "phase": "pinnir.codings.phase:lower",
    "delta": "pinnir.codings.delta:lower",
    "signgd": "pinnir.codings.signgd:lower",
}

# Codings whose neurons NIR cannot say, and what these must be able to: only targets with
# programmable neurons run them.
PROGRAMMABLE: dict[str, str] = {
    "phase": "read and send digits",
    "delta": "keep state while points are streamed",
    "signgd": "follow functions",
}


def check_programmable(coding: str, target: Target, *, node: str = "", op: str = "") -> None:
    """Find out whether a target's neurons can do what a coding needs.

    Raises:
        LegalizeError: If it needs programmable neurons and there are none; of this node.
    """
    if coding in PROGRAMMABLE and not target.programmable:
        raise LegalizeError(
            f"{coding} coding needs neurons that {PROGRAMMABLE[coding]}, and target {target.name} "
            "has no programmable neurons",
            node=node,
            op=op,
            hint="compile with --target programmable, or with another --coding",
        )


def lower_with(
    coding: str, graph: Graph, context: Context, steps: int, options: Mapping[str, Any] = _NONE
) -> Graph:
    """Lower a graph with the coding of that name.

    Args:
        coding: In the CODINGS table.
        graph: Staircase graph; of a coding that needs no levels, tensor graph.
        context: Of the pass.
        steps: Time steps of one inference.
        options: That only this coding has, by name.

    Raises:
        PipelineError: If there is none, or what the coding raises.
    """
    lower = imported(look_up(CODINGS, coding, "coding", PipelineError))
    lowered: Graph = lower(graph, context, steps, **options)
    return lowered
