"""Parse files of unknown origin in a child process first.

ONNX, ONNX Runtime and HDF5 are C++ and C libraries: a damaged or hostile file may crash them, keep
them busy for ever or make them ask for any amount of memory. So what they do with a file is done
in a short-lived process under a time and a memory limit; what goes wrong there becomes one error.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnir.base import errors
from pinnir.base.errors import PinnirError
from pinnir.base.sandbox_child import MEMORY_PER_BYTE, SECONDS_PER_BYTE

# Starting Python and importing libraries may be slow on network disks, and the machine may be busy:
# by the clock a child may take that much longer than it may work.
_START_SECONDS, _BUSY = 60.0, 10
_SECONDS = 8.0
_MEMORY = 1280 * 2**20
_CHILD = Path(__file__).with_name("sandbox_child.py")
_EXPORT_AGAIN = "the file is damaged or not meant to be read; make it again"


@dataclass(frozen=True)
class Request:
    """One function to run in a child process.

    Attributes:
        call: ``module:function``; called as ``function(data, **arguments)``, gives bytes.
        what: The file concerned, for error messages.
        error: What a failure of a library is raised as.
        data: Passed to the function.
        arguments: JSON values, passed too.
        size: Bytes of the file, on which the limits depend.
    """

    call: str
    what: str
    error: type[PinnirError]
    data: bytes
    arguments: dict[str, Any]
    size: int

    @property
    def seconds(self) -> float:
        """Limit of the time that the function may be at work."""
        return _SECONDS + self.size * SECONDS_PER_BYTE

    @property
    def memory(self) -> int:
        """Limit of the memory that the function may ask for, in bytes."""
        return _MEMORY + self.size * MEMORY_PER_BYTE

    def failed(self, why: str) -> PinnirError:
        """The error about a file that the function cannot read."""
        return self.error(f"{self.what} {why}", hint=_EXPORT_AGAIN)

    def encode(self) -> bytes:
        """What the child reads."""
        root = list(sys.modules["pinnir"].__path__)
        told = {
            "call": self.call,
            "arguments": self.arguments,
            "seconds": self.seconds,
            "memory": self.memory,
            "packages": {
                "pinnir": root,
                "pinnir.frontend": [str(Path(path) / "frontend") for path in root],
            },
            "path": [path for path in sys.path if path],
        }
        return json.dumps(told).encode() + b"\n" + self.data


def run_isolated(
    call: str,
    what: str,
    error: type[PinnirError],
    *,
    data: bytes = b"",
    size: int | None = None,
    **arguments: Any,
) -> bytes:
    """Run a function of pinnir in a child process; arguments as in :class:`Request`.

    Raises:
        PinnirError: What the function raised; or ``error`` if it failed otherwise, crashed, or
            broke a limit.
    """
    request = Request(call, what, error, data, arguments, len(data) if size is None else size)
    try:
        code, output, log = start(request)
    except subprocess.TimeoutExpired:
        raise _too_slow(request) from None
    except OSError as failure:
        raise PinnirError(
            f"cannot start {sys.executable} to read {what}: {failure.strerror}",
            hint="pinnir reads files in a process of its own; allow it to start one",
        ) from failure
    line, newline, result = output.partition(b"\n")
    if code or not newline:
        raise _ended(request, code, log)
    told = json.loads(line)
    if told:
        raise _problem(request, told)
    return result


def start(request: Request) -> tuple[int, bytes, bytes]:
    """Run the child: its exit code, its answer, and what it logged."""
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD)],
        input=request.encode(),
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        timeout=_START_SECONDS + _BUSY * request.seconds,
    )
    return done.returncode, done.stdout, done.stderr


def _ended(request: Request, code: int, log: bytes) -> PinnirError:
    """The child ended without an answer."""
    if code == -getattr(signal, "SIGPROF", 0):
        return _too_slow(request)
    if code < 0:
        name = signal.Signals(-code).name
        return request.failed(f"crashes the library that reads it ({name})")
    lines = log.decode(errors="replace").strip().splitlines()
    return PinnirError(
        f"the process that reads {request.what} failed to start: {lines[-1] if lines else code}",
        hint="check this Python's installation of onnx, onnxruntime, h5py and nir",
    )


def _too_slow(request: Request) -> PinnirError:
    return request.failed(f"cannot be read within {request.seconds:.0f} s of work")


def _problem(request: Request, told: dict[str, str]) -> PinnirError:
    if told["problem"] == "refused":
        kind: type[PinnirError] = getattr(errors, told["kind"])
        return kind(told["message"], node=told["node"], op=told["op"], hint=told["hint"])
    if told["problem"] == "memory":
        memory = f"{request.memory / 2**30:.1f} GiB of memory"
        return request.failed(f"needs more than {memory} to be read")
    return request.failed(f"is damaged ({told['message']})")
