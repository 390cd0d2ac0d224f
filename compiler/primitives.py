"""What each ONNX operator means, in numpy: one table row each, in its opset-18 form.

The frontend brings older and newer forms into this one. The table is the oracle for folding
constants and for the host parts; at run time host parts are executed by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from pinnir.errors import VerifyError

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
        if axes is None and noop_with_empty_axes:
            return x
        where = None if axes is None else tuple(int(axis) for axis in axes)
        return np.asarray(function(x, axis=where, keepdims=bool(keepdims)))

    return reduced


def _l2(x: Tensor, *, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    return np.asarray(np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)))


def _gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return np.take(x, indices.astype(np.int64), axis=axis)


def _gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    if batch_dims:
        raise ValueError("batch_dims is not supported")
    return np.asarray(x[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))])


def _shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return np.array(x.shape[start:end], np.int64)


def _expand(x: Tensor, shape: Tensor) -> Tensor:
    return np.asarray(x * np.ones([int(size) for size in shape], x.dtype))


def _constant_of_shape(shape: Tensor, *, value: float = 0.0) -> Tensor:
    return np.full([int(size) for size in shape], value)


def _einsum(*operands: Tensor, equation: str) -> Tensor:
    return np.asarray(np.einsum(equation, *operands, optimize=True))


# Operators that treat every element alike; several operands are broadcast.
ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Celu": lambda x, alpha=1.0: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(x / alpha)),
    "Clip": lambda x, low, high: np.clip(x, low, high),
    "Cos": np.cos,
    "Div": _div,
    "Elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "Equal": np.equal,
    "Erf": erf,
    "Exp": np.exp,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
    "Identity": _identity,
    "LeakyRelu": lambda x, alpha=0.01: np.where(x >= 0, x, alpha * x),
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": lambda *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Min": lambda *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Selu": lambda x, alpha=1.6732632423543772, gamma=1.0507009873554805: (
        gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    ),
    "Sigmoid": expit,
    "Sin": np.sin,
    "Softplus": lambda x: np.logaddexp(0, x),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Where": np.where,
}

PRIMITIVES: dict[str, Callable[..., Tensor]] = {
    **ELEMENTWISE,
    # linear algebra
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": np.matmul,
    "ReduceL2": _reduce(_l2),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
    # types and shapes
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


# Operators whose values are integers or truth values whatever they are given.
NOT_FLOATING = (
    "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Shape",
)  # fmt: skip


def compute(kind: str, attributes: Any, operands: list[Tensor], name: str = "") -> Tensor:
    """Value of one primitive.

    Args:
        kind: ONNX operator.
        attributes: Its attributes.
        operands: Values of its operands, in order.
        name: Of the node, for the error.

    Raises:
        VerifyError: If the operands do not fit the operator.
    """
    try:
        # As in ONNX, a value out of range is infinite or NaN, often in a branch that Where drops.
        with np.errstate(all="ignore"):
            return np.asarray(PRIMITIVES[kind](*operands, **attributes))
    except (ValueError, TypeError, IndexError) as error:
        raise VerifyError(
            f"cannot be computed: {error}",
            node=name,
            op=kind,
            hint="check the shapes in the ONNX model",
        ) from error
