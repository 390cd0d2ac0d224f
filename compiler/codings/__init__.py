"""How a real number travels as spikes: one file a coding, one line in the table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pinnir.errors import PipelineError

if TYPE_CHECKING:
    from pinnir.ir import Graph
    from pinnir.manager import Context

# name -> function (staircase graph, context, steps) -> spiking graph
CODINGS: dict[str, str] = {
    "population": "pinnir.codings.population:lower",
    "rate": "pinnir.codings.rate:lower",
}


def lower_with(coding: str, graph: Graph, context: Context, steps: int) -> Graph:
    """Lower a staircase graph with the coding of that name.

    Raises:
        PipelineError: If there is none.
    """
    if coding not in CODINGS:
        raise PipelineError("unknown coding", node=coding, hint=f"known are {', '.join(CODINGS)}")
    module, _, attribute = CODINGS[coding].partition(":")
    lowered: Graph = getattr(importlib.import_module(module), attribute)(graph, context, steps)
    return lowered
