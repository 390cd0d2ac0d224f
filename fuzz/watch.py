"""What a process opens: every file by Python itself, and decoys by anything at all."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

_IN_OPEN = 0x20


def watch_opens(report: Callable[[str], object]) -> None:
    """Report every path that Python opens in this process from now on."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            report(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100 (no new opens)

    sys.addaudithook(hook)


class Decoys:
    """Files that nobody may open, in whatever language; Linux only."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names = {
            self._libc.inotify_add_watch(self._handle, os.fsencode(path), _IN_OPEN): str(path)
            for path in paths
        }

    def opened(self) -> list[str]:
        """Which of them have been opened since they were asked for last."""
        try:
            data = os.read(self._handle, 2**16)
        except BlockingIOError:
            return []
        found = set()
        while data:
            number, _, _, size = struct.unpack_from("iIII", data)
            found.add(self._names[number])
            data = data[16 + size :]
        return sorted(found)
