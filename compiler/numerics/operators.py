"""What each ONNX operator means, in numpy: one table row each, in its opset-18 form.

The frontend brings older and newer forms into this one. The table is the oracle for folding
constants and for the host parts; at run time host parts are executed by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, log_softmax, softmax

from pinnir.numerics.windows import average_pool, conv, global_pool, max_pool

Tensor = NDArray[Any]


def _gemm(
    a: Tensor, b: Tensor, c: Tensor | float = 0.0, *, alpha: float = 1.0, beta: float = 1.0,
    transA: int = 0, transB: int = 0,  # noqa: N803 (ONNX attribute names)
) -> Tensor:  # fmt: skip
    product = (a.T if transA else a) @ (b.T if transB else b)
    return np.asarray(alpha * product + beta * c)


def _div(a: Tensor, b: Tensor) -> Tensor:
    """ONNX divides integers towards zero."""
    if not (np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)):
        return np.asarray(np.divide(a, b))
    quotient, rest = np.divmod(a, b)
    return np.asarray(quotient + ((rest != 0) & ((a < 0) != (b < 0))))


def _pow(x: Tensor, y: Tensor) -> Tensor:
    """ONNX gives a power the type of its base."""
    whole = np.issubdtype(x.dtype, np.integer) and (np.any(y < 0) or y.dtype.kind == "f")
    return np.asarray(np.power(x.astype(np.float64) if whole else x, y)).astype(x.dtype)


def _mod(x: Tensor, y: Tensor, *, fmod: int = 0) -> Tensor:
    """With the sign of the divisor, or with ``fmod`` that of the dividend."""
    return np.asarray((np.fmod if fmod else np.mod)(x, y))


def _shrink(x: Tensor, *, lambd: float = 0.5, bias: float = 0.0) -> Tensor:
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0))


def _is_inf(x: Tensor, *, detect_positive: int = 1, detect_negative: int = 1) -> Tensor:
    wanted = np.where(x > 0, bool(detect_positive), bool(detect_negative))
    return np.asarray(np.isinf(x) & wanted)


def _slice(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    where = range(len(starts)) if axes is None else axes
    strides = np.ones(len(starts), int) if steps is None else steps
    index: list[slice] = [slice(None)] * x.ndim
    for axis, start, end, stride in zip(where, starts, ends, strides, strict=True):
        # ONNX says "to the end" with numbers beyond any length; numpy agrees, except that going
        # backwards past the first element is spelled None.
        stop = None if stride < 0 and end < -x.shape[axis] else int(end)
        # Likewise a start before the first element is the first element.
        index[int(axis)] = slice(max(int(start), -x.shape[axis]), stop, int(stride))
    return x[tuple(index)]


def _concat(*parts: Tensor, axis: int) -> Tensor:
    return np.concatenate(parts, axis=axis)


def _reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    wanted = [
        x.shape[i] if size == 0 and not allowzero else int(size) for i, size in enumerate(shape)
    ]
    return x.reshape(wanted)


def _unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


def _squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


def _transpose(x: Tensor, *, perm: list[int] | None = None) -> Tensor:
    return np.transpose(x, perm)


def _identity(x: Tensor) -> Tensor:
    return x


def _cast(x: Tensor, *, to: str) -> Tensor:
    return x.astype(to)


def _reduce(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduced(
        x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        where: tuple[int, ...] | None = () if axes is None else tuple(int(a) for a in axes)
        if not where and not noop_with_empty_axes:
            where = None
        # numpy sums int32 into int64; ONNX keeps the type.
        return np.asarray(function(x, axis=where, keepdims=bool(keepdims))).astype(x.dtype)

    return reduced


def _l2(x: Tensor, *, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    return np.asarray(np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)))


def _cumsum(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    where = int(axis)
    ordered = np.flip(x, where) if reverse else x
    total = np.cumsum(ordered, where, dtype=x.dtype)
    if exclusive:
        total = total - ordered
    return np.flip(total, where) if reverse else total


def _layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | float = 0.0, *, axis: int = -1, epsilon: float = 1e-5
) -> Tensor:
    axes = tuple(range(axis % x.ndim, x.ndim))
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + epsilon) * scale + bias)


def _gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return np.take(x, indices.astype(np.int64), axis=axis)


def _gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    if batch_dims:
        raise ValueError("batch_dims is not supported")
    return np.asarray(x[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))])


def _shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return np.array(x.shape[start:end], np.int64)


def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    where = axis + x.ndim if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:where], dtype=int)), -1)


def _pad(
    x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    where = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(where, *np.split(pads, 2), strict=True):
        widths[axis] = (int(before), int(after))
    # Negative widths cut off.
    kept = tuple(slice(max(-a, 0), size - max(-b, 0))
                 for size, (a, b) in zip(x.shape, widths, strict=True))  # fmt: skip
    filling = 0 if value is None else value.item()
    return np.pad(x[kept], [(max(a, 0), max(b, 0)) for a, b in widths], constant_values=filling)


def _trilu(x: Tensor, diagonal: Tensor | int = 0, *, upper: int = 1) -> Tensor:
    return (np.triu if upper else np.tril)(x, int(diagonal))


def _eye_like(x: Tensor, *, dtype: str = "", k: int = 0) -> Tensor:
    rows, columns = x.shape
    return np.eye(rows, columns, k, dtype=dtype or x.dtype)


def _expand(x: Tensor, shape: Tensor) -> Tensor:
    return np.asarray(x * np.ones([int(size) for size in shape], x.dtype))


def _constant_of_shape(shape: Tensor, *, value: float = 0.0, dtype: str = "float64") -> Tensor:
    return np.full([int(size) for size in shape], value, dtype)


def _einsum(*operands: Tensor, equation: str) -> Tensor:
    return np.asarray(np.einsum(equation, *operands, optimize=True))


# Operators that treat every element alike; several operands are broadcast.
ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "Abs": np.abs,
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Add": np.add,
    "And": np.logical_and,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "Ceil": np.ceil,
    "Celu": lambda x, alpha=1.0: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(x / alpha)),
    "Clip": lambda x, low, high: np.clip(x, low, high),
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Div": _div,
    "Elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "Equal": np.equal,
    "Erf": erf,
    "Exp": np.exp,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": _identity,
    "IsInf": _is_inf,
    "IsNaN": np.isnan,
    "LeakyRelu": lambda x, alpha=0.01: np.where(x >= 0, x, alpha * x),
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": lambda *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Mean": lambda *x: sum(x) / len(x),
    "Min": lambda *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "Mod": _mod,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "PRelu": lambda x, slope: np.where(x >= 0, x, slope * x),
    "Pow": _pow,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Round": np.round,
    "Selu": lambda x, alpha=1.6732632423543772, gamma=1.0507009873554805: (
        gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    ),
    "Sigmoid": expit,
    "Shrink": _shrink,
    "Sign": np.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Softplus": lambda x: np.logaddexp(0, x),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Sum": lambda *x: sum(x),
    "Tan": np.tan,
    "Tanh": np.tanh,
    "ThresholdedRelu": lambda x, alpha=1.0: np.where(x > alpha, x, 0),
    "Where": np.where,
    "Xor": np.logical_xor,
}

PRIMITIVES: dict[str, Callable[..., Tensor]] = {
    **ELEMENTWISE,
    # linear algebra, reductions, normalisations
    "CumSum": _cumsum,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": lambda x, axis=-1: log_softmax(x, axis),
    "MatMul": np.matmul,
    "ReduceL1": _reduce(lambda x, **where: np.sum(np.abs(x), **where)),
    "ReduceL2": _reduce(_l2),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceSumSquare": _reduce(lambda x, **where: np.sum(x * x, **where)),
    "Softmax": lambda x, axis=-1: softmax(x, axis),
    # windows of images
    "AveragePool": average_pool,
    "Conv": conv,
    "GlobalAveragePool": lambda x: global_pool(x, largest=False),
    "GlobalMaxPool": lambda x: global_pool(x, largest=True),
    "MaxPool": max_pool,
    # types and shapes
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "Range": lambda start, end, step: np.arange(start, end, step, dtype=start.dtype),
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": lambda x: np.asarray(x.size),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Tile": np.tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}


# Operators whose values are integers or truth values whatever they are given.
NOT_FLOATING = (
    "And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not",
    "Or", "Shape", "Size", "Xor",
)  # fmt: skip
