"""Linear operators of the columns of a value: what synapses can take over.

Sums (residual connections), scalings, joins and cuts of columns are affine maps of every row of
their operands, as a matrix product is. So the value of any chain of them is

    b + sum_s x_s W_s^T

over the values ``x_s`` where the chain starts: a sum of affine maps, each of one value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import compress

import numpy as np

from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Affine, Constant, Graph, Node, Primitive
from pinnir.ir.sample_axes import Layout, columns_in, is_table
from pinnir.numerics.matrix import Array, dense


def is_linear(node: Node, layouts: Mapping[Node, Layout]) -> bool:
    """Whether a node is an affine map of each row of its operands, ``(samples, columns)`` each."""
    moving = [not isinstance(operand.op, Constant) for operand in node.operands]
    shapes = [layouts[one] for one in (node, *compress(node.operands, moving))]
    if not any(moving) or not all(is_table(s) and s[0] == shapes[0][0] for s in shapes):
        return False
    if isinstance(node.op, Affine):
        return True
    if not isinstance(node.op, Primitive):
        return False
    row = node.op.operator
    joined = row.elementwise or row.linear != "all" or all(moving)  # no rows that are fixed
    return row.synapses and joined and row.is_linear_in(moving)


def followed(graph: Graph) -> set[Node]:
    """Nodes behind which a matrix product comes."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if any(isinstance(user.op, Affine) or user in found for user in graph.users[node]):
            found.add(node)
    return found


def starts(node: Node, stop: Callable[[Node], bool]) -> dict[Node, None]:
    """Where the linear chain that ends in ``node`` starts: the nearest nodes that ``stop``."""
    found: dict[Node, None] = {}
    seen, waiting = {node}, [node]
    while waiting:
        current = waiting.pop()
        if stop(current):
            found[current] = None
            continue
        inner = [o for o in current.operands if not (isinstance(o.op, Constant) or o in seen)]
        seen.update(inner)
        waiting.extend(reversed(inner))
    return found


# A sum of affine maps: weights ``(columns, columns of the source)`` by source, and the bias
# ``(columns,)``.
Combination = tuple[Mapping[Node, Array], Array]


class Combiner:
    """The combinations of linear nodes.

    Args:
        layouts: Of all nodes of the graph.
        stop: Where chains start.
    """

    def __init__(self, layouts: Mapping[Node, Layout], stop: Callable[[Node], bool]) -> None:
        self._layouts, self._stop = layouts, stop
        self._known: dict[Node, Combination] = {}

    def of(self, node: Node) -> Combination:
        """The node's value as a combination of the values its chain starts at."""
        if node not in self._known:
            self._known[node] = self._combine(node)
        return self._known[node]

    def _combine(self, node: Node) -> Combination:
        columns = columns_in(self._layouts[node])
        if self._stop(node):
            return {node: np.eye(columns)}, np.zeros(columns)
        parts = {o: self.of(o) for o in node.operands if not isinstance(o.op, Constant)}
        bias = _rows(node, {o: own[None] for o, (_, own) in parts.items()})[0]
        weights: dict[Node, Array] = {}
        for source in dict.fromkeys(s for own, _ in parts.values() for s in own):
            # Each column of the source in turn is one, and all else zero.
            nothing = np.zeros((columns_in(self._layouts[source]), 1))
            rows = {
                o: own[source].T
                if source in own
                else np.broadcast_to(nothing, (len(nothing), shift.size))
                for o, (own, shift) in parts.items()
            }
            weights[source] = np.ascontiguousarray(_rows(node, rows, shifts=False).T)
        return weights, bias


def _rows(node: Node, rows: Mapping[Node, Array], *, shifts: bool = True) -> Array:
    """The node's value where its operands have these rows, with or without what it adds to all."""
    if isinstance(node.op, Affine):
        total = sum(rows[operand] for operand in node.operands)
        value = total @ dense(node.op.weight).T
        return np.asarray(value + node.op.bias if shifts else value)
    fixed = {o: o.op.value for o in node.operands if isinstance(o.op, Constant)}
    if not shifts and node.op_as(Primitive).operator.linear == "all":
        fixed = {operand: np.zeros_like(value) for operand, value in fixed.items()}
    return compute_node(node, {**rows, **fixed})
