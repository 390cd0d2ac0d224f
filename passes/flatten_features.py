"""flatten-features: images, patches and channels as tables, so that a core can hold them.

Every value of a network with one sample axis becomes ``(samples, columns)`` (``tabulate.py``).

1. Regrouping operators vanish; what is linear becomes an affine map.
2. Element-wise operators stay. Operands that they would broadcast are spread by maps of zeros and
   ones, constants are written out.
3. Layer normalisation becomes ``c / sqrt(mean(c^2) + eps)`` of the centred value ``c``; softmax
   ``e / sum(e)`` of ``e = exp(x - max(x))``; a pooling or reduction by maximum the maximum of
   several picked columns; a product of two computed matrices products of picked columns, summed;
   sums of squares and norms likewise.

What is left that is no affine map takes one value, or several (``join-arguments``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from pinnir.errors import LegalizeError
from pinnir.images import windows
from pinnir.ir import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    kind_of,
)
from pinnir.kinds import is_floating
from pinnir.layout import Layout, layouts
from pinnir.manager import Context, Pass
from pinnir.primitives import ELEMENTWISE
from pinnir.tabulate import (
    Indices,
    adding,
    columns_of_entries,
    features,
    is_map,
    is_tabular,
    keeps_order,
    matrix_of,
    picking,
)


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
        flattening = _Flattening(layouts(graph))
        for node in graph.nodes:
            flattening.visit(node)
        for node in graph.outputs:
            if len(flattening.layouts[node]) != 2:
                raise LegalizeError(
                    f"is an output of {len(flattening.layouts[node])} dimensions", node=node.name,
                    op=kind_of(node), hint="let the network give (samples, columns)",
                )  # fmt: skip
        new = flattening.tables
        return Graph(
            graph.level,
            tuple(new[node] for node in graph.inputs),
            tuple(new[node] for node in graph.outputs),
        )


@dataclass(frozen=True, eq=False)
class _Flattening:
    """A graph in the making.

    Attributes:
        layouts: Of the old nodes.
        tables: The new node for each old one.
    """

    layouts: Mapping[Node, Layout]
    tables: dict[Node, Node] = field(default_factory=dict)

    def visit(self, node: Node) -> None:
        """Put a new node in the place of ``node``, whose operands have been visited."""
        if isinstance(node.op, Input | Constant):
            self.tables[node] = node
            return
        if not is_floating(node):
            return  # shapes and indices, whose users need them no more
        if not is_tabular(self.layouts[node]):
            raise self._refusal(node, "does not run along one sample axis")
        self.tables[node] = self._table(node)

    def _table(self, node: Node) -> Node:
        moving = [one for one in dict.fromkeys(node.operands) if self._moves(one)]
        kind = kind_of(node)
        if isinstance(node.op, Affine) and len(self.layouts[node]) == 2:
            return node.with_operands(*(self.tables[operand] for operand in node.operands))
        if keeps_order(node, self.layouts):
            return Node(node.name, Primitive("Identity"), (self.tables[node.operands[0]],))
        if isinstance(node.op, Primitive) and is_map(node, moving):
            return self._map(node, moving)
        if isinstance(node.op, Activation) or kind in ELEMENTWISE:
            return self._elementwise(node)
        if kind in _DECOMPOSED and moving:
            return _DECOMPOSED[kind](self, node)
        raise self._refusal(node, "has no form on columns that neurons could follow")

    def _moves(self, node: Node) -> bool:
        return not isinstance(node.op, Constant) and is_floating(node)

    def _refusal(self, node: Node, problem: str) -> LegalizeError:
        return LegalizeError(
            problem, node=node.name, op=kind_of(node),
            hint="compile networks whose samples are independent of each other, of the operators "
            "that docs/codings.md lists under signgd",
        )  # fmt: skip

    # ------------------------------------------------------------------------- building blocks

    def columns(self, node: Node) -> int:
        """Columns of an old node's table."""
        return prod(features(self.layouts[node]))

    def entries(self, node: Node) -> Indices:
        """The columns of an old node's entries, in its shape for one sample."""
        return columns_of_entries(self.layouts[node])

    def part(self, node: Node, label: str, op: Affine | Primitive, *operands: Node) -> Node:
        """A new node that belongs to an old one; numbers are constants."""
        return Node(f"{node.name}:{label}" if label else node.name, op, operands)

    def _map(self, node: Node, moving: list[Node]) -> Node:
        """Case 1."""
        parts: list[Node] = []
        for number, operand in enumerate(moving):
            weight, bias = matrix_of(node, operand, self.layouts)
            op = Affine(weight, np.zeros_like(bias) if number else bias)
            label = "" if len(moving) == 1 else f"{number}"
            parts.append(self.part(node, label, op, self.tables[operand]))
        return parts[0] if len(parts) == 1 else self.part(node, "", Primitive("Sum"), *parts)

    def _elementwise(self, node: Node) -> Node:
        """Case 2."""
        spread = [self._spread(node, number) for number in range(len(node.operands))]
        return Node(node.name, node.op, tuple(spread))

    def _spread(self, node: Node, number: int) -> Node:
        operand, shape = node.operands[number], self.entries(node).shape
        if isinstance(operand.op, Constant):
            value = operand.op.value
            if value.size == 1:
                return Node(f"{node.name}:{number}", Constant(value.reshape(())))
            return Node(
                f"{node.name}:{number}", Constant(np.broadcast_to(value, shape).reshape(-1))
            )
        table = self.tables[operand]
        own = self.entries(operand)
        if own.shape == shape:
            return table
        op = picking(np.broadcast_to(own, shape), self.columns(operand))
        return self.part(node, f"spread{number}", op, table)

    # ------------------------------------------------------------------------- case 3

    def _groups(self, node: Node, axes: tuple[int, ...]) -> Indices:
        """Columns of an old node that belong together along axes: ``(groups, members)``."""
        own = self.entries(node)
        count = prod(own.shape[axis] for axis in axes)
        moved = np.moveaxis(own, axes, tuple(range(-len(axes), 0)))
        return moved.reshape(-1, count)

    def layer_normalization(self, node: Node) -> Node:
        """``c / sqrt(mean(c^2) + eps)``, scaled and shifted."""
        x, *constants = node.operands
        options = _attributes(node)
        first = options.get("axis", -1) % len(self.layouts[x])
        groups = self._groups(x, tuple(range(first, len(self.layouts[x]))))
        own, size = self._members(groups), groups.shape[1]
        away = adding(own, len(own), 1 / size)
        centre = Affine(np.eye(len(own)) - away.weight, away.bias)
        c = self.part(node, "centred", centre, self.tables[x])
        squares = self.part(node, "squares", Primitive("Mul"), c, c)
        variance = self.part(node, "variance", away, squares)
        epsilon = _number(node, "epsilon", options.get("epsilon", 1e-5))
        shifted = self.part(node, "shifted", Primitive("Add"), variance, epsilon)
        deviation = self.part(node, "deviation", Primitive("Sqrt"), shifted)
        value = self.part(node, "normalised", Primitive("Div"), c, deviation)
        for kind, constant in zip(("Mul", "Add"), constants, strict=False):
            if not isinstance(constant.op, Constant):
                raise self._refusal(node, "has a scale or shift that is computed")
            whole = np.broadcast_to(constant.op.value, self.entries(x).shape).reshape(-1)
            written = Node(f"{node.name}:{kind.lower()}ed", Constant(whole))
            value = self.part(node, kind.lower(), Primitive(kind), value, written)
        return Node(node.name, value.op, value.operands)

    def softmax(self, node: Node) -> Node:
        """``e / sum(e)`` of ``e = exp(x - max(x))``; its logarithm without the exponential."""
        (x,) = node.operands
        axis = _attributes(node).get("axis", -1) % len(self.layouts[x])
        groups = self._groups(x, (axis,))
        own = self._members(groups)
        largest = self._largest(node, self.tables[x], groups, self.columns(x))
        spread = picking(_owner(groups), len(groups))
        below = self.part(
            node, "below", Primitive("Sub"), self.tables[x],
            self.part(node, "spread", spread, largest),
        )  # fmt: skip
        powers = self.part(node, "exp", Primitive("Exp"), below)
        total = self.part(node, "sum", adding(own, len(own)), powers)
        if kind_of(node) == "Softmax":
            return self.part(node, "", Primitive("Div"), powers, total)
        return self.part(
            node, "", Primitive("Sub"), below, self.part(node, "log", Primitive("Log"), total)
        )

    def extreme(self, node: Node) -> Node:
        """A reduction by maximum or minimum."""
        x = node.operands[0]
        groups = self._groups(x, self._reduced(node))
        kind = "Max" if kind_of(node) == "ReduceMax" else "Min"
        return self._largest(node, self.tables[x], groups, self.columns(x), kind)

    def max_pool(self, node: Node) -> Node:
        """The maximum of each window; what it has of padding is one of its other entries."""
        (x,) = node.operands
        own = self.entries(x)
        if kind_of(node) == "GlobalMaxPool":
            groups = own.reshape(own.shape[1], -1)
        else:
            seen = windows(own + 1, **{
                ("shape" if key == "kernel_shape" else key): value
                for key, value in _attributes(node).items()
            })  # fmt: skip
            size = prod(_attributes(node)["kernel_shape"])
            groups = seen.reshape(-1, size) - 1
            groups = np.where(groups < 0, groups.max(axis=1, keepdims=True), groups)
        return self._largest(node, self.tables[x], groups.astype(np.intp), self.columns(x))

    def _largest(
        self, node: Node, table: Node, groups: Indices, columns: int, kind: str = "Max"
    ) -> Node:
        picked = [
            self.part(node, f"pick{number}", picking(members, columns), table)
            for number, members in enumerate(groups.T)
        ]
        label = "" if kind_of(node) not in ("Softmax", "LogSoftmax") else "max"
        return self.part(node, label, Primitive(kind), *picked)

    def squares(self, node: Node) -> Node:
        """A sum of squares, or its root."""
        x = node.operands[0]
        table = self.tables[x]
        groups = self._groups(x, self._reduced(node))
        squares = self.part(node, "squares", Primitive("Mul"), table, table)
        root = kind_of(node) == "ReduceL2"
        total = self.part(node, "sum" if root else "", adding(groups, self.columns(x)), squares)
        return self.part(node, "", Primitive("Sqrt"), total) if root else total

    def matmul(self, node: Node) -> Node:
        """The product of two computed matrices, or stacks of them."""
        a, b = node.operands
        left, right = self.entries(a), self.entries(b)
        if min(left.ndim, right.ndim) < 3:
            raise self._refusal(node, "multiplies values that are no stacks of matrices")
        terms = np.broadcast_arrays(
            left[..., :, None, :], np.swapaxes(right, -1, -2)[..., None, :, :]
        )
        first, second = (one.reshape(-1, one.shape[-1]) for one in terms)
        factors = [
            self.part(
                node, label, picking(columns.reshape(-1), self.columns(one)), self.tables[one]
            )
            for label, columns, one in (("left", first, a), ("right", second, b))
        ]
        products = self.part(node, "products", Primitive("Mul"), *factors)
        groups = np.arange(first.size).reshape(first.shape)
        return self.part(node, "", adding(groups, first.size), products)

    def _reduced(self, node: Node) -> tuple[int, ...]:
        """Axes that a reduction takes away."""
        x, *rest = node.operands
        ndim = len(self.layouts[x])
        if not rest:
            raise self._refusal(node, "reduces all dimensions, samples as well")
        (axes,) = (one.op.value for one in rest if isinstance(one.op, Constant))
        return tuple(int(axis) % ndim for axis in np.atleast_1d(axes))

    @staticmethod
    def _members(groups: Indices) -> Indices:
        """For every column all columns of its group, ``(columns, members)``."""
        found = np.empty((groups.size, groups.shape[1]), np.intp)
        for group in groups:
            found[group] = group
        return found


def _owner(groups: Indices) -> Indices:
    """For every column the number of its group."""
    found = np.empty(groups.size, np.intp)
    for number, group in enumerate(groups):
        found[group] = number
    return found


def _attributes(node: Node) -> Mapping[str, object]:
    assert isinstance(node.op, Primitive)
    return node.op.attributes


def _number(node: Node, label: str, value: float) -> Node:
    return Node(f"{node.name}:{label}", Constant(np.array(value)))


_DECOMPOSED: dict[str, Callable[[_Flattening, Node], Node]] = {
    "GlobalMaxPool": _Flattening.max_pool,
    "LayerNormalization": _Flattening.layer_normalization,
    "LogSoftmax": _Flattening.softmax,
    "MatMul": _Flattening.matmul,
    "MaxPool": _Flattening.max_pool,
    "ReduceL2": _Flattening.squares,
    "ReduceMax": _Flattening.extreme,
    "ReduceMin": _Flattening.extreme,
    "ReduceSumSquare": _Flattening.squares,
    "Softmax": _Flattening.softmax,
}
