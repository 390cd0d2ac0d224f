"""Values whose entries follow one column each, and the functions of columns that they are.

An entry of a value *follows* a column of a table if it is made of that column and of constants, by
element-wise operators and by such that move entries. So a value of any dimensions may be a function
of each column of a table, or several functions: B-splines of a column are made by comparing it with
knots, and by a recursion over neighbouring splines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from pinnir.ir.evaluate import compute, evaluate
from pinnir.ir.graph import (
    Activation,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    is_elementwise,
    width,
)
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import Layout, Tensor, axes_of, is_table
from pinnir.ir.shape_values import made_of_shapes
from pinnir.ir.value_types import is_floating
from pinnir.numerics.matrix import Array
from pinnir.passes.tidying.tables import Indices

# An operand, and which of its entries each entry of a value is made of; -1 where of none.
Wire = tuple[Node, Indices]


@dataclass(frozen=True, eq=False)
class Followed:
    """What the entries of a value follow.

    Attributes:
        table: The table.
        columns: Which of its columns each entry follows, -1 for none; entries in their order in
            one sample.
        wide: Whether the value has other dimensions than a table, or is made of one that has.
    """

    table: Node
    columns: Indices
    wide: bool = False


class FollowedColumns:
    """What every value of a graph follows.

    Args:
        graph: A tensor graph.
        layouts: Of its nodes.
    """

    def __init__(self, graph: Graph, layouts: Mapping[Node, Layout]) -> None:
        self._graph, self._layouts = graph, layouts
        self._fixed = made_of_shapes(graph)
        self._fixed |= {node for node in graph.nodes if isinstance(node.op, Constant)}
        self._single = _single_sample(graph)
        self._found: dict[Node, Followed] = {}
        for node in graph.nodes:
            followed = self._followed(node)
            if followed is not None:
                self._found[node] = followed

    def __contains__(self, node: Node) -> bool:
        """Whether each of its entries follows one column of one table."""
        return node in self._found

    def __getitem__(self, node: Node) -> Followed:
        """What a node of them follows."""
        return self._found[node]

    def _followed(self, node: Node) -> Followed | None:
        if not self._is_regular(node):
            return None
        table, wide = None, not is_table(self._layouts[node])
        columns = np.full(self._single[node].size, -1)
        for operand, entries in self._wires(node):
            if isinstance(operand.op, Constant):
                continue
            known = self._known(operand)
            if known is None or (table is not None and known.table is not table):
                return None
            table, wide = known.table, wide or known.wide
            given = np.where(entries < 0, -1, known.columns[entries])
            if np.any((columns >= 0) & (given >= 0) & (columns != given)):
                return None
            columns = np.maximum(columns, given)
        return None if table is None or np.all(columns < 0) else Followed(table, columns, wide)

    def _is_regular(self, node: Node) -> bool:
        """Whether it runs along one sample axis, for a single sample as for many."""
        layout = self._layouts[node]
        alone = tuple(dim if isinstance(dim, int) else 1 for dim in layout)
        return len(axes_of(layout)) == 1 and self._single[node].shape == alone

    def _known(self, operand: Node) -> Followed | None:
        """What an operand follows: a table that follows no other follows itself."""
        if operand in self._found:
            return self._found[operand]
        table = is_table(self._layouts[operand]) and self._is_regular(operand)
        if not (table and is_floating(operand)):
            return None
        return Followed(operand, np.arange(self._single[operand].size))

    def _wires(self, node: Node) -> list[Wire]:
        """What the entries of a value are made of, none if not of single entries."""
        shape = self._single[node].shape
        if is_elementwise(node):
            given = isinstance(node.op, Activation) and (node.op.body or node.op.parameters)
            numbers = [_numbers(self._single[operand]) for operand in node.operands]
            spread = [np.broadcast_to(one, shape).reshape(-1) for one in numbers]
            return [] if given else list(zip(node.operands, spread, strict=True))
        op = node.op
        if not (isinstance(op, Primitive) and op.operator.moves):
            return []
        count = len(node.operands) if op.operator.linear == "all" else 1
        moved, where = node.operands[:count], node.operands[count:]
        if not self._fixed.issuperset(where):
            return []
        firsts = np.cumsum([0, *(self._single[one].size for one in moved)]).tolist()
        numbers = [
            first + _numbers(self._single[one]) for first, one in zip(firsts, moved, strict=False)
        ]
        places = [*numbers, *(self._single[one] for one in where)]
        origin = compute(op.kind, op.attributes, places, node.name).reshape(-1)
        return [
            (one, np.where((first <= origin) & (origin < end), origin - first, -1))
            for one, (first, end) in zip(moved, pairwise(firsts), strict=True)
        ]

    def function(self, value: Node, entries: Indices) -> Graph:
        """Entries of a value as functions of the columns that they follow.

        Args:
            value: It follows a table.
            entries: Which of its entries, in their order in one sample.

        Returns:
            An element-wise graph of one input, ``(samples, entries)``, and one output of as many
            columns; its constants hold one number, or one a column.
        """
        nodes = self._graph.nodes[: self._graph.nodes.index(value) + 1]
        wanted: dict[Node, dict[bytes, Indices]] = {value: {entries.tobytes(): entries}}
        for node in reversed(nodes):
            for operand, places in self._wires(node) if node in wanted else ():
                for at in wanted[node].values() if operand in self._found else ():
                    wanted.setdefault(operand, {})[_key(places[at])] = np.maximum(places[at], 0)
        body = _Body(Node("z", Input(entries.size)))
        for node in nodes:
            for at in wanted.get(node, {}).values():
                body.add(node, at, [(one, places[at]) for one, places in self._wires(node)])
        return Graph(Level.TENSOR, (body.entry,), (body.built[value, entries.tobytes()],))


@dataclass(frozen=True, eq=False)
class _Body:
    """A function of columns in the making.

    Attributes:
        entry: Its input.
        built: Some entries of a value, by the value and which entries they are.
        names: Of its nodes.
    """

    entry: Node
    built: dict[tuple[Node, bytes], Node] = field(default_factory=dict)
    names: Names = field(default_factory=lambda: Names(["z"]))

    def add(self, node: Node, at: Indices, wires: list[Wire]) -> None:
        """Entries ``at`` of a value, which are made of these of its operands."""
        if is_elementwise(node):
            operands = tuple(self._entries(operand, places) for operand, places in wires)
            made = Node(self.names.fresh(node.name), node.op, operands)
        else:  # moved: entries of one operand, or of several
            wires = [(operand, places) for operand, places in wires if np.any(places >= 0)]
            made = self._entries(*wires[0])
            for operand, places in wires[1:]:
                mask = Node(self.names.fresh(f"{node.name}:where"), Constant(places >= 0))
                parts = (mask, self._entries(operand, places), made)
                made = Node(self.names.fresh(node.name), Primitive("Where"), parts)
        self.built[node, at.tobytes()] = made

    def _entries(self, operand: Node, places: Indices) -> Node:
        """Entries of an operand; where there is none, any."""
        if (operand, _key(places)) in self.built:
            return self.built[operand, _key(places)]
        if not isinstance(operand.op, Constant):
            return self.entry
        values = operand.op.value.reshape(-1)[np.maximum(places, 0)]
        alike = values.size > 0 and bool(np.all(values == values[0]))
        name = self.names.fresh(operand.name)
        return Node(name, Constant(values[0] if alike else values))


def _key(places: Indices) -> bytes:
    return np.maximum(places, 0).tobytes()


def _single_sample(graph: Graph) -> dict[Node, Tensor]:
    """Every value for one sample along each axis."""
    values: dict[Node, Tensor] = {}

    def keep(step: int, node: Node, value: Array) -> None:
        values[node] = value

    inputs = {node.name: np.zeros((1, width(node))) for node in graph.inputs}
    evaluate(graph, inputs, keep)
    for node in graph.nodes:
        if isinstance(node.op, Constant):
            values[node] = node.op.value
        elif isinstance(node.op, Input):
            values[node] = inputs[node.name]
    return values


def _numbers(value: Tensor) -> Indices:
    return np.arange(value.size).reshape(value.shape)
