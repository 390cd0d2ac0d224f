"""Loops compiled by Numba, if that is installed.

Machine code is kept in the user's cache folder, or where ``NUMBA_CACHE_DIR`` says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from platformdirs import user_cache_path


@cache
def numba() -> Any:
    """The module, or None if it cannot be imported."""
    try:
        return import_module("numba")
    except ImportError:
        return None


class Patience:
    """Says when loops are worth compiling: loading Numba costs as much as some work with numpy.

    If numpy has done that much, Numba costs at most what it saves.
    """

    def __init__(self, worth: float, asked: bool | None) -> None:
        """Wait for work.

        Args:
            worth: Numbers to look up, or units and steps to run, with numpy.
            asked: Whether loops are compiled from the first point on, or never; None to wait.
        """
        self._left = worth if asked is None else (-np.inf if asked else np.inf)

    def ends(self, work: float) -> bool:
        """Whether loops are to be compiled before so much more work is done."""
        self._left -= work
        return self._left <= 0


def compiled(loop: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A loop as machine code that lets other threads run.

    Args:
        loop: Of numbers and arrays, in the part of Python that Numba knows.
        options: Of ``numba.njit``.
    """
    found = numba()
    before = found.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        found.config.CACHE_DIR = str(user_cache_path("pinnir") / "numba")
    try:
        compile_ = found.njit(nogil=True, cache=True, error_model="numpy", **options)
        made: Callable[..., Any] = compile_(loop)
    finally:
        found.config.CACHE_DIR = before
    return made
