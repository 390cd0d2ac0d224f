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


PRIMITIVES: dict[str, Callable[..., Tensor]] = {
    # element-wise, one operand
    "Abs": np.abs,
    "Cos": np.cos,
    "Erf": erf,
    "Exp": np.exp,
    "Identity": _identity,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": expit,
    "Sin": np.sin,
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
    # element-wise, several operands
    "Add": np.add,
    "Div": _div,
    "Max": lambda *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Min": lambda *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
    # linear algebra
    "Gemm": _gemm,
    "MatMul": np.matmul,
    # shapes
    "Concat": _concat,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


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
        return np.asarray(PRIMITIVES[kind](*operands, **attributes))
    except (ValueError, TypeError, IndexError) as error:
        raise VerifyError(
            f"cannot be computed: {error}",
            node=name,
            op=kind,
            hint="check the shapes in the ONNX model",
        ) from error
