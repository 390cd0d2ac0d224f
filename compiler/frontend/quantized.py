"""Quantisation as ONNX writes it: values that are rounded to steps, and read back.

A quantised value is held as the whole number that it is, in floating point: weights fold, and the
rounding of an activation is an element-wise function.
"""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode, along_axis, known
from pinnir.ir.graph import Node
from pinnir.ir.value_types import is_floating


def _quantize(node: OnnxNode) -> Node:
    """``saturate(round(x / scale) + zero)``; the round is to even."""
    _, _, told = (*node.operands, None)[:3]
    if told is None and node.attributes.get("output_dtype", 0):
        raise node.refuse("names its type without a zero point", hint="give the zero point")
    return _rounded(node, node.x, *_scale_and_zero(node), _range(node, told))


def _rounded(
    node: OnnxNode, x: Node, scale: Node, zero: Node | None, limits: tuple[float, float]
) -> Node:
    """The node's value as ``x`` in steps, between these limits."""
    steps = node.part("steps", "Round", node.part("quotient", "Div", x, scale))
    shifted = steps if zero is None else node.part("shifted", "Add", steps, zero)
    return _saturated(node, shifted, limits)


def _saturated(node: OnnxNode, steps: Node, limits: tuple[float, float]) -> Node:
    """The node's value as whole numbers, cut off at these limits."""
    low, high = (
        node.constant(key, limit) for key, limit in zip(("low", "high"), limits, strict=True)
    )
    return node.value("Clip", steps, low, high)


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
    steps = known(scale)
    if steps is None:
        raise node.refuse("has a scale that is computed", hint="quantise with fixed scales")
    if steps.size == 1:
        shape = node.constant("shape", np.array([], np.int64))
        return _shaped(node, "scale", scale, shape), zero and _shaped(node, "zero", zero, shape)
    axis = node.attributes.get("axis", 1)
    return along_axis(node, "scale", scale, axis), zero and along_axis(node, "zero", zero, axis)


def _shaped(node: OnnxNode, suffix: str, value: Node, shape: Node) -> Node:
    return node.part(suffix, "Reshape", value, shape)


def _range(node: OnnxNode, zero: Node | None) -> tuple[float, float]:
    """Smallest and largest number of the type that it quantises to, which is the zero point's."""
    kind = np.dtype(np.uint8)
    if zero is not None:
        numbers = known(zero)
        if numbers is None:
            raise node.refuse("has a zero point that is computed", hint="quantise with fixed ones")
        kind = numbers.dtype
    if kind.kind not in "iu":
        raise node.refuse(f"quantises to {kind}", hint="quantise to integers of 8 or 16 bits")
    limits = np.iinfo(kind)
    return float(limits.min), float(limits.max)


# Operators on quantised values: they read them back, compute, and round what they give.


def _number(node: OnnxNode, index: int, suffix: str) -> Node | None:
    """A scale or zero point of all of a value, or of each of its columns, as floats."""
    given = node.operands[index] if index < len(node.operands) else None
    if given is None:
        return None
    numbers = known(given)
    if numbers is None:
        raise node.refuse(
            "has a scale or zero point that is computed", hint="quantise with fixed ones"
        )
    value = np.asarray(numbers, np.float64)
    return node.constant(suffix, value.reshape(()) if value.size == 1 else value)


def _centred(node: OnnxNode, index: int, label: str, zero: int, *, turned: bool = False) -> Node:
    """A quantised operand without its zero point, its rows as columns if it is ``turned``."""
    x = node.operands[index]
    assert x is not None
    value = node.floats(f"{label}_floats", x)
    if turned:
        value = node.part(f"{label}_turned", "Transpose", value, perm=[1, 0])
    shift = _number(node, zero, f"{label}_zero")
    return value if shift is None else node.part(f"{label}_centred", "Sub", value, shift)


def _read(node: OnnxNode, first: int, label: str) -> Node:
    """The operand that stands with its scale and zero point from ``first`` on."""
    scale = _number(node, first + 1, f"{label}_scale")
    assert scale is not None
    return node.part(f"{label}_read", "Mul", _centred(node, first, label, first + 2), scale)


