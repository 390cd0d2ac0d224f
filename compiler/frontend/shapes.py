"""Operators that move values around: joining, cutting, reshaping, constants."""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, constant_value
from pinnir.ir import Constant, Node, Primitive


def _concat(node: OnnxNode) -> Node:
    return node.primitive(axis=node.attributes["axis"])


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


def _reshape(node: OnnxNode) -> Node:
    return node.primitive(allowzero=node.attributes.get("allowzero", 0))


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


def _with_attributes(*names: str) -> Importer:
    def convert(node: OnnxNode) -> Node:
        return node.primitive(**{n: node.attributes[n] for n in names if n in node.attributes})

    return convert


def _constant_of_shape(node: OnnxNode) -> Node:
    tensor = node.attributes.get("value")
    value = 0.0 if tensor is None else constant_value(tensor, node.name, node.op_type).item()
    return node.primitive(value=value)


IMPORTERS: dict[str, Importer] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _with_attributes(),
    "Gather": _with_attributes("axis"),
    "GatherND": _with_attributes("batch_dims"),
    "Reshape": _reshape,
    "Shape": _with_attributes("start", "end"),
    "Slice": _slice,
    "Squeeze": _axes_operand,
    "Transpose": _transpose,
    "Unsqueeze": _axes_operand,
}
