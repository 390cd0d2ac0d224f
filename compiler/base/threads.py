"""One BLAS thread: sums then have one order on every machine, and results one value."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

# What was found when so many modules were loaded; looking for libraries takes milliseconds.
_found: list[tuple[int, ThreadpoolController]] = []


def begin_with_one_thread() -> None:
    """Keep OpenBLAS, if it is not loaded yet, from starting threads that nobody would use.

    They cost time to start, and a process that has threads is never copied (``sandbox.py``).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let all libraries that are loaded by now compute with one thread."""
    loaded = len(sys.modules)
    if not _found or _found[0][0] != loaded:
        _found[:] = [(loaded, ThreadpoolController())]
    with _found[0][1].limit(limits=1):
        yield
