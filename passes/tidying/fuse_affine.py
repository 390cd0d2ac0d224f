"""fuse-affine: gather matrix products, biases and scalings into affine maps.

1. ``MatMul(x, W)`` and ``Gemm(x, W[, c])`` with constant ``W``, ``c`` become an affine map.
2. ``Add``, ``Sub``, ``Mul``, ``Div`` of an affine map and a constant go into its bias and weight.
3. The same of any value and a constant, *before* an affine map, goes into that map: this takes in
   input normalisation such as ``2 (x - lb) / (ub - lb) - 1``.
4. An affine map of an affine map becomes one, if nobody else uses the inner one.
5. Before all that, functions that expand columns into further dimensions become neurons between
   maps (``expansions.py``), then products of stacks of matrices and Einstein sums become maps
   (``stacks.py``).

A constant is taken only if it acts on columns: a scalar, or one number a column; and only if it is
floating point: integers stay integers, which divide and overflow in their own way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.graph import Affine, Constant, Graph, Level, Node, Primitive, columns_of
from pinnir.numerics.matrix import Array, apply, product, scaled
from pinnir.passes.tidying.expansions import with_expansions
from pinnir.passes.tidying.stacks import without_stacks
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FuseAffine(Pass):
    """Gather matrix products, biases and scalings into affine maps."""

    name = "fuse-affine"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fuse bottom-up; each node meets operands that are already fused."""
        graph = with_expansions(graph)
        # Maps that are there already may pick or spread columns; joined they would be larger.
        apart = {node.name for node in graph.nodes if isinstance(node.op, Affine)}
        graph = without_stacks(graph)
        shared = {node.name for node, users in graph.users.items() if len(users) > 1}
        shared |= {node.name for node in graph.outputs}
        return graph.rewrite(lambda node: node if node.name in apart else _fuse(node, shared))


def _fuse(node: Node, shared: set[str]) -> Node:
    fused = node if isinstance(node.op, Affine) else _from_product(node)
    fused = fused or _after_affine(node, shared)
    return node if fused is None else _absorb(fused, shared)


def _from_product(node: Node) -> Node | None:
    """Case 1."""
    op = node.op
    if not isinstance(op, Primitive) or op.kind not in ("MatMul", "Gemm"):
        return None
    x, *constants = node.operands
    values = [c.op.value for c in constants if isinstance(c.op, Constant)]
    if isinstance(x.op, Constant) or len(values) != len(constants) or values[0].ndim != 2:
        return None
    if not np.issubdtype(values[0].dtype, np.floating):
        return None
    options = op.attributes
    if options.get("transA", 0):
        return None
    weight = values[0] if options.get("transB", 0) else values[0].T
    bias = np.zeros(len(weight))
    if len(values) == 2:
        row = _per_column(values[1], len(weight))
        if row is None:
            return None
        bias = options.get("beta", 1.0) * row
    scaled = np.ascontiguousarray(options.get("alpha", 1.0) * weight)
    return replace(node, op=Affine(scaled, bias), operands=(x,))


def _after_affine(node: Node, shared: set[str]) -> Node | None:
    """Case 2. The fused map keeps the outer name: calibration compares values by name."""
    found = scale_and_shift(node)
    if found is None:
        return None
    inner, scale, shift = found
    if not isinstance(inner.op, Affine) or inner.name in shared:
        return None
    outputs = inner.op.weight.shape[0]
    rows = _per_column(scale, outputs), _per_column(shift, outputs)
    if rows[0] is None or rows[1] is None:
        return None
    weight = scaled(inner.op.weight, rows[0], np.ones(inner.op.weight.shape[1]))
    op = Affine(weight, rows[0] * inner.op.bias + rows[1])
    return replace(node, op=op, operands=inner.operands)


def _absorb(node: Node, shared: set[str]) -> Node:
    """Cases 3 and 4, repeated while they apply."""
    while True:
        (x,), op = node.operands, node.op_as(Affine)
        weight, bias = op.weight, op.bias
        if isinstance(x.op, Affine) and x.name not in shared:
            op = Affine(product(weight, x.op.weight), bias + apply(weight, x.op.bias))
            node = replace(node, op=op, operands=x.operands)
            continue
        found = scale_and_shift(x)
        if found is None:
            return node
        inner, scale, shift = found
        columns = _per_column(scale, weight.shape[1]), _per_column(shift, weight.shape[1])
        if columns[0] is None or columns[1] is None:
            return node
        if max(scale.size, shift.size) > 1 and _columns(inner) != weight.shape[1]:
            return node  # the constant may widen its operand by broadcasting
        every = np.ones(len(bias))
        op = Affine(scaled(weight, every, columns[0]), bias + apply(weight, columns[1]))
        node = replace(node, op=op, operands=(inner,))


def _columns(node: Node) -> int | None:
    """Columns of a value, seen through scalings and shifts that cannot widen it."""
    found = scale_and_shift(node)
    if found is None:
        return columns_of(node)
    inner, *constants = found
    columns = _columns(inner)
    if columns is None or any(_per_column(c, columns) is None for c in constants):
        return None
    return columns


def scale_and_shift(node: Node) -> tuple[Node, Array, Array] | None:
    """Read ``node`` as ``scale * x + shift`` with constant arrays, or None."""
    op = node.op
    if not isinstance(op, Primitive) or len(node.operands) != 2:
        return None
    a, b = node.operands
    if isinstance(a.op, Constant) == isinstance(b.op, Constant):
        return None
    x, fixed = (b, a) if isinstance(a.op, Constant) else (a, b)
    value = fixed.op_as(Constant).value
    if not np.issubdtype(value.dtype, np.floating):
        return None
    value = np.asarray(value, np.float64)
    one, zero = np.ones(()), np.zeros(())
    if op.kind == "Add":
        return x, one, value
    if op.kind == "Mul":
        return x, value, zero
    if op.kind == "Sub":
        return (x, one, -value) if x is a else (x, -one, value)
    if op.kind == "Div" and x is a:
        return x, 1.0 / value, zero
    return None


def _per_column(value: Array, columns: int) -> Array | None:
    """``value`` as one number a column, or None if it does not act on columns only."""
    if value.size not in (1, columns) or value.ndim > 2:
        return None
    if value.size > 1 and value.shape[-1] != columns:
        return None
    return np.broadcast_to(np.asarray(value, np.float64).reshape(-1), (columns,))
