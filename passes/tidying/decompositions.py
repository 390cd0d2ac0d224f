"""Operators on tables in terms of others: what is left is linear, or works entry by entry.

1. Layer normalisation is ``c / sqrt(mean(c^2) + eps)`` of the centred value ``c``, then scaled and
   shifted.
2. Softmax is ``e / sum(e)`` of ``e = exp(x - max(x))``.
3. A pooling or reduction by maximum or minimum is that of several picked columns.
4. A sum of squares is the sum of products of columns with themselves, a norm its root.
5. A product of two computed matrices is a sum of products of picked columns.

``DECOMPOSITIONS`` has a function for each kind; a new one is one function and one line there.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from pinnir.ir.graph import Affine, Constant, Node, Primitive, kind_of
from pinnir.numerics.matrix import Array
from pinnir.numerics.windows import windows
from pinnir.passes.tidying.tables import Indices, Tables, adding, picking, refusal


def _layer_normalization(tables: Tables, node: Node) -> Node:
    """Case 1."""
    x, *constants = node.operands
    options = node.op_as(Primitive).attributes
    dimensions = len(tables.layouts[x])
    first = options.get("axis", -1) % dimensions
    groups = _groups(tables, x, tuple(range(first, dimensions)))
    share, nothing = _same_group(groups) / groups.shape[1], np.zeros(groups.size)
    mean, centre = Affine(share, nothing), Affine(np.eye(groups.size) - share, nothing)
    c = tables.part(node, "centred", centre, tables.new[x])
    squares = tables.part(node, "squares", Primitive("Mul"), c, c)
    variance = tables.part(node, "variance", mean, squares)
    added = Constant(np.array(options.get("epsilon", 1e-5)))
    epsilon = Node(tables.name(node, "epsilon"), added)
    shifted = tables.part(node, "shifted", Primitive("Add"), variance, epsilon)
    deviation = tables.part(node, "deviation", Primitive("Sqrt"), shifted)
    value = tables.part(node, "normalised", Primitive("Div"), c, deviation)
    for kind, constant in zip(("Mul", "Add"), constants, strict=False):
        if not isinstance(constant.op, Constant):
            raise refusal(node, "has a scale or shift that is computed")
        whole = np.broadcast_to(constant.op.value, tables.entries(x).shape).reshape(-1)
        written = Node(tables.name(node, f"{kind.lower()}ed"), Constant(whole))
        value = tables.part(node, kind.lower(), Primitive(kind), value, written)
    return Node(node.name, value.op, value.operands)


def _softmax(tables: Tables, node: Node) -> Node:
    """Case 2; the logarithm of it needs no quotient."""
    (x,) = node.operands
    axis = node.op_as(Primitive).attributes.get("axis", -1) % len(tables.layouts[x])
    groups = _groups(tables, x, (axis,))
    largest = _extreme(tables, node, "max", groups)
    spread = tables.part(node, "spread", picking(_group_of_columns(groups), len(groups)), largest)
    below = tables.part(node, "below", Primitive("Sub"), tables.new[x], spread)
    powers = tables.part(node, "exp", Primitive("Exp"), below)
    total = Affine(_same_group(groups), np.zeros(groups.size))
    sums = tables.part(node, "sum", total, powers)
    if kind_of(node) == "Softmax":
        return tables.part(node, "", Primitive("Div"), powers, sums)
    logarithm = tables.part(node, "log", Primitive("Log"), sums)
    return tables.part(node, "", Primitive("Sub"), below, logarithm)


def _reduce_extreme(tables: Tables, node: Node) -> Node:
    """Case 3, along axes."""
    kind = "Max" if kind_of(node) == "ReduceMax" else "Min"
    return _extreme(tables, node, "", _groups(tables, node.operands[0], _axes(tables, node)), kind)


def _max_pool(tables: Tables, node: Node) -> Node:
    """Case 3, of windows; for padding stands another entry of its window."""
    options = dict(node.op_as(Primitive).attributes)
    shape = options.pop("kernel_shape")
    seen = windows(tables.entries(node.operands[0]), shape, **options, filling=-1)
    groups = seen.reshape(-1, prod(shape))
    groups = np.where(groups < 0, groups.max(axis=1, keepdims=True), groups)
    return _extreme(tables, node, "", groups)


def _global_max_pool(tables: Tables, node: Node) -> Node:
    """Case 3, of channels."""
    own = tables.entries(node.operands[0])
    return _extreme(tables, node, "", own.reshape(own.shape[1], -1))


def _sum_of_squares(tables: Tables, node: Node) -> Node:
    """Case 4."""
    x = node.operands[0]
    groups = _groups(tables, x, _axes(tables, node))
    squares = tables.part(node, "squares", Primitive("Mul"), tables.new[x], tables.new[x])
    total = adding(groups, tables.columns(x))
    if kind_of(node) == "ReduceSumSquare":
        return tables.part(node, "", total, squares)
    return tables.part(node, "", Primitive("Sqrt"), tables.part(node, "sum", total, squares))


def _matmul(tables: Tables, node: Node) -> Node:
    """Case 5, of stacks of matrices as well."""
    a, b = node.operands
    left, right = tables.entries(a), tables.entries(b)
    if min(left.ndim, right.ndim) < 3:
        raise refusal(node, "multiplies values that are no stacks of matrices")
    terms = np.broadcast_arrays(left[..., :, None, :], np.swapaxes(right, -1, -2)[..., None, :, :])
    first, second = (one.reshape(-1, one.shape[-1]) for one in terms)
    factors = [
        tables.part(node, label, picking(columns, tables.columns(one)), tables.new[one])
        for label, columns, one in (("left", first, a), ("right", second, b))
    ]
    products = tables.part(node, "products", Primitive("Mul"), *factors)
    groups = np.arange(first.size).reshape(first.shape)
    return tables.part(node, "", adding(groups, first.size), products)


def _extreme(tables: Tables, node: Node, label: str, groups: Indices, kind: str = "Max") -> Node:
    """The largest or smallest of each group of the operand's columns."""
    x = node.operands[0]
    picked = [
        tables.part(node, f"pick{number}", picking(members, tables.columns(x)), tables.new[x])
        for number, members in enumerate(groups.T)
    ]
    return tables.part(node, label, Primitive(kind), *picked)


