"""Random uses of the operators that are not ONNX's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.random_ops.builder import INTEGERS, Builder


def _scaler(b: Builder, kind: str) -> None:
    """A number for each column, or one for all."""
    x = b.value((b.dtype, b.dtype, *INTEGERS), lambda v: len(v.shape) == 2)
    columns = b.pick((1, x.shape[1]))
    options = {"offset": _numbers(b, columns), "scale": _numbers(b, columns)}
    bound, error = 2 * (x.bound + 2), 2 * x.error
    b.add(kind, [x], x.shape, "float32", bound=bound, error=error, grid=x.grid + 6, **options)


def _numbers(b: Builder, count: int) -> list[float]:
    return [float(number) / 8 for number in b.rng.integers(-16, 17, count)]


def _normalizer(b: Builder, kind: str) -> None:
    """Rows that are far from zero."""
    x = b.float(lambda v: len(v.shape) == 2)
    x = b.above(x, 0.5)
    options = {"norm": b.pick(("MAX", "L1", "L2"))}
    b.like(kind, [x], bound=1.0, error=4 * x.error, grid=None, **options)


def _imputer(b: Builder, kind: str) -> None:
    """Of exact values, which are or are not the one to replace."""
    x = b.float(lambda v: len(v.shape) == 2 and v.exact)
    number = _numbers(b, b.pick((1, x.shape[1])))
    mark = b.pick((0.0, 0.5, float("nan")))
    options = {"imputed_value_floats": number, "replaced_value_float": mark}
    b.like(kind, [x], bound=max(x.bound, 2), grid=max(x.grid, 3), **options)


def _gelu(b: Builder, kind: str) -> None:
    """With a bias, a row, that may be left out of one kind."""
    x = b.float(lambda v: bool(v.shape))
    operands = [x]
    if kind.endswith("BiasGelu") or (kind.endswith("FastGelu") and b.maybe()):
        operands.append(b.constant(x.shape[-1:], x.kind, 1.0))
    b.like(kind, operands, bound=x.bound + 1, error=1.3 * x.error, grid=None)


def _quick_gelu(b: Builder, kind: str) -> None:
    x = b.float(lambda v: bool(v.shape))
    options = {"alpha": b.pick((1.0, 1.5))} if b.maybe() else {}
    b.like(kind, [x], bound=x.bound, error=1.3 * x.error, grid=None, **options)


def _fused_gemm(b: Builder, kind: str) -> None:
    x = b.float(lambda v: len(v.shape) == 2)
    (rows, inner), outputs, turned = x.shape, b.pick((1, 2, 3)), b.pick((0, 1))
    weight = b.constant((outputs, inner) if turned else (inner, outputs), x.kind, 1.0)
    operands = [x, weight, *([b.constant((outputs,), x.kind, 1.0)] if b.maybe() else [])]
    function = b.pick(("Relu", "Sigmoid", "Tanh", "LeakyRelu"))
    options: dict[str, Any] = {"transB": turned, "activation": function}
    if function == "LeakyRelu":
        options["activation_alpha"] = 0.25
    if b.maybe():
        options["alpha"] = 0.5
    bound, error = inner * x.bound + 1, inner * x.error + 1e-9
    b.like(kind, operands, (rows, outputs), bound=bound, error=error, grid=None, **options)


def _fused_matmul(b: Builder, kind: str) -> None:
    x = b.float(lambda v: len(v.shape) >= 2)
    outputs, turned, side = b.pick((1, 2, 3)), b.pick((0, 1)), b.pick((0, 1))
    *stack, rows, inner = x.shape
    if side:
        rows, inner = inner, rows
    weight = b.constant((outputs, inner) if turned else (inner, outputs), x.kind, 1.0)
    options: dict[str, Any] = {"transA": side, "transB": turned}
    if b.maybe():
        options["alpha"] = 0.5
    told = {"bound": inner * x.bound, "error": inner * x.error + 1e-9, "grid": None}
    b.like(kind, [x, weight], (*stack, rows, outputs), **told, **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    "ai.onnx.ml::Imputer": _imputer,
    "ai.onnx.ml::Normalizer": _normalizer,
    "ai.onnx.ml::Scaler": _scaler,
    **{f"com.microsoft::{kind}": _gelu for kind in ("BiasGelu", "FastGelu", "Gelu")},
    "com.microsoft::FusedGemm": _fused_gemm,
    "com.microsoft::FusedMatMul": _fused_matmul,
    "com.microsoft::QuickGelu": _quick_gelu,
}
