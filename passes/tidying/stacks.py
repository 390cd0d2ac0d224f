"""Stacks of matrices and Einstein sums: what they make of one value is a map of its columns.

An ensemble that was written as one network holds the weights of its members as one stack
``(members, inputs, outputs)``; its values are ``(members, samples, columns)`` or have these
dimensions in another order. With the members' columns side by side they are tables, and

1. what is linear in one value is an affine map; where every member is mapped on its own, a
   block-diagonal one;
2. element-wise operators stay, constants written out and operands spread to the columns of all;
3. what only moves entries without changing their order in the table vanishes.

Any other operator, and any user of a value in its own dimensions, such as an output of members,
takes the value turned back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import PinnirError
from pinnir.ir.evaluate import compute_node, evaluate
from pinnir.ir.graph import (
    Affine,
    Constant,
    Graph,
    Input,
    Node,
    Op,
    Primitive,
    is_elementwise,
    kind_of,
    width,
)
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import Layout, axes_of, columns_in, is_table, layouts
from pinnir.ir.shape_values import made_of_shapes
from pinnir.ir.value_types import is_floating
from pinnir.numerics.matrix import Array, BlockDiagonal, Matrix, apply, dense
from pinnir.numerics.operator_sizes import LARGEST_BYTES
from pinnir.passes.tidying.tables import features, from_table, picking, sample_dim, to_table

# Samples on which a map is compared with its operator.
_TRIED = 5


def without_stacks(graph: Graph) -> Graph:
    """The graph with maps of columns where constant stacks of matrices are multiplied.

    A graph without such products stays as it is, and so does one that can only be computed for one
    number of samples, or that mixes samples.
    """
    if not any(_may_be_map(node) for node in graph.nodes):
        return graph
    try:
        known = layouts(graph)
    except PinnirError:
        return graph
    if not any(_is_map(node, known) for node in graph.nodes):
        return graph
    unstacking = _Unstacking(graph, known, Names.of(graph))
    for node in graph.nodes:
        unstacking.visit(node)
    return graph.replaced(
        {node: unstacking.whole(node) for node in (*graph.inputs, *graph.outputs)}
    )


def _may_be_map(node: Node) -> bool:
    """Whether a node multiplies one value by constants in a way that ``fuse-affine`` leaves."""
    if kind_of(node) not in ("Einsum", "MatMul"):
        return False
    fixed = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    plain = kind_of(node) == "MatMul" and isinstance(node.operands[1].op, Constant)
    return len(fixed) == len(node.operands) - 1 and not (plain and fixed[0].ndim == 2)


def _is_map(node: Node, known: Mapping[Node, Layout]) -> bool:
    """The same, of a value that runs along one sample axis: by a stack, or of columns alone."""
    if not _may_be_map(node):
        return False
    (x,) = (one for one in node.operands if not isinstance(one.op, Constant))
    if not (_runs_along_one(known[x]) and _runs_along_one(known[node])):
        return False
    stacked = any(o.op.value.ndim > 2 for o in node.operands if isinstance(o.op, Constant))
    return stacked or max(len(features(known[one])) for one in (x, node)) < 2


def _runs_along_one(layout: Layout) -> bool:
    return len(axes_of(layout)) == 1


@dataclass(frozen=True, eq=False)
class _Unstacking:
    """A graph in the making.

    Attributes:
        graph: The old graph.
        layouts: Of its values.
        names: Of new nodes.
        tables: The table of an old node, where it was needed so far.
        wholes: The new node in the old node's own dimensions, likewise.
    """

    graph: Graph
    layouts: Mapping[Node, Layout]
    names: Names
    tables: dict[Node, Node] = field(default_factory=dict)
    wholes: dict[Node, Node] = field(default_factory=dict)

    def visit(self, node: Node) -> None:
        """Put a new node in the place of ``node``, whose operands have been visited."""
        if isinstance(node.op, Input | Constant):
            self.wholes[node] = node
            return
        table = self._new_table(node) if self._becomes_table(node) else None
        if table is None:
            self.wholes[node] = node.with_operands(*map(self.whole, node.operands))
        else:
            self.tables[node] = table

    def _new_table(self, node: Node) -> Node | None:
        """The node as an operator on tables, if it treats all samples alike."""
        if not is_elementwise(node):
            return self._map(node)
        spread = (self._spread(node, operand) for operand in node.operands)
        return Node(node.name, node.op, tuple(spread))

    def whole(self, node: Node) -> Node:
        """The new node in the old one's own dimensions."""
        if node not in self.wholes:
            layout, table = self.layouts[node], self.tables[node]
            self.wholes[node] = table
            if not is_table(layout):
                samples, shape = sample_dim(layout), np.array([-1, *features(layout)])
                rows = self._part(node, "rows", Primitive("Reshape"), table, self._constant(shape))
                order = np.insert(np.arange(1, len(layout)), samples, 0).tolist()
                turned = self._part(node, "turned", Primitive("Transpose", {"perm": order}), rows)
                self.wholes[node] = turned if samples else rows
        return self.wholes[node]

    def _table(self, node: Node) -> Node:
        """The new node that is the old one's table."""
        if node not in self.tables:
            layout, value = self.layouts[node], self.wholes[node]
            if not is_table(layout):
                samples = sample_dim(layout)
                order = [samples, *(dim for dim in range(len(layout)) if dim != samples)]
                shape = np.array([-1, columns_in(layout)])
                value = self._part(node, "first", Primitive("Transpose", {"perm": order}), value)
                value = self._part(
                    node, "table", Primitive("Reshape"), value, self._constant(shape)
                )
            self.tables[node] = value
        return self.tables[node]

    @cached_property
    def _counts(self) -> set[Node]:
        return made_of_shapes(self.graph)

    def _moving(self, node: Node) -> list[bool]:
        """Which operands are values of the points."""
        return [not isinstance(o.op, Constant) and o not in self._counts for o in node.operands]

    def _becomes_table(self, node: Node) -> bool:
        moving = self._moving(node)
        values = [one for one, moves in zip(node.operands, moving, strict=True) if moves]
        if not values or node in self._counts:
            return False
        shapes = [self.layouts[one] for one in (node, *values)]
        if not all(map(_runs_along_one, shapes)) or len({axes_of(one) for one in shapes}) > 1:
            return False
        if all(map(is_table, shapes)) and not _is_map(node, self.layouts):
            return False
        if is_elementwise(node):
            return all(isinstance(o.op, Constant) or o in values for o in node.operands)
        return self._is_linear(node, moving) and self._fits(node, values)

    def _is_linear(self, node: Node, moving: list[bool]) -> bool:
        if not isinstance(node.op, Primitive) or not all(
            map(is_floating, (node, node.operands[0]))
        ):
            return False
        row = node.op.operator
        return row.is_linear_in(moving) and (row.linear != "all" or all(moving))

    def _fits(self, node: Node, values: list[Node]) -> bool:
        """Whether no map would be too large to write down; such an operator stays what it is."""
        largest = max(columns_in(self.layouts[one]) + 1 for one in values)
        return 8 * largest * columns_in(self.layouts[node]) <= LARGEST_BYTES

    def _map(self, node: Node) -> Node | None:
        """Case 1, and case 3."""
        moving = self._moving(node)
        values = [one for one, moves in zip(node.operands, moving, strict=True) if moves]
        if len(values) == 1 and self._keeps_order(node, values[0]):
            return self._table(values[0])
        maps: list[Node] = []
        for number, operand in enumerate(dict.fromkeys(values)):
            op = self._affine(node, operand)
            if op is None:
                return None
            op = Affine(op.weight, np.zeros_like(op.bias)) if number else op
            maps.append(self._part(node, f"{number}", op, self._table(operand)))
        if len(maps) == 1:
            return Node(node.name, maps[0].op, maps[0].operands)
        return Node(node.name, Primitive("Sum"), tuple(maps))

    def _keeps_order(self, node: Node, operand: Node) -> bool:
        columns = columns_in(self.layouts[operand])
        if not node.op_as(Primitive).operator.moves or columns_in(self.layouts[node]) != columns:
            return False
        rows = np.arange(_TRIED * columns, dtype=np.float64).reshape(_TRIED, columns)
        return bool(np.array_equal(self._value(node, operand, rows), rows))

    def _affine(self, node: Node, operand: Node) -> Affine | None:
        """What a node makes of one operand, all others being zero, in as few columns as it can.

        Leading dimensions that both have may stand for members. Whether they do is tried with
        random rows; None if no map gives what the node does, as its value depends on where a
        sample stands.
        """
        own, result = (features(self.layouts[one]) for one in (operand, node))
        random = np.random.default_rng(0).normal(size=(_TRIED, prod(own)))
        wanted = self._value(node, operand, random)
        bias = self._value(node, operand, np.zeros((1, prod(own))))[0]
        scale = np.abs(wanted).max(initial=0.0)
        most = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(own, result, strict=False))
        )
        for count in (prod(own[:dims]) for dims in range(most, -1, -1)):
            rows = np.tile(np.eye(prod(own) // count), (1, count))
            value = self._value(node, operand, rows) - bias
            blocks = value.reshape(len(rows), count, -1).transpose(1, 2, 0)
            weight: Matrix = BlockDiagonal(np.ascontiguousarray(blocks))
            weight = weight if count > 1 else dense(weight)
            found = apply(weight, random) + bias
            if np.allclose(found, wanted, rtol=0, atol=1e-9 * scale):
                return Affine(weight, bias)
        return None

    def _value(self, node: Node, operand: Node, rows: Array) -> Array:
        """The node's table where its operand has these rows, and other operands are zero.

        With two more samples, so that no operator takes their dimension for one of length 1.
        """
        count = len(rows)
        rows = np.concatenate([rows, np.zeros((2, rows.shape[1]))])
        values: dict[Node, Array] = {}
        for one, moves in zip(node.operands, self._moving(node), strict=True):
            if isinstance(one.op, Constant):
                values[one] = one.op.value
            elif moves:
                zero = np.zeros((len(rows), columns_in(self.layouts[one])))
                values[one] = from_table(rows if one is operand else zero, self.layouts[one])
            else:
                values[one] = self._counted(one, len(rows))
        return to_table(compute_node(node, values), self.layouts[node])[:count]

    def _counted(self, node: Node, samples: int) -> Array:
        """A count where there are so many samples along every axis."""
        inputs = {one.name: np.zeros((samples, width(one))) for one in self.graph.inputs}
        (value,) = evaluate(replace(self.graph, outputs=(node,)), inputs)
        return value

    def _spread(self, node: Node, operand: Node) -> Node:
        """Case 2: an operand with a column for each of the operator's, or a number."""
        layout = self.layouts[node]
        if isinstance(operand.op, Constant):
            value = operand.op.value
            row = to_table(np.broadcast_to(value, _one_sample(layout)), layout)[0]
            return Node(
                self.names.fresh(f"{node.name}:{operand.name}"),
                Constant(value.reshape(()) if value.size == 1 else row),
            )
        own = self.layouts[operand]
        places = from_table(np.arange(columns_in(own))[None], own)
        wide = to_table(np.broadcast_to(places, _one_sample(layout)), layout)[0]
        table = self._table(operand)
        if wide.size == columns_in(own) and np.array_equal(wide, np.arange(wide.size)):
            return table
        if is_floating(operand):
            return self._part(node, "spread", picking(wide, columns_in(own)), table)
        return self._part(
            node, "spread", Primitive("Gather", {"axis": 1}), table, self._constant(wide)
        )

    def _part(self, node: Node, label: str, op: Op, *operands: Node) -> Node:
        return Node(self.names.fresh(f"{node.name}:{label}"), op, operands)

    def _constant(self, value: NDArray[Any]) -> Node:
        return Node(self.names.fresh("shape"), Constant(value))


def _one_sample(layout: Layout) -> tuple[int, ...]:
    """The shape of a value for one sample."""
    return tuple(dim if isinstance(dim, int) else 1 for dim in layout)
