"""Counts: values made from shapes and constants alone, as sizes and indices are.

Some are the same for every number of samples, as ``columns // 3`` is. That a count is the same for
two numbers of samples does not show it: ``samples // 4`` is 1 for both 5 and 7. So each element is
followed back to the dimensions that it is made of:

1. ``Shape`` and ``Size``: a dimension is fixed if it is equally long for both numbers of samples,
   unless a cut or another count may have made it so.
2. What is made of fixed elements only is fixed.
3. An element-wise operator gives a fixed element where all operands have one.
4. An operator that moves elements moves fixed ones, if it is fixed where to.
5. Anything else gives no fixed element; its shape may depend on its operands' elements, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import compute
from pinnir.ir.graph import Constant, Graph, Input, Node, Primitive, is_elementwise, kind_of

Tensor: TypeAlias = NDArray[Any]
# Which elements are the same for every number of samples; None if not even the shape is.
Fixed: TypeAlias = NDArray[np.bool_] | None


def made_of_shapes(graph: Graph) -> set[Node]:
    """Values made from shapes and constants alone, as sizes and indices are."""
    found: set[Node] = set()
    for node in graph.nodes:
        inner = [operand for operand in node.operands if not isinstance(operand.op, Constant)]
        if _is_of_shape(node) or (inner and found.issuperset(inner)):
            found.add(node)
    return found


def _is_of_shape(node: Node) -> bool:
    return isinstance(node.op, Primitive) and node.op.operator.of_shape


def fixed_among(
    graph: Graph, small: Mapping[Node, Tensor], large: Mapping[Node, Tensor]
) -> set[Node]:
    """Counts that are the same for every number of samples.

    Args:
        graph: A tensor graph.
        small: All its values for some number of samples along each axis.
        large: The same for larger numbers.
    """
    counts, values = made_of_shapes(graph), _Values(small, large)
    for node in graph.nodes:
        if not isinstance(node.op, Input | Constant):
            if node in counts:
                values.fixed[node] = _fixed(node, values)
            if values.of(node) is None and _is_doubtful(node, values):
                values.doubtful.add(node)
    return {node for node in counts if values.is_fixed(node)}


@dataclass(frozen=True, eq=False)
class _Values:
    """What is known of the values so far.

    Attributes:
        small: All values for some number of samples along each axis.
        large: The same for larger numbers.
        fixed: The fixed elements of counts.
        doubtful: Values with a dimension that may only seem to be fixed.
    """

    small: Mapping[Node, Tensor]
    large: Mapping[Node, Tensor]
    fixed: dict[Node, Fixed] = field(default_factory=dict)
    doubtful: set[Node] = field(default_factory=set)

    def of(self, node: Node) -> Fixed:
        if isinstance(node.op, Constant):
            return np.ones(node.op.value.shape, bool)
        return self.fixed.get(node)

    def is_fixed(self, node: Node) -> bool:
        fixed = self.of(node)
        return fixed is not None and bool(fixed.all())

    def seems_fixed(self, node: Node) -> bool:
        """Whether a count has elements that are equal for both numbers, but are not fixed."""
        one, other = self.small[node], self.large[node]
        if node not in self.fixed or one.shape != other.shape:
            return False
        fixed = self.fixed[node]
        return fixed is None or bool(np.any(~fixed & np.equal(one, other)))


def _fixed(node: Node, values: _Values) -> Fixed:
    """The fixed elements of a count, by the cases above."""
    op, value = node.op, values.small[node]
    operands = [values.of(operand) for operand in node.operands]
    known = [fixed for fixed in operands if fixed is not None]
    if _is_of_shape(node):
        return np.ones(value.shape, bool) if known else _equal_sizes(node, values)
    if all(values.is_fixed(operand) for operand in node.operands):
        return np.ones(value.shape, bool)
    if len(known) < len(operands):
        return None
    if is_elementwise(node):
        return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*known)))
    if isinstance(op, Primitive) and op.operator.moves:
        where = () if op.operator.linear == "all" else node.operands[1:]
        moved = [*known[: len(known) - len(where)], *(values.small[operand] for operand in where)]
        if all(values.is_fixed(operand) for operand in where):
            return np.asarray(compute(op.kind, op.attributes, moved), bool)
        return None
    shaped = isinstance(op, Primitive) and op.operator.shaped_by_values
    same_shape = value.shape == values.large[node].shape and not shaped
    return np.zeros(value.shape, bool) if same_shape else None


def _equal_sizes(node: Node, values: _Values) -> Fixed:
    (operand,) = node.operands
    one, other = values.small[node], values.large[node]
    if one.shape != other.shape or operand in values.doubtful or values.seems_fixed(operand):
        return None
    return np.equal(one, other)


def _is_doubtful(node: Node, values: _Values) -> bool:
    """Whether a dimension may be equally long for both numbers of samples, but not for others."""
    return _cuts_samples(node, values) or any(
        operand in values.doubtful or values.seems_fixed(operand) for operand in node.operands
    )


def _cuts_samples(node: Node, values: _Values) -> bool:
    """Whether it takes so many samples at most, as ``x[:4]`` does, or drops an only one."""
    kind = kind_of(node)
    if kind not in ("Slice", "Squeeze"):
        return False
    x, *where = node.operands
    if values.small[x].ndim != values.large[x].ndim:
        return True
    follows = np.not_equal(values.small[x].shape, values.large[x].shape)
    if kind == "Squeeze":
        return not where and bool(follows.any())
    equal = np.equal(values.small[node].shape, values.large[node].shape)
    starts, ends, *more = where
    axes = values.small[more[0]] if more else np.arange(values.small[starts].size)
    bounds = [values.of(bound) for bound in (starts, ends, *more[1:])]
    return bool(np.any(follows & equal)) or any(
        fixed is None or bool(np.any(equal[axes] & ~fixed)) for fixed in bounds
    )
