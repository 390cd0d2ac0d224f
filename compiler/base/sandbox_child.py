"""What runs in the child process of ``base/sandbox.py``: one function, limited, on one request.

Where the child is no copy of its parent, this file is started by its path and imports nothing of
pinnir before it is told where that is. It registers pinnir's packages without running their
``__init__``, so that only what the function itself imports is loaded: a child is ready in 0.2 s.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

# What every byte of the file adds to the limits of a request.
SECONDS_PER_BYTE, MEMORY_PER_BYTE = 1e-7, 8


def main() -> None:
    """Read a request from standard input, and write the answer to what standard output was."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # libraries may print
        request = json.loads(sys.stdin.buffer.readline())
        answer_request(request, prepare(request), sys.stdin.buffer, answer)


def answer_forked(
    request: dict[str, Any], data: bytes, answer: BinaryIO, log: BinaryIO
) -> NoReturn:
    """The same in a copy of the parent, which has what it was asked in memory.

    Nothing of the parent's is ended or flushed here, and what libraries print goes to the log.
    """
    code = 1
    try:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        sys.stdout = sys.stderr = os.fdopen(os.dup(log.fileno()), "w", encoding="utf-8")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        answer_request(request, prepare(request), io.BytesIO(data), answer)
        code = 0
    except BaseException:  # nothing may run the parent's code from here
        log.write(traceback.format_exc().encode())
        log.flush()
    finally:
        os._exit(code)


def prepare(request: dict[str, Any]) -> Callable[..., bytes]:
    """The function that a request names, imported as in the parent."""
    sys.path.extend(path for path in request["path"] if path not in sys.path)
    for name, path in request["packages"].items():
        if name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = path
            sys.modules[name] = package
    module, _, function = request["call"].partition(":")
    found: Callable[..., bytes] = getattr(importlib.import_module(module), function)
    return found


def answer_request(
    request: dict[str, Any], function: Callable[..., bytes], data: BinaryIO, answer: BinaryIO
) -> None:
    """Run a function under the request's limits, and write what came of it.

    The answer is one line of JSON, an empty object if all went well, and then the result.
    """
    try:
        _limit(request["seconds"], request["memory"])
        result = function(data.read(), **request["arguments"])
    except MemoryError:
        told, result = {"problem": "memory"}, b""
    except Exception as error:  # libraries raise anything on damaged files
        told, result = _told(error), b""
    else:
        told = {}
    answer.write(json.dumps(told).encode() + b"\n")
    answer.write(result)
    answer.flush()


def _told(error: Exception) -> dict[str, str]:
    if hasattr(error, "hint"):  # one of pinnir's own errors
        own = {key: getattr(error, key) for key in ("message", "node", "op", "hint")}
        return {"problem": "refused", "kind": type(error).__name__, **own}
    lines = str(error).strip().splitlines() or [""]
    return {"problem": "failed", "message": f"{type(error).__name__}: {lines[0]}"}


def _limit(seconds: float, memory: int) -> None:
    """End this process when it takes too long; fail its allocations when it needs too much.

    Neither exists everywhere. What the libraries have reserved so far does not count.
    """
    if resource is None:
        return
    # Time at work, so that a busy machine does not count. The default action ends the process, also
    # from within a library that never returns.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _limit_memory(pages * resource.getpagesize() + memory)


def _limit_memory(limit: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def allow(size: int) -> None:
    """Raise this process's limits for so many bytes of data that the request did not count."""
    if resource is None:
        return
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    left = signal.getitimer(signal.ITIMER_PROF)[0]
    if soft != resource.RLIM_INFINITY and left:
        signal.setitimer(signal.ITIMER_PROF, left + size * SECONDS_PER_BYTE)
        with contextlib.suppress(OSError, ValueError):
            _limit_memory(soft + size * MEMORY_PER_BYTE)


if __name__ == "__main__":
    main()
