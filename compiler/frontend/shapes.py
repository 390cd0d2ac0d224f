"""Operators that move values around: joining, cutting, reshaping, constants."""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, constant_value, keeping
from pinnir.ir import Constant, Node, Primitive


def _slice(node: OnnxNode) -> Node:
    """Before opset 10 the ranges were attributes."""
    if node.opset >= 10:
        return node.primitive()
    starts = node.attributes["starts"]
    axes = node.attributes.get("axes", range(len(starts)))
    ranges = {"starts": starts, "ends": node.attributes["ends"], "axes": list(axes)}
    return _with_constants(node, ranges)


def _axes_operand(node: OnnxNode) -> Node:
    """Before opset 13 the axes of Squeeze and Unsqueeze were an attribute."""
    if "axes" not in node.attributes:
        return node.primitive()
    return _with_constants(node, {"axes": node.attributes["axes"]})


def _with_constants(node: OnnxNode, values: dict[str, object]) -> Node:
    operand = node.operands[0]
    assert operand is not None
    constants = [node.constant(key, np.asarray(value, np.int64)) for key, value in values.items()]
    return Node(node.name, Primitive(node.op_type), (operand, *constants))


def _transpose(node: OnnxNode) -> Node:
    perm = node.attributes.get("perm")
    return node.primitive(**({} if perm is None else {"perm": list(perm)}))


def _constant(node: OnnxNode) -> Node:
    ((kind, value),) = node.attributes.items()
    if kind == "value":
        return Node(node.name, Constant(constant_value(value, node.name, node.op_type)))
    if kind in ("value_float", "value_floats"):
        return Node(node.name, Constant(np.asarray(value, np.float64)))
    if kind in ("value_int", "value_ints"):
        return Node(node.name, Constant(np.asarray(value, np.int64)))
    raise node.refuse(f"holds a constant of kind {kind}")


def _constant_of_shape(node: OnnxNode) -> Node:
    tensor = node.attributes.get("value")
    value = 0.0 if tensor is None else constant_value(tensor, node.name, node.op_type).item()
    return node.primitive(value=value)


IMPORTERS: dict[str, Importer] = {
    "Concat": keeping("axis"),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": keeping(),
    "Gather": keeping("axis"),
    "GatherND": keeping("batch_dims"),
    "Reshape": keeping("allowzero"),
    "Shape": keeping("start", "end"),
    "Slice": _slice,
    "Squeeze": _axes_operand,
    "Transpose": _transpose,
    "Unsqueeze": _axes_operand,
}
