"""fold-constants: compute what does not depend on the points.

1. A primitive whose operands are all constants.
2. What is made from the shapes of values, where it is the same for every number of points: older
   exporters spell ``columns // 3`` that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pinnir.ir.evaluate import compute
from pinnir.ir.graph import Constant, Graph, Level, Node, Primitive
from pinnir.ir.sample_axes import Tensor, fixed_counts
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Replace what does not depend on the points by its value."""

    name = "fold-constants"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fold bottom-up, so that whole constant subgraphs collapse."""
        counts = fixed_counts(graph)
        return graph.rewrite(lambda node: _fold(node, counts))


def _fold(node: Node, counts: Mapping[str, Tensor]) -> Node:
    if not isinstance(node.op, Primitive):
        return node
    if node.name in counts:
        return Node(node.name, Constant(counts[node.name]))
    values = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    if len(values) != len(node.operands):
        return node
    return Node(node.name, Constant(compute(node.op.kind, node.op.attributes, values, node.name)))