def _axes(tables: Tables, node: Node) -> tuple[int, ...]:
    """Axes that a reduction takes away."""
    x, *rest = node.operands
    if not rest:
        raise refusal(node, "reduces all dimensions, samples as well")
    (axes,) = (one.op.value for one in rest if isinstance(one.op, Constant))
    return tuple(int(axis) % len(tables.layouts[x]) for axis in np.atleast_1d(axes))


def _groups(tables: Tables, node: Node, axes: tuple[int, ...]) -> Indices:
    """Columns that belong together along axes: ``(groups, members)``."""
    own = tables.entries(node)
    count = prod(own.shape[axis] for axis in axes)
    moved = np.moveaxis(own, axes, tuple(range(-len(axes), 0)))
    return moved.reshape(-1, count)


def _group_of_columns(groups: Indices) -> Indices:
    """For every column the number of its group."""
    found = np.empty(groups.size, np.intp)
    found[groups] = np.arange(len(groups))[:, None]
    return found


def _same_group(groups: Indices) -> Array:
    """One for each pair of columns of one group, else zero: the weight that adds up groups."""
    own = _group_of_columns(groups)
    return np.asarray((own[:, None] == own).astype(np.float64))


DECOMPOSITIONS: dict[str, Callable[[Tables, Node], Node]] = {
    "GlobalMaxPool": _global_max_pool,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "ReduceL2": _sum_of_squares,
    "ReduceMax": _reduce_extreme,
    "ReduceMin": _reduce_extreme,
    "ReduceSumSquare": _sum_of_squares,
    "Softmax": _softmax,
}
