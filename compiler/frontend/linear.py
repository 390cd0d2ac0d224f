"""Linear algebra: matrix products and sums."""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, keeping
from pinnir.ir import Node, Primitive


def _einsum(node: OnnxNode) -> Node:
    return node.primitive(equation=node.attributes["equation"].decode())


def _reduce(node: OnnxNode) -> Node:
    """Before opset 18 (13 for sums) the axes were an attribute."""
    known = ("keepdims", "noop_with_empty_axes")
    options = {key: node.attributes[key] for key in known if key in node.attributes}
    operand = node.operands[0]
    assert operand is not None
    if "axes" in node.attributes:
        axes = node.constant("axes", np.asarray(node.attributes["axes"], np.int64))
        return Node(node.name, Primitive(node.op_type, options), (operand, axes))
    return node.primitive(**options)


IMPORTERS: dict[str, Importer] = {
    "Einsum": _einsum,
    "Gemm": keeping("alpha", "beta", "transA", "transB"),
    "MatMul": keeping(),
    **dict.fromkeys(("ReduceL2", "ReduceMean", "ReduceSum"), _reduce),
}
