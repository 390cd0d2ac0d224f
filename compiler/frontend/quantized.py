"""Quantisation as ONNX writes it: values that are rounded to steps, and read back.

A quantised value is held as the whole number that it is, in floating point: weights fold, and the
rounding of an activation is an element-wise function.
"""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, along_axis
from pinnir.ir.graph import Constant, Node


def _quantize(node: OnnxNode) -> Node:
    """``saturate(round(x / scale) + zero)``; the round is to even."""
    low, high = _range(node)
    scale, zero = _scale_and_zero(node)
    steps = node.part("steps", "Round", node.part("quotient", "Div", node.x, scale))
    shifted = steps if zero is None else node.part("shifted", "Add", steps, zero)
    return node.value("Clip", shifted, node.constant("low", low), node.constant("high", high))


def _dequantize(node: OnnxNode) -> Node:
    """``(x - zero) scale``."""
    scale, zero = _scale_and_zero(node)
    x = node.floats("floats", node.x)
    return node.value("Mul", x if zero is None else node.part("shifted", "Sub", x, zero), scale)


def _scale_and_zero(node: OnnxNode) -> tuple[Node, Node | None]:
    """Both shaped to spread over the first input: of all of it, or of each index of an axis."""
    if node.attributes.get("block_size", 0):
        raise node.refuse(
            "has a scale for every block", hint="quantise by tensor or by channel instead"
        )
    _, scale, zero = (*node.operands, None)[:3]
    assert scale is not None
    if zero is not None:
        zero = node.floats("zero_point", zero)
    if not isinstance(scale.op, Constant):
        raise node.refuse("has a scale that is computed", hint="quantise with fixed scales")
    if scale.op.value.size == 1:
        shape = node.constant("shape", np.array([], np.int64))
        return _shaped(node, "scale", scale, shape), zero and _shaped(node, "zero", zero, shape)
    axis = node.attributes.get("axis", 1)
    return along_axis(node, "scale", scale, axis), zero and along_axis(node, "zero", zero, axis)


def _shaped(node: OnnxNode, suffix: str, value: Node, shape: Node) -> Node:
    return node.part(suffix, "Reshape", value, shape)


def _range(node: OnnxNode) -> tuple[float, float]:
    """Smallest and largest number of the type that it quantises to."""
    zero = node.operands[2] if len(node.operands) > 2 else None
    kind = np.dtype(np.uint8)
    if zero is not None:
        if not isinstance(zero.op, Constant):
            raise node.refuse("has a zero point that is computed", hint="quantise with fixed ones")
        kind = zero.op.value.dtype
    elif node.attributes.get("output_dtype", 0):
        raise node.refuse("names its type without a zero point", hint="give the zero point")
    if kind.kind not in "iu":
        raise node.refuse(f"quantises to {kind}", hint="quantise to integers of 8 or 16 bits")
    limits = np.iinfo(kind)
    return float(limits.min), float(limits.max)


IMPORTERS: dict[str, Importer] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
}
