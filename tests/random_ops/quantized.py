"""Random uses of operators on quantised values.

Scales are powers of two, so that what is rounded is exact and ties are real ties. Weights are small
enough that no processor's sums of products saturate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.random_ops.builder import KINDS, Builder, Value

# A value in whole numbers, its scale and its zero point.
Held = tuple[Value, Value, Value]


def _scale(b: Builder, least: int = 1) -> Value:
    return b.fixed(np.asarray(2.0 ** -int(b.rng.integers(least, 5)), b.dtype))


def _zero(b: Builder) -> Value:
    return b.fixed(np.asarray(b.rng.integers(0, 100), np.uint8))


def _held(b: Builder, x: Value) -> Held:
    """A value of exact numbers in steps."""
    scale, zero = _scale(b), _zero(b)
    name = b.node("QuantizeLinear", [x.name, scale.name, zero.name])
    return Value(name, x.shape, "uint8", 255.0), scale, zero


def _weight(b: Builder, shape: tuple[int, ...]) -> Held:
    return b.fixed(b.rng.integers(0, 60, shape).astype(np.uint8)), _scale(b), _zero(b)


def _read_back(b: Builder, kind: str, operands: list[Value], shape: Any, **options: Any) -> None:
    """The operator, rounding what it gives, and what it stands for."""
    scale, zero = _scale(b, -3), _zero(b)
    names = [one.name for one in (*operands, scale, zero)]
    held = Value(b.node(kind, names, **options), tuple(shape), "uint8", 255.0)
    told = {"bound": 255 * scale.bound, "error": 0.0, "grid": 5}
    b.add("DequantizeLinear", [held, scale, zero], held.shape, b.dtype, **told)


def _table(b: Builder) -> Value:
    return b.float(lambda v: v.exact and len(v.shape) == 2)


def _product(b: Builder, kind: str) -> None:
    x = _table(b)
    outputs = b.pick((1, 2, 3))
    operands = [*_held(b, x), *_weight(b, (x.shape[1], outputs))]
    _read_back(b, kind, operands, (x.shape[0], outputs))


def _gemm(b: Builder, kind: str) -> None:
    x = _table(b)
    (rows, inner), outputs, turned = x.shape, b.pick((1, 2, 3)), b.pick((0, 1))
    weight = _weight(b, (outputs, inner) if turned else (inner, outputs))
    bias = b.fixed(b.rng.integers(-500, 500, outputs).astype(np.int32))
    operands = [*_held(b, x), *weight, bias]
    _read_back(b, kind, operands, (rows, outputs), transB=turned, alpha=1.0)


def _integer_product(b: Builder, kind: str) -> None:
    """Without its zero points, or with them; whole numbers that become floats at once."""
    x = _table(b)
    held, _, zero = _held(b, x)
    weight, _, other = _weight(b, (x.shape[1], b.pick((1, 2, 3))))
    zeros = b.pick(([], [zero], [zero, other]))
    name = b.node(kind, [one.name for one in (held, weight, *zeros)])
    shape, bound = (x.shape[0], weight.shape[1]), 255.0 * 100 * x.shape[1]
    told = {"bound": bound, "error": 0.0, "grid": 0}
    b.add("Cast", [Value(name, shape, "int32", bound)], shape, b.dtype, **told, to=KINDS[b.dtype])


def _pair(b: Builder, kind: str) -> None:
    x = b.exact()
    _read_back(b, kind, [*_held(b, x), *_weight(b, x.shape[-1:])], x.shape)


def _activation(b: Builder, kind: str) -> None:
    x = b.exact()
    options = {"alpha": 0.25} if kind.endswith("LeakyRelu") else {}
    _read_back(b, kind, list(_held(b, x)), x.shape, **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    "MatMulInteger": _integer_product,
    "QLinearMatMul": _product,
    "com.microsoft::QGemm": _gemm,
    **{f"com.microsoft::QLinear{kind}": _pair for kind in ("Add", "Mul")},
    **{f"com.microsoft::QLinear{kind}": _activation for kind in ("LeakyRelu", "Sigmoid")},
}
