"""Linear algebra: sums, reductions, normalisations."""

from __future__ import annotations

from pinnir.frontend.table import Importer, OnnxNode, axes_as_operand
from pinnir.ir.graph import Node, Primitive
from pinnir.numerics.operators import OPERATORS


def _einsum(node: OnnxNode) -> Node:
    return node.primitive(equation=node.attributes["equation"].decode())


def _softmax(node: OnnxNode) -> Node:
    """Before opset 13 all axes from the given one on were taken as one."""
    if node.opset >= 13:
        return node.primitive(axis=node.attributes.get("axis", -1))
    options = {"axis": node.attributes.get("axis", 1)}
    flat = Node(f"{node.name}:flat", Primitive("Flatten", options), (node.x,))
    rows = Node(f"{node.name}:rows", Primitive(node.op_type, {"axis": -1}), (flat,))
    shape = Node(f"{node.name}:shape", Primitive("Shape"), (node.x,))
    return node.value("Reshape", rows, shape)


IMPORTERS: dict[str, Importer] = {
    **{kind: axes_as_operand for kind in OPERATORS if kind.startswith("Reduce")},
    "Einsum": _einsum,
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
}
