"""One process that makes mutants, runs commands on them, and tells what is wrong.

Reads one number of a mutant a line; answers with one line of JSON each.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

import pinnir
from fuzz.watch import Decoys, watch_opens
from fuzz.zygote import read_frame, write_frame
from pinnir.base import sandbox
from pinnir.cli import app as cli

SECONDS, BYTES = 10.0, 2**31
_LONGEST_MESSAGE = 20_000
_ROOT = Path(__file__).parents[1]

# Writes a mutant into ``folder / "model"`` and gives its kind and the commands to run on it.
Make = Callable[[np.random.Generator, Path, Path], tuple[str, list[list[str]]]]


class Worker:
    """Runs mutants of one kind.

    Args:
        make: Makes a mutant.
        seed: Of all mutants.
        cold: Start a new interpreter for each file, as users do.
    """

    def __init__(self, make: Make, seed: int, *, cold: bool = False) -> None:
        self._make, self._seed = make, seed
        self._home = Path(tempfile.mkdtemp(prefix="pinnir-fuzz-"))
        self._decoy = self._home / "decoy.bin"
        self._decoy.write_bytes(np.ones(64, np.float32).tobytes())
        self._decoys = Decoys([self._decoy])
        self._opened: set[str] = set()
        self._child_bytes = 0
        tempfile.tempdir = str(self._home / "tmp")
        (self._home / "tmp").mkdir()
        self._allowed = _allowed_paths(self._home)
        watch_opens(self._opened.add)
        if not cold:
            self._zygote = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("zygote.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            sandbox.start = self._start

    def close(self) -> None:
        """Remove what the worker keeps."""
        shutil.rmtree(self._home, ignore_errors=True)

    def run(self, number: int) -> dict[str, Any]:
        """What came of one mutant; ``findings`` is empty if all is well."""
        rng = np.random.default_rng([self._seed, number])
        case = self._home / "case"
        (case / "model").mkdir(parents=True)
        (case / "decoy.bin").symlink_to(self._decoy)
        try:
            kind, commands = self._make(rng, case / "model", self._decoy)
        except Exception as error:  # a mutation that a library refuses to make
            shutil.rmtree(case)
            kind = f"not made: {type(error).__name__}"
            return {
                "number": number,
                "kind": kind,
                "codes": [],
                "seconds": 0.0,
                "mib": 0,
                "messages": [],
                "findings": [],
            }
        findings: list[str] = []
        codes, seconds, messages = [], 0.0, []
        self._decoys.opened()
        for command in commands:
            before = _listing(self._home)
            self._opened.clear()
            self._child_bytes = 0
            _reset_peak()
            started, worked = time.perf_counter(), time.process_time()
            result = CliRunner().invoke(cli.main, command)
            took, worked = time.perf_counter() - started, time.process_time() - worked
            seconds = max(seconds, took)
            codes.append(result.exit_code)
            messages.append(result.stderr.partition("\n")[0][:200])
            findings += _judge(result)
            findings += self._strangers()
            # On a busy machine the clock runs on while the command waits for its turn; the time at
            # work of the child processes has a limit of its own.
            if worked > SECONDS:
                findings.append(f"worked for {worked:.1f} s")
            if (peak := max(_peak(), self._child_bytes)) > BYTES:
                findings.append(f"needed {peak / 2**30:.2f} GiB")
            written = sorted(_listing(self._home) - before)
            if result.exit_code and written:
                findings.append(f"left {', '.join(written)}")
        shutil.rmtree(case)
        return {
            "number": number,
            "kind": kind,
            "codes": codes,
            "seconds": round(seconds, 3),
            "mib": max(_peak(), self._child_bytes) >> 20,
            "messages": messages,
            "findings": findings,
        }

    def _strangers(self) -> list[str]:
        outside = sorted(path for path in self._opened if not path.startswith(self._allowed))
        return [f"opened {path}" for path in (*outside, *self._decoys.opened())]

    def _start(self, request: sandbox.Request) -> tuple[int, bytes, bytes]:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        write_frame(self._zygote.stdin, request.encode())
        told = json.loads(read_frame(self._zygote.stdout) or b"{}")
        output = read_frame(self._zygote.stdout) or b""
        self._opened.update(told["opened"])
        self._child_bytes = max(self._child_bytes, told["rss"])
        return told["code"], output, b""


def _allowed_paths(home: Path) -> tuple[str, ...]:
    """Where a command may open files: its own folders, Python's, and what describes the machine."""
    python = {*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, *sys.path}
    own = [
        *pinnir.__path__,
        str(_ROOT),
        *(str(home / name) for name in ("case/model", "case/out", "tmp")),
    ]
    return (
        *own,
        *filter(None, python),
        "/proc/",
        "/sys/",
        "/dev/null",
        "/dev/urandom",
        "/etc/os-release",
        "/usr/",
    )


def _judge(result: Result) -> list[str]:
    findings = []
    if result.exit_code not in (0, 1, 2):
        findings.append(f"exit code {result.exit_code}: {result.stderr[:500]}")
    if result.exception and not isinstance(result.exception, SystemExit):
        findings.append(f"escaped {result.exception!r}")
    for words in ("Traceback", "internal error", "Warning"):
        if words in result.stderr and result.exit_code in (0, 1, 2):
            findings.append(f"says {words}: {result.stderr[:500]}")
    if result.exit_code and not result.stderr.startswith("error: "):
        findings.append(f"failed without a message: {result.stderr[:200]!r}")
    if len(result.stderr) > _LONGEST_MESSAGE:
        findings.append(f"a message of {len(result.stderr):,} characters")
    return findings


def _listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _reset_peak() -> None:
    """Linux counts the peak anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Run the mutants whose numbers come in."""
    module, seed, cold = sys.argv[1:]
    worker = Worker(importlib.import_module(module).make, int(seed), cold=cold == "cold")
    try:
        for line in sys.stdin:
            print(json.dumps(worker.run(int(line))), flush=True)
    finally:
        worker.close()


if __name__ == "__main__":
    main()
