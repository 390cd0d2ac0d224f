"""How large an operator's value will be, found out before memory is asked for, and its cost.

The functions named after an operator give the entries of its value from its operands and
attributes. Those that count multiplications get shapes instead, that of the value and then those of
the operands, in which sample axes have length one.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 2**28
_ITEM = 8

Tensor = NDArray[Any]
Shape = tuple[int, ...]


def refuse_large(entries: int) -> None:
    """Refuse to compute a value of more than 256 MiB.

    Raises:
        ValueError: If so many entries take more.
    """
    size = _ITEM * entries
    if size > LARGEST_BYTES:
        raise ValueError(
            f"its value would take {size / 2**20:,.0f} MiB, more than {LARGEST_BYTES // 2**20}"
        )


def broadcast(*operands: Tensor, **attributes: Any) -> int:
    """Of an element-wise operator."""
    return prod(np.broadcast_shapes(*(operand.shape for operand in operands)))


def matmul(a: Tensor, b: Tensor) -> int:
    """Of stacks of products; a vector is a matrix without rows, or without columns."""
    rows, columns = a.shape[-2:-1], b.shape[-1:] if b.ndim > 1 else ()
    return prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2])) * prod(rows) * prod(columns)


def gemm(a: Tensor, b: Tensor, *bias: Tensor, **attributes: Any) -> int:
    """Of one product, to which a bias is spread."""
    rows = a.shape[1 if attributes.get("transA") else 0]
    columns = b.shape[0 if attributes.get("transB") else 1]
    return prod(np.broadcast_shapes((rows, columns), *(c.shape for c in bias)))


def expand(x: Tensor, shape: Tensor) -> int:
    """Of ``x`` spread to at least this shape."""
    return prod(np.broadcast_shapes(x.shape, tuple(int(size) for size in shape)))


def constant_of_shape(shape: Tensor, **attributes: Any) -> int:
    """Of that shape."""
    return prod(int(size) for size in shape)


def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> int:
    """A slice an index."""
    return int(indices.size) * int(x.size // max(x.shape[axis], 1))


def gather_nd(x: Tensor, indices: Tensor, **attributes: Any) -> int:
    """A slice for each row of indices."""
    return prod(indices.shape[:-1]) * prod(x.shape[indices.shape[-1] :])


def pad(x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> int:
    """Every dimension with what it gets on both sides."""
    shape = np.array(x.shape, object)  # of numbers without an end
    shape[slice(None) if axes is None else axes] += pads.astype(object).reshape(2, -1).sum(axis=0)
    return prod(shape.tolist())


def tile(x: Tensor, repeats: Tensor) -> int:
    """All copies."""
    return x.size * prod(int(count) for count in repeats)


def arange(start: Tensor, end: Tensor, step: Tensor) -> int:
    """As many as steps fit."""
    return max(0, int(np.ceil((end.item() - start.item()) / step.item())))


def concat(*parts: Tensor, axis: int) -> int:
    """All parts."""
    return sum(part.size for part in parts)


def einsum(*operands: Tensor, equation: str) -> int:
    """All labels of the result; without an arrow no more than all labels there are."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for labels, operand in zip(inputs.split(","), operands, strict=True):
        sizes |= dict(zip(labels, operand.shape, strict=False))
    return prod(sizes.get(label, 1) for label in (output if arrow else sizes))


def windows(x: Tensor, *fixed: Tensor, **where: Any) -> int:
    """Entries of all windows, at most one window for every entry of the padded value."""
    shape = where.get("kernel_shape", fixed[0].shape[2:] if fixed else ())
    pads = where.get("pads", [0] * (2 * len(shape)))
    if any(number < 0 for number in pads) or any(size < 1 for size in shape):
        raise ValueError("a window has a size of at least one, and padding is never negative")
    added = zip(x.shape[2:], pads[: len(shape)], pads[len(shape) :], strict=True)
    return int(prod(x.shape[:2]) * prod(map(sum, added)) * prod(shape))


def one_an_entry(value: Shape, *operands: Shape) -> int:
    """Multiplications that make the entries of the value, one each."""
    return prod(value)


def conv_multiplications(value: Shape, x: Shape, kernel: Shape, *bias: Shape, **where: Any) -> int:
    """Those of a convolution: a kernel an entry."""
    return prod(value) * prod(kernel[1:])


def product_multiplications(value: Shape, a: Shape, *operands: Shape, **options: Any) -> int:
    """Those of a matrix product: a row of ``a`` an entry."""
    return prod(value) * a[0 if options.get("transA") else -1]


def einsum_multiplications(value: Shape, *operands: Shape, equation: str) -> int:
    """Those of an Einstein sum: one for every combination of its labels."""
    sizes: dict[str, int] = {}
    inputs = equation.replace(" ", "").replace("...", "").partition("->")[0]
    for labels, shape in zip(inputs.split(","), operands, strict=True):
        sizes |= dict(zip(labels, shape, strict=False))
    return prod(sizes.values())
