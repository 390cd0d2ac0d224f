"""Which values are floating point, and which are integers or truth values."""

from __future__ import annotations

import numpy as np

from pinnir.ir.graph import Constant, Node, Primitive
from pinnir.numerics.operators import NOT_FLOATING


def is_floating(node: Node) -> bool:
    """Whether a value is floating point, as its operators tell."""
    while isinstance(node.op, Primitive):
        told = _own_kind(node.op)
        if told is not None:
            return told
        if not node.operands:
            return True
        node = node.operands[1 if node.op.kind == "Where" else 0]
    if isinstance(node.op, Constant):
        return bool(np.issubdtype(node.op.value.dtype, np.floating))
    return True


def _own_kind(op: Primitive) -> bool | None:
    """Whether the operator itself says that its value is floating point, or not."""
    if op.kind in NOT_FLOATING:
        return False
    if op.kind == "Cast":
        return str(op.attributes["to"]).startswith("float")
    if op.kind == "ConstantOfShape" or (op.kind == "EyeLike" and op.attributes.get("dtype")):
        return str(op.attributes.get("dtype", "float64")).startswith("float")
    return None
