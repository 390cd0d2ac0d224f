"""Operators that are not ONNX's own.

Scikit-learn's are in the domain ``ai.onnx.ml``, what ONNX Runtime writes into the models that it
optimises in ``com.microsoft``.
"""

from __future__ import annotations

import numpy as np

from pinnir.frontend.elementwise import gelu, swish
from pinnir.frontend.table import Importer, OnnxNode
from pinnir.ir.graph import Activation, Input, Node
from pinnir.ir.value_types import is_floating
from pinnir.numerics.operators import OPERATORS

_UNFUSED = "give the model as it was before ONNX Runtime optimised it"


def _scaler(node: OnnxNode) -> Node:
    """``(x - offset) scale`` of each column, or of all alike."""
    offset = node.constant("offset", np.array(node.attributes.get("offset", [0.0])))
    scale = node.constant("scale", np.array(node.attributes.get("scale", [1.0])))
    centred = node.part("centred", "Sub", node.floats("floats", node.x), offset)
    return node.value("Mul", centred, scale)


def _normalizer(node: OnnxNode) -> Node:
    """Each row by its norm; a row of norm zero stays as it is."""
    reductions = {b"MAX": "ReduceMax", b"L1": "ReduceL1", b"L2": "ReduceL2"}
    norm = node.attributes.get("norm", b"MAX")
    if norm not in reductions:
        raise node.refuse(f"divides by the unknown norm {norm.decode(errors='replace')}")
    x, axis = node.floats("floats", node.x), node.constant("axis", np.array([-1]))
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


def _fused_gemm(node: OnnxNode) -> Node:
    """A product with its activation."""
    told = dict(node.attributes)
    function = told.pop("activation", b"").decode(errors="replace")
    numbers = {key: told.pop(f"activation_{key}", None) for key in ("alpha", "beta", "gamma")}
    product = {key: told[key] for key in OPERATORS["Gemm"].attributes if key in told}
    x = node.part("product", "Gemm", *_given(node), **product)
    row = OPERATORS.get(function)
    if row is None or not row.elementwise:
        raise node.refuse(f"ends in the unknown activation {function!r}", hint=_UNFUSED)
    if row.activation:
        return Node(node.name, Activation(row.activation), (x,))
    options = {key: numbers[key] for key in row.attributes if numbers.get(key) is not None}
    return node.value(function, x, **options)


def _fused_matmul(node: OnnxNode) -> Node:
    """A product of stacks of matrices that may be turned, times a number."""
    told = node.attributes
    if told.get("transBatchA", 0) or told.get("transBatchB", 0):
        raise node.refuse("turns the stacks that it multiplies", hint=_UNFUSED)
    turned = [
        node.part(key, "Einsum", operand, equation="...ij->...ji") if told.get(key, 0) else operand
        for key, operand in zip(("transA", "transB"), _given(node), strict=True)
    ]
    alpha = node.constant("alpha", told.get("alpha", 1.0))
    return node.value("Mul", node.part("product", "MatMul", *turned), alpha)


def _gelu_of_sum(node: OnnxNode) -> Node:
    """Of ``x``, and a bias where there is one."""
    operands = _given(node)
    x = node.x if len(operands) == 1 else node.part("biased", "Add", *operands)
    return gelu(node, x, by_tanh=node.op_type.endswith("FastGelu"))


def _quick_gelu(node: OnnxNode) -> Node:
    """``x sigmoid(1.702 x)``."""
    return swish(node, alpha=1.702)


def _given(node: OnnxNode) -> list[Node]:
    """Operands that are not left out."""
    return [operand for operand in node.operands if operand is not None]


IMPORTERS: dict[str, Importer] = {
    "ai.onnx.ml::Imputer": _imputer,
    "ai.onnx.ml::Normalizer": _normalizer,
    "ai.onnx.ml::Scaler": _scaler,
    "com.microsoft::BiasGelu": _gelu_of_sum,
    "com.microsoft::FastGelu": _gelu_of_sum,
    "com.microsoft::FusedGemm": _fused_gemm,
    "com.microsoft::FusedMatMul": _fused_matmul,
    "com.microsoft::Gelu": _gelu_of_sum,
    "com.microsoft::QuickGelu": _quick_gelu,
}
