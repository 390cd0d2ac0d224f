"""Operators that are not ONNX's own: scikit-learn's, in the domain ``ai.onnx.ml``."""

from __future__ import annotations

import numpy as np

from pinnir.frontend.table import Importer, OnnxNode
from pinnir.ir.graph import Input, Node
from pinnir.ir.value_types import is_floating


def _floats(node: OnnxNode) -> Node:
    """The first input; integers and truth values as the floats that these operators make of it."""
    return node.x if is_floating(node.x) else node.part("floats", "Cast", node.x, to="float64")


def _scaler(node: OnnxNode) -> Node:
    """``(x - offset) scale`` of each column, or of all alike."""
    offset = node.constant("offset", np.array(node.attributes.get("offset", [0.0])))
    scale = node.constant("scale", np.array(node.attributes.get("scale", [1.0])))
    return node.value("Mul", node.part("centred", "Sub", _floats(node), offset), scale)


def _normalizer(node: OnnxNode) -> Node:
    """Each row by its norm; a row of norm zero stays as it is."""
    reductions = {b"MAX": "ReduceMax", b"L1": "ReduceL1", b"L2": "ReduceL2"}
    norm = node.attributes.get("norm", b"MAX")
    if norm not in reductions:
        raise node.refuse(f"divides by the unknown norm {norm.decode(errors='replace')}")
    x, axis = _floats(node), node.constant("axis", np.array([-1]))
    size = node.part("norm", reductions[norm], x, axis, keepdims=1)
    zero, one = node.constant("zero", 0.0), node.constant("one", 1.0)
    none = node.part("none", "Equal", size, zero)
    return node.value("Div", x, node.part("divisor", "Where", none, one, size))


def _imputer(node: OnnxNode) -> Node:
    """Numbers for what is missing; coordinates never are."""
    told = node.attributes
    number = next((told[key] for key in told if key.startswith("imputed_value")), None)
    missing = told.get("replaced_value_float", told.get("replaced_value_int64", 0))
    if number is None:
        raise node.refuse("does not say what stands for a missing value")
    if np.isnan(missing) and isinstance(node.x.op, Input):
        return node.value("Identity", node.x)
    kind = np.float64 if is_floating(node.x) else np.int64
    imputed = node.constant("imputed", np.asarray(number, kind))
    if np.isnan(missing):
        where = node.part("missing", "IsNaN", node.x)
    else:
        where = node.part(
            "missing", "Equal", node.x, node.constant("mark", np.asarray(missing, kind))
        )
    return node.value("Where", where, imputed, node.x)


IMPORTERS: dict[str, Importer] = {
    "ai.onnx.ml::Imputer": _imputer,
    "ai.onnx.ml::Normalizer": _normalizer,
    "ai.onnx.ml::Scaler": _scaler,
}
