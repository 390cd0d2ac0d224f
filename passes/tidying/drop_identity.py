"""drop-identity: remove nodes that hand their operand on unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.ir.graph import Graph, Level, Node, Primitive
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class DropIdentity(Pass):
    """Replace Identity (and the casts the frontend turned into it) by its operand."""

    name = "drop-identity"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Users of an identity use its operand instead."""
        return graph.rewrite(_skip)


def _skip(node: Node) -> Node:
    if isinstance(node.op, Primitive) and node.op.kind == "Identity":
        return node.operands[0]
    return node
