"""Convolutions and poolings in numpy: the meaning of ONNX's operators on windows of images.

Values are ``(samples, channels, length)`` or ``(samples, channels, height, width)``, or of any
other number of spatial dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]
_OUT, _KERNEL = "uvwxyz", "pqrst"


def windows(
    x: Tensor,
    shape: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    filling: float = 0.0,
) -> Tensor:
    """All windows that a kernel looks at, ``(samples, channels, *places, *kernel)``.

    Args:
        x: ``(samples, channels, *spatial)``.
        shape: Of the kernel.
        strides: Between two places, one number a dimension; 1 by default.
        pads: What is put before every spatial dimension, then what behind.
        dilations: Distance of a kernel's entries.
        filling: What the padding holds.
    """
    count = len(shape)
    steps, apart = strides or [1] * count, dilations or [1] * count
    widths = np.reshape(pads if pads is not None else [0] * (2 * count), (2, count)).T
    padded = np.pad(x, [(0, 0), (0, 0), *map(tuple, widths)], constant_values=filling)
    spans = [(size - 1) * far + 1 for size, far in zip(shape, apart, strict=True)]
    axes = tuple(range(2, 2 + count))
    seen = np.lib.stride_tricks.sliding_window_view(padded, spans, axes)
    places = tuple(slice(None, None, step) for step in steps)
    inside = tuple(slice(None, None, far) for far in apart)
    return seen[(slice(None), slice(None), *places, *inside)]


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
) -> Tensor:
    """A convolution with a kernel ``(maps, channels of a group, *shape)``."""
    maps, channels, *shape = weight.shape
    seen = windows(x, shape, strides, pads, dilations)
    places = seen.shape[2 : 2 + len(shape)]
    out, inner = _OUT[: len(shape)], _KERNEL[: len(shape)]
    found = np.einsum(
        f"ngc{out}{inner},gmc{inner}->ngm{out}",
        seen.reshape(len(x), group, channels, *places, *shape),
        weight.reshape(group, maps // group, channels, *shape),
        optimize=True,
    ).reshape(len(x), maps, *places)
    return np.asarray(found if bias is None else found + bias.reshape(-1, *([1] * len(shape))))


def max_pool(x: Tensor, *, kernel_shape: Sequence[int], **where: Any) -> Tensor:
    """The largest value of every window."""
    seen = windows(x, kernel_shape, **where, filling=-np.inf)
    return np.asarray(seen.max(axis=tuple(range(-len(kernel_shape), 0))))


def average_pool(
    x: Tensor, *, kernel_shape: Sequence[int], count_include_pad: int = 0, **where: Any
) -> Tensor:
    """The mean of every window, without its padding unless that is to be counted."""
    axes = tuple(range(-len(kernel_shape), 0))
    total = windows(x, kernel_shape, **where).sum(axis=axes)
    if count_include_pad:
        return np.asarray(total / np.prod(kernel_shape))
    return np.asarray(total / windows(np.ones_like(x), kernel_shape, **where).sum(axis=axes))


def global_pool(x: Tensor, *, largest: bool) -> Tensor:
    """The largest value or the mean of each channel, its spatial dimensions kept as ones."""
    axes = tuple(range(2, x.ndim))
    return np.asarray((np.max if largest else np.mean)(x, axis=axes, keepdims=True))
