"""flatten-features: images, patches and channels as tables, so that a core can hold them.

Every value of a network with one sample axis becomes ``(samples, columns)`` (``tables.py``).

1. Regrouping operators vanish; what is linear becomes an affine map.
2. Element-wise operators stay. Operands that they would broadcast are spread by maps of zeros and
   ones, constants are written out.
3. Normalisations, softmax, poolings and products of computed matrices become maps and element-wise
   operators (``decompositions.py``).
4. Functions that expand columns come first (``expansions.py``).

What is left that is no affine map takes one value, or several (``join-arguments``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Constant, Graph, Input, Level, Node, Primitive, is_elementwise
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import axes_of, layouts
from pinnir.ir.value_types import is_floating
from pinnir.passes.tidying.decompositions import DECOMPOSITIONS
from pinnir.passes.tidying.expansions import with_expansions
from pinnir.passes.tidying.tables import Tables, picking, refusal
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FlattenFeatures(Pass):
    """Turn values of several feature dimensions into tables, and what takes them into maps."""

    name = "flatten-features"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Rebuild the graph on tables.

        Raises:
            LegalizeError: If a value has several sample axes, or an operator no form on tables;
                or an output is no table.
        """
        graph = with_expansions(graph)
        tables = Tables(layouts(graph), Names.of(graph))
        for node in graph.nodes:
            if isinstance(node.op, Input | Constant):
                tables.new[node] = node
            elif is_floating(node):  # else shapes and indices, whose users need them no more
                tables.new[node] = _table(tables, node)
        for node in graph.outputs:
            if len(tables.layouts[node]) != 2:
                problem = f"is an output of {len(tables.layouts[node])} dimensions"
                hint = "let the network give (samples, columns)"
                raise node.error(LegalizeError, problem, hint)
        return graph.replaced(tables.new)


def _table(tables: Tables, node: Node) -> Node:
    """The node in the place of one whose operands have their tables."""
    layout = tables.layouts[node]
    if len(axes_of(layout)) != 1:
        raise refusal(node, "does not run along one sample axis")
    if isinstance(node.op, Affine) and len(layout) == 2:
        return node.with_operands(*(tables.new[operand] for operand in node.operands))
    if tables.keep_order(node):
        return Node(node.name, Primitive("Identity"), (tables.new[node.operands[0]],))
    if is_elementwise(node):
        spread = (_spread(tables, node, number) for number in range(len(node.operands)))
        return Node(node.name, node.op, tuple(spread))
    moving = [not isinstance(one.op, Constant) and is_floating(one) for one in node.operands]
    if isinstance(node.op, Primitive):
        if node.op.operator.is_linear_in(moving):
            return _map(tables, node, moving)
        if node.op.kind in DECOMPOSITIONS and any(moving):
            return DECOMPOSITIONS[node.op.kind](tables, node)
    raise refusal(node, "has no form on columns that neurons could follow")


def _map(tables: Tables, node: Node, moving: Sequence[bool]) -> Node:
    """Case 1."""
    parts: list[Node] = []
    sources = dict.fromkeys(compress(node.operands, moving))
    for number, operand in enumerate(sources):
        weight, bias = tables.matrix_of(node, operand)
        op = Affine(weight, np.zeros_like(bias) if number else bias)
        label = "" if len(sources) == 1 else f"{number}"
        parts.append(tables.part(node, label, op, tables.new[operand]))
    return parts[0] if len(parts) == 1 else tables.part(node, "", Primitive("Sum"), *parts)


def _spread(tables: Tables, node: Node, number: int) -> Node:
    """Case 2: an operand with a column for each of the operator's."""
    operand, shape = node.operands[number], tables.entries(node).shape
    if isinstance(operand.op, Constant):
        value = operand.op.value
        whole = np.broadcast_to(value, shape).reshape(-1)
        return Node(
            tables.name(node, f"{number}"),
            Constant(value.reshape(()) if value.size == 1 else whole),
        )
    own = tables.entries(operand)
    if own.shape == shape:
        return tables.new[operand]
    op = picking(np.broadcast_to(own, shape), tables.columns(operand))
    return tables.part(node, f"spread{number}", op, tables.new[operand])
