"""drop-identity: remove nodes that hand their operand on unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.ir.graph import Graph, Level, kind_of
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class DropIdentity(Pass):
    """Replace Identity (and the casts the frontend turned into it) by its operand."""

    name = "drop-identity"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Users of an identity use its operand instead."""
        return graph.rewrite(lambda n: n.operands[0] if kind_of(n) == "Identity" else n)
