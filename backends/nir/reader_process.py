"""Run a reader on NIR graphs, in the reader's own process, and see what comes back."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinnir.backends.nir.environments import find_python
from pinnir.backends.nir.stock.stock import DT
from pinnir.base.errors import BackendError
from pinnir.numerics.matrix import Array

READERS_FOLDER = Path(__file__).parent / "exported" / "readers"
_HARNESS = READERS_FOLDER / "harness.py"
# Readers may hang; a job of theirs takes seconds, and importing PyTorch or JAX some more.
_SECONDS = 90.0


@dataclass(frozen=True, eq=False)
class ReaderJob:
    """A graph to run.

    Attributes:
        graph: The NIR file.
        x: Its input ``(samples, columns)``, held for all steps.
        steps: How many.
        dt: Time step, for readers that ask.
    """

    graph: bytes
    x: Array
    steps: int
    dt: float = DT


@dataclass(frozen=True, eq=False)
class ReaderResult:
    """What a reader gives.

    Attributes:
        output: ``(steps, samples, columns)``, or None if it raised an exception.
        spikes: ``(steps, samples, units)`` by NIR node, of the nodes that it shows.
        error: The exception.
    """

    output: Array | None
    spikes: dict[str, Array]
    error: str = ""


def run_reader(
    name: str, jobs: Mapping[str, ReaderJob], folder: Path | None = None
) -> dict[str, ReaderResult]:
    """Run a reader on jobs. One that it crashes or hangs on is a result like any other.

    Args:
        name: Of the reader.
        jobs: By names that are good for files.
        folder: Of the environments, if not the default one.

    Raises:
        BackendError: If the reader is not installed, or does not even start.
    """
    # -I: neither this project nor the reader's file, of the same name, hides the package.
    script = READERS_FOLDER / f"{name}.py"
    command = [str(find_python(name, folder)), "-I", str(_HARNESS), str(script)]
    found: dict[str, ReaderResult] = {}
    while left := [job for job in jobs if job not in found]:
        with tempfile.TemporaryDirectory(prefix="pinnir-reader-") as work:
            place = Path(work)
            (place / "jobs.json").write_text(json.dumps(left))
            for job in left:
                (place / f"{job}.nir").write_bytes(jobs[job].graph)
                given = jobs[job]
                np.savez(place / f"{job}.in.npz", x=given.x, steps=given.steps, dt=given.dt)
            problem = _run([*command, work], place)
            results = {job: _result(place, job) for job in left}
            found |= {job: result for job, result in results.items() if result is not None}
        if problem and not found and "Traceback" in problem:
            raise BackendError(f"{name} cannot be run: {problem}")
        stuck = next((job for job in left if job not in found), None)
        if stuck is not None:
            found[stuck] = ReaderResult(None, {}, problem)
    return {job: found[job] for job in jobs}


def _run(command: list[str], place: Path) -> str:
    """Run jobs until they are done, or none has been for long; what went wrong, if anything."""
    with (place / "log").open("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        count, since = 0, time.monotonic()
        while process.poll() is None:
            time.sleep(0.1)
            finished = len([*place.glob("*.out.npz"), *place.glob("*.error.txt")])
            if finished > count:
                count, since = finished, time.monotonic()
            elif time.monotonic() - since > _SECONDS:
                process.kill()
                process.wait()
                return "hangs"
        log.seek(0)
        return f"crashes: {log.read().strip()[-2000:]}" if process.returncode else ""


def _result(place: Path, name: str) -> ReaderResult | None:
    """What came of a job, if it is done."""
    result, problem = place / f"{name}.out.npz", place / f"{name}.error.txt"
    if problem.exists():
        return ReaderResult(None, {}, problem.read_text())
    if not result.exists():
        return None
    with np.load(result) as found:
        spikes = {
            key.removeprefix("spikes."): np.asarray(found[key], np.float64)
            for key in found.files
            if key.startswith("spikes.")
        }
        return ReaderResult(np.asarray(found["output"], np.float64), spikes)
