"""One BLAS thread: sums then have one order on every machine, and results one value."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

# What was found when so many modules were loaded; looking for libraries takes milliseconds.
_found: list[tuple[int, ThreadpoolController]] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """Let all libraries that are loaded by now compute with one thread."""
    loaded = len(sys.modules)
    if not _found or _found[0][0] != loaded:
        _found[:] = [(loaded, ThreadpoolController())]
    with _found[0][1].limit(limits=1):
        yield