def _written(node: OnnxNode, value: Node, first: int) -> Node:
    """The node's value: rounded, if a scale and a zero point are given from ``first`` on."""
    scale, zero = _number(node, first, "scale"), _number(node, first + 1, "zero")
    if scale is None:
        return node.value("Identity", value)
    given = node.operands[first + 1] if first + 1 < len(node.operands) else None
    return _rounded(node, value, scale, zero, _range(node, given))


def _integer_product(node: OnnxNode) -> Node:
    """``(a - zero) (b - zero)``, of whole numbers."""
    zero = node.operands[2] if len(node.operands) > 2 else None
    rows = None if zero is None else known(zero)
    if rows is not None and rows.size > 1:
        raise node.refuse("has a zero point for every row", hint="quantise points all alike")
    if any(is_floating(one) for one in node.operands[:2] if one is not None):
        return node.value("MatMul", _centred(node, 0, "a", 2), _centred(node, 1, "b", 3))
    whole = [
        one and node.part(f"whole{i}", "Cast", one, to="int32")
        for i, one in enumerate(node.operands)
    ]
    a, b, *zeros = (*whole, None, None)[:4]
    factors = [
        one if zero is None else node.part(label, "Sub", one, zero)
        for label, one, zero in zip("ab", (a, b), zeros, strict=True)
        if one is not None
    ]
    return node.value("MatMul", *factors)


def _quantised_product(node: OnnxNode) -> Node:
    """``QLinearMatMul``: ``a``, ``b``, each with scale and zero point, and those of the value."""
    return _written(
        node, node.part("product", "MatMul", _read(node, 0, "a"), _read(node, 3, "b")), 6
    )


def _quantised_gemm(node: OnnxNode) -> Node:
    """``QGemm``: the same with a bias in the steps of the product."""
    told = node.attributes
    a, b = (
        _centred(node, first, label, first + 2, turned=bool(told.get(key, 0)))
        for first, label, key in ((0, "a", "transA"), (3, "b", "transB"))
    )
    value = node.part("product", "MatMul", a, b)
    bias = node.operands[6] if len(node.operands) > 6 else None
    if bias is not None:
        value = node.part("biased", "Add", value, node.floats("bias", bias))
    for index, label in ((1, "a"), (4, "b")):
        scale = _number(node, index, f"{label}_scale")
        assert scale is not None
        value = node.part(f"{label}_scaled", "Mul", value, scale)
    alpha = node.constant("alpha", told.get("alpha", 1.0))
    return _written(node, node.part("scaled", "Mul", value, alpha), 7)


def _quantised_sum_or_product(node: OnnxNode) -> Node:
    """``QLinearAdd`` and ``QLinearMul``.

    ONNX Runtime rounds them behind adding the zero point, which settles ties the other way where
    that is odd.
    """
    kind = node.op_type.rpartition("QLinear")[2]
    exact = node.part("exact", kind, _read(node, 0, "a"), _read(node, 3, "b"))
    scale, zero = _number(node, 6, "scale"), _number(node, 7, "zero")
    assert scale is not None
    steps = node.part("quotient", "Div", exact, scale)
    if zero is not None:
        steps = node.part("shifted", "Add", steps, zero)
    return _saturated(
        node, node.part("steps", "Round", steps), _range(node, (*node.operands, None)[7])
    )


def _quantised_activation(node: OnnxNode) -> Node:
    """``QLinearSigmoid`` and ``QLinearLeakyRelu``."""
    kind = node.op_type.rpartition("QLinear")[2]
    kept = {key: node.attributes[key] for key in ("alpha",) if key in node.attributes}
    return _written(node, node.part("exact", kind, _read(node, 0, "x"), **kept), 3)


IMPORTERS: dict[str, Importer] = {
    "DequantizeLinear": _dequantize,
    "MatMulInteger": _integer_product,
    "QLinearMatMul": _quantised_product,
    "QuantizeLinear": _quantize,
    "com.microsoft::QGemm": _quantised_gemm,
    **{f"com.microsoft::QLinear{k}": _quantised_sum_or_product for k in ("Add", "Mul")},
    **{f"com.microsoft::QLinear{k}": _quantised_activation for k in ("LeakyRelu", "Sigmoid")},
}
