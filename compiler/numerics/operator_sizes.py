"""How large a primitive's value will be, found out before memory is asked for.

Only operators whose value can be larger than their operands are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 2**28
_ITEM = 8

Tensor = NDArray[Any]


def _broadcast(*operands: Tensor, **attributes: Any) -> int:
    return prod(np.broadcast_shapes(*(operand.shape for operand in operands)))


def _matmul(a: Tensor, b: Tensor) -> int:
    rows, columns = a.shape[-2:-1], b.shape[-1:] if b.ndim > 1 else ()
    return prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2])) * prod(rows) * prod(columns)


def _gemm(a: Tensor, b: Tensor, *bias: Tensor, **attributes: Any) -> int:
    rows = a.shape[1 if attributes.get("transA") else 0]
    columns = b.shape[0 if attributes.get("transB") else 1]
    return prod(np.broadcast_shapes((rows, columns), *(c.shape for c in bias)))


def _expand(x: Tensor, shape: Tensor) -> int:
    return prod(np.broadcast_shapes(x.shape, tuple(int(size) for size in shape)))


def _constant_of_shape(shape: Tensor, **attributes: Any) -> int:
    return prod(int(size) for size in shape)


def _gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> int:
    return int(indices.size) * int(x.size // max(x.shape[axis], 1))


def _gather_nd(x: Tensor, indices: Tensor, **attributes: Any) -> int:
    return prod(indices.shape[:-1]) * prod(x.shape[indices.shape[-1] :])


def _concat(*parts: Tensor, axis: int) -> int:
    return sum(part.size for part in parts)


def _einsum(*operands: Tensor, equation: str) -> int:
    """All labels of the result; without an arrow no more than all labels there are."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for labels, operand in zip(inputs.split(","), operands, strict=True):
        sizes |= dict(zip(labels, operand.shape, strict=False))
    return prod(sizes.get(label, 1) for label in (output if arrow else sizes))


def _windows(x: Tensor, *fixed: Tensor, **where: Any) -> int:
    """Entries of all windows, at most one window for every entry of the padded value."""
    shape = where.get("kernel_shape", fixed[0].shape[2:] if fixed else ())
    pads = where.get("pads", [0] * (2 * len(shape)))
    if any(number < 0 for number in pads) or any(size < 1 for size in shape):
        raise ValueError("a window has a size of at least one, and padding is never negative")
    padded = [
        size + before + behind
        for size, before, behind in zip(
            x.shape[2:], pads[: len(shape)], pads[len(shape) :], strict=True
        )
    ]
    return int(prod(x.shape[:2]) * prod(padded) * prod(shape))


_ENTRIES: dict[str, Callable[..., int]] = {
    "AveragePool": _windows,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _windows,
    "Einsum": _einsum,
    "Expand": _expand,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MaxPool": _windows,
}


def check_extent(
    kind: str, attributes: Mapping[str, Any], operands: list[Tensor], elementwise: Collection[str]
) -> None:
    """Refuse to compute a value of more than 256 MiB.

    Raises:
        ValueError: If it would be larger, or the operands do not fit each other.
    """
    entries = _ENTRIES.get(kind, _broadcast if kind in elementwise else None)
    size = 0 if entries is None else _ITEM * entries(*operands, **attributes)
    if size > LARGEST_BYTES:
        raise ValueError(
            f"its value would take {size / 2**20:,.0f} MiB, more than {LARGEST_BYTES // 2**20}"
        )
