"""Load and run an ONNX model once, in a child process, before pinnir does so itself.

Only crashes, endless loops and the need for memory matter here; what ONNX Runtime says against a
model in words it says again in the process that asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pinnir.base.errors import BackendError
from pinnir.base.onnx_runner import OnnxRunner

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

_POINTS = 64
# Memory for one more point. At 4096 points, the most that one call runs, that is 2 GiB.
_MOST_PER_POINT = 2**19
# How ONNX Runtime words that there is no memory.
_NO_MEMORY = ("bad_alloc", "bad allocation", "allocate memory")


def rehearse(data: bytes, what: str) -> None:
    """Load a model and run it on a few points.

    Raises:
        MemoryError: If the limit of the process does not suffice.
        BackendError: If many points would need more memory than there should be.
    """
    try:
        runner = OnnxRunner(data, what)
        _run(runner, _POINTS)
        before = _memory()
        _run(runner, 2 * _POINTS)
        grown = _memory() - before
    except (BackendError, IndexError, ValueError) as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise MemoryError from error
        return
    if grown > _POINTS * _MOST_PER_POINT:
        raise BackendError(
            f"the {what} needs {grown / _POINTS / 2**20:.1f} MiB of memory for each point",
            hint="export a network that computes every point on its own",
        )


def _run(runner: OnnxRunner, points: int) -> None:
    """Run on as many samples of each input as give that number of combinations."""
    each = round(points ** (1 / max(1, len(runner.shapes))))
    runner([np.zeros(_sizes(shape, each)) for shape in runner.shapes])


def _sizes(shape: Sequence[int | None], samples: int) -> list[int]:
    """A shape with so many samples along its first open dimension, and one along others."""
    first = shape.index(None) if None in shape else -1
    return [size or (samples if i == first else 1) for i, size in enumerate(shape)]


def _memory() -> int:
    """The most that this process has used so far, in bytes."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
