"""What the random ONNX graphs are built of: one generator for each way of using an operator."""

from __future__ import annotations

from collections.abc import Callable

from tests.random_ops import domains, elementwise, images, linear, quantized, shapes
from tests.random_ops.builder import Builder

GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    **domains.GENERATORS,
    **elementwise.GENERATORS,
    **images.GENERATORS,
    **linear.GENERATORS,
    **quantized.GENERATORS,
    **shapes.GENERATORS,
}
