"""fold-constants: compute what depends on constants only."""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.ir import Constant, Graph, Level, Node, Primitive
from pinnir.manager import Context, Pass
from pinnir.primitives import compute


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Replace a primitive whose operands are all constants by its value."""

    name = "fold-constants"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fold bottom-up, so that whole constant subgraphs collapse."""
        return graph.rewrite(_fold)


def _fold(node: Node) -> Node:
    values = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    if not isinstance(node.op, Primitive) or len(values) != len(node.operands):
        return node
    return Node(node.name, Constant(compute(node.op.kind, node.op.attributes, values, node.name)))
