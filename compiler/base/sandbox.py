"""Parse files of unknown origin in a child process first.

ONNX, ONNX Runtime and HDF5 are C++ and C libraries: a damaged or hostile file may crash them, keep
them busy for ever or make them ask for any amount of memory. So what they do with a file is done
in a short-lived process under a time and a memory limit; what goes wrong there becomes one error.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pinnir.base import errors
from pinnir.base.errors import PinnirError
from pinnir.base.sandbox_child import MEMORY_PER_BYTE, SECONDS_PER_BYTE, answer_forked

# Starting Python and importing libraries may be slow on network disks, and the machine may be busy:
# by the clock a child may take that much longer than it may work.
_START_SECONDS, _BUSY = 60.0, 10
_SECONDS = 8.0
_MEMORY = 1280 * 2**20
_CHILD = Path(__file__).with_name("sandbox_child.py")
# A folder for each thread of this process, on Linux.
_THREADS = Path("/proc/self/task")
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
    def patience(self) -> float:
        """Limit by the clock."""
        return _START_SECONDS + _BUSY * self.seconds

    @property
    def memory(self) -> int:
        """Limit of the memory that the function may ask for, in bytes."""
        return _MEMORY + self.size * MEMORY_PER_BYTE

    def failed(self, why: str) -> PinnirError:
        """The error about a file that the function cannot read."""
        return self.error(f"{self.what} {why}", hint=_EXPORT_AGAIN)

    def told(self) -> dict[str, Any]:
        """What the child needs to know besides the data."""
        root = list(sys.modules["pinnir"].__path__)
        return {
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

    def encode(self) -> bytes:
        """What a new interpreter reads: a line of JSON, then the data."""
        return json.dumps(self.told()).encode() + b"\n" + self.data


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
    if can_fork():
        with _memory_file("answer") as answer, _memory_file("log") as log:
            code = _fork(request, answer, log)
            return code, _content(answer), _content(log)
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD)],
        input=request.encode(),
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        timeout=request.patience,
    )
    return done.returncode, done.stdout, done.stderr


def can_fork() -> bool:
    """Whether a child may be a copy of this process, which spares it its imports.

    Only where no other thread exists: a copy would keep the locks that other threads hold. So
    only on Linux, which tells how many there are, those of libraries included.
    """
    try:
        return hasattr(os, "pidfd_open") and len(list(_THREADS.iterdir())) == 1
    except OSError:
        return False


def _fork(request: Request, answer: BinaryIO, log: BinaryIO) -> int:
    """Run the child as a copy of this process; its exit code."""
    child = os.fork()
    if not child:
        answer_forked(request.told(), request.data, answer, log)
    ended = False
    try:
        with os.fdopen(os.pidfd_open(child)) as running:
            ended = bool(select.select([running], [], [], request.patience)[0])
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not ended:
        raise subprocess.TimeoutExpired(request.call, request.patience)
    return os.waitstatus_to_exitcode(status)


def _memory_file(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "w+b")


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


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
