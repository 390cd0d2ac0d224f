"""Linear algebra: matrix products and sums."""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, keeping
from pinnir.ir.graph import Node, Primitive


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


def _softmax(node: OnnxNode) -> Node:
    """Before opset 13 all axes from the given one on were taken as one."""
    if node.opset >= 13:
        return node.primitive(axis=node.attributes.get("axis", -1))
    (x,) = node.operands
    assert x is not None
    options = {"axis": node.attributes.get("axis", 1)}
    flat = Node(f"{node.name}:flat", Primitive("Flatten", options), (x,))
    rows = Node(f"{node.name}:rows", Primitive(node.op_type, {"axis": -1}), (flat,))
    shape = Node(f"{node.name}:shape", Primitive("Shape"), (x,))
    return Node(node.name, Primitive("Reshape"), (rows, shape))


_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip

IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "CumSum": keeping("exclusive", "reverse"),
    "Einsum": _einsum,
    "Gemm": keeping("alpha", "beta", "transA", "transB"),
    "LayerNormalization": keeping("axis", "epsilon"),
    "LogSoftmax": _softmax,
    "MatMul": keeping(),
    "Softmax": _softmax,
}
