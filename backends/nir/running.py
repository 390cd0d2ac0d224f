"""Run a reader on NIR graphs, in the reader's own process, and see what comes back."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinnir.backends.nir.environments import READERS_FOLDER, find_python, find_reader
from pinnir.backends.nir.stock import DT
from pinnir.errors import BackendError
from pinnir.ir import Array

_HARNESS = READERS_FOLDER / "harness.py"
# Readers may hang; a job of theirs takes seconds, and importing PyTorch or JAX some more.
_SECONDS = 120.0


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
    """Run a reader on jobs.

    Args:
        name: Of the reader.
        jobs: By names that are good for files.
        folder: Of the environments, if not the default one.

    Raises:
        BackendError: If the reader is not installed, crashes, or takes too long.
    """
    reader, python = find_reader(name), find_python(name, folder)
    with tempfile.TemporaryDirectory(prefix="pinnir-reader-") as work:
        place = Path(work)
        (place / "jobs.json").write_text(json.dumps(list(jobs)))
        for job_name, job in jobs.items():
            (place / f"{job_name}.nir").write_bytes(job.graph)
            np.savez(place / f"{job_name}.in.npz", x=job.x, steps=job.steps, dt=job.dt)
        # -I: neither this project nor the reader's file, of the same name, hides the package.
        command = [str(python), "-I", str(_HARNESS), str(reader.script), work]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=_SECONDS * (1 + len(jobs)),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BackendError(f"{name} was still running after {error.timeout:.0f} s") from error
        if done.returncode:
            raise BackendError(f"{name} crashed: {done.stderr.strip()[-2000:]}")
        return {job_name: _result(place, job_name) for job_name in jobs}


def _result(place: Path, name: str) -> ReaderResult:
    problem = place / f"{name}.error.txt"
    if problem.exists():
        return ReaderResult(None, {}, problem.read_text())
    with np.load(place / f"{name}.out.npz") as found:
        spikes = {
            key.removeprefix("spikes."): np.asarray(found[key], np.float64)
            for key in found.files
            if key.startswith("spikes.")
        }
        return ReaderResult(np.asarray(found["output"], np.float64), spikes)
