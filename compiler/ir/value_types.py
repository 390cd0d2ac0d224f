"""Which values are floating point, and which are integers or truth values."""

from __future__ import annotations

import numpy as np

from pinnir.ir.graph import Constant, Node, Primitive


def is_floating(node: Node) -> bool:
    """Whether a value is floating point, as its operators tell."""
    while isinstance(node.op, Primitive):
        row = node.op.operator
        dtype = node.op.attributes.get(row.dtype_attribute) or row.dtype
        if dtype or not node.operands:
            return not dtype or dtype.startswith("float")
        node = node.operands[row.like]
    if isinstance(node.op, Constant):
        return bool(np.issubdtype(node.op.value.dtype, np.floating))
    return True
