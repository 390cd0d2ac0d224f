"""Runs pinnir's isolated functions for the fuzzers: a fork of a warm interpreter for each request.

Users get a new process for each file (``base/sandbox.py``). What runs in it is the same
``answer_request`` under the same limits; only importing the libraries is saved here.

Both ends talk in frames: eight bytes of length, then the data.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).parents[1]))
from compiler.base import sandbox_child
from fuzz.watch import watch_opens

sys.path.pop(0)


def read_frame(file: BinaryIO) -> bytes | None:
    """One frame, or None at the end."""
    head = file.read(8)
    return file.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else None


def write_frame(file: BinaryIO, data: bytes) -> None:
    """Send one frame."""
    file.write(struct.pack("<Q", len(data)))
    file.write(data)
    file.flush()


def main() -> None:
    """Answer requests: a frame of JSON (exit code, memory, opened files) and one of output."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (frame := read_frame(requests)) is not None:
        line, _, data = frame.partition(b"\n")
        request = json.loads(line)
        function = sandbox_child.prepare(request)
        told, output = _forked(request, function, data)
        write_frame(answers, json.dumps(told).encode())
        write_frame(answers, output)


def _forked(request: dict[str, Any], function: Any, data: bytes) -> tuple[dict[str, Any], bytes]:
    answer_read, answer_write = os.pipe()
    opened_read, opened_write = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(answer_read)
            watch_opens(lambda path: os.write(opened_write, os.fsencode(path) + b"\n"))
            with os.fdopen(answer_write, "wb") as answer:
                sandbox_child.answer_request(request, function, io.BytesIO(data), answer)
            code = 0
        finally:
            os._exit(code)
    os.close(answer_write)
    os.close(opened_write)
    with os.fdopen(answer_read, "rb") as answer, os.fdopen(opened_read, "rb") as opened:
        output, paths = answer.read(), opened.read()
    _, status, usage = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "rss": usage.ru_maxrss * 1024,
        "opened": sorted(set(paths.decode(errors="replace").splitlines())),
    }, output


if __name__ == "__main__":
    main()
