"""Random uses of convolutions and poolings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.random_ops.builder import Builder, Value


def _image(b: Builder) -> Value:
    """A value ``(samples, channels, length)`` or ``(samples, channels, height, width)``."""
    x = b.float(lambda v: len(v.shape) == 2 and v.shape[1] <= 4)
    samples, channels = x.shape
    spatial = tuple(b.pick((2, 3, 4)) for _ in range(1 + b.draw_below(2)))
    ones = (1,) * len(spatial)
    shape = b.ints(-1, channels, *ones)
    spread = b.like("Reshape", [x, shape], (samples, channels, *ones))
    pattern = b.constant((1, channels, *spatial), x.kind, 1.0)
    bound, grid = x.bound * max(pattern.bound, 1e-3), x.grid + pattern.grid
    told = {"bound": bound, "error": x.error + bound * 2.0**-22, "grid": grid}
    return b.like("Mul", [spread, pattern], (samples, channels, *spatial), **told)


def _places(b: Builder, image: Value, *, dilated: bool = False) -> tuple[dict[str, Any], list[int]]:
    """Attributes that say where windows lie, and how many there are along each dimension."""
    spatial = image.shape[2:]
    kernel = [b.pick(range(1, size + 1)) for size in spatial]
    options: dict[str, Any] = {"kernel_shape": kernel}
    strides, apart = [1] * len(spatial), [1] * len(spatial)
    before, after = [0] * len(spatial), [0] * len(spatial)
    if b.maybe():
        strides = options["strides"] = [b.pick((1, 2)) for _ in spatial]
    if b.maybe():
        before, after = ([b.pick(range(size)) for size in kernel] for _ in range(2))
        options["pads"] = [*before, *after]
    if dilated and b.maybe():
        room = [size + a + c for size, a, c in zip(spatial, before, after, strict=True)]
        apart = options["dilations"] = [
            2 if 2 * (size - 1) < whole else 1 for size, whole in zip(kernel, room, strict=True)
        ]
    counts = [
        (size + a + c - (k - 1) * far - 1) // stride + 1
        for size, a, c, k, far, stride in zip(
            spatial, before, after, kernel, apart, strides, strict=True
        )
    ]
    return options, counts


def _conv(b: Builder, kind: str) -> None:
    image = _image(b)
    options, counts = _places(b, image, dilated=True)
    channels = image.shape[1]
    group = b.pick([g for g in range(1, channels + 1) if channels % g == 0])
    if group > 1 or b.maybe():
        options["group"] = group
    maps = group * b.pick((1, 2))
    shape = (maps, channels // group, *options["kernel_shape"])
    operands: list[Value | None] = [image, b.constant(shape, image.kind, 1.0)]
    if b.maybe():
        operands.append(b.constant((maps,), image.kind, 1.0))
    terms = int(np.prod(shape[1:]))
    bound, error = terms * image.bound + 1, terms * (image.error + image.bound * 2.0**-22)
    result = (image.shape[0], maps, *counts)
    b.like(kind, operands, result, bound=bound, error=error, grid=None, **options)


def _pool(b: Builder, kind: str) -> None:
    """ONNX Runtime dilates averages from opset 19 on, and maxima from opset 10 on."""
    image = _image(b)
    options, counts = _places(b, image, dilated=kind == "MaxPool" and b.opset >= 10)
    if kind == "AveragePool" and b.maybe():
        options["count_include_pad"] = b.pick((0, 1))
    grid = image.grid if kind == "MaxPool" else None
    b.like(kind, [image], (*image.shape[:2], *counts), grid=grid, **options)


def _global(b: Builder, kind: str) -> None:
    image = _image(b)
    shape = (*image.shape[:2], *(1 for _ in image.shape[2:]))
    grid = image.grid if kind == "GlobalMaxPool" else None
    b.like(kind, [image], shape, grid=grid)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    "AveragePool": _pool,
    "Conv": _conv,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "MaxPool": _pool,
}
