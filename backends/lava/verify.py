"""Run an export with Lava in its own environment, and compare every event with the oracle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS, Environment
from pinnir.backends.lava.write import (
    by_name,
    chip_cores,
    expected_of,
    inputs_of,
    packed,
    write,
)
from pinnir.backends.recording import record
from pinnir.backends.verify import Comparison, Report
from pinnir.base.errors import BackendError
from pinnir.base.files import write_files
from pinnir.mapping.integer_cores import Whole
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

_SECONDS = 1800


def on_lava(program: Program, points: Array) -> Report:
    """Run the fixed-point models on any points, and compare.

    Raises:
        BackendError: If Lava is not installed, or fails.
    """
    return with_models(program, points, "fixed_pt")


def with_models(program: Program, points: Array, tag: str) -> Report:
    """Run the models of one kind on any points, and compare.

    Args:
        program: The program.
        points: ``(samples, columns)``.
        tag: ``fixed_pt`` or ``floating_pt``.

    Raises:
        BackendError: As :func:`on_lava`.
    """
    environment = ENVIRONMENTS["lava"]
    environment.check()
    cores, records = chip_cores(program), record(program, points)
    pairs = list(zip(cores, records, strict=True))
    found = run_export(environment, write(program), by_name(pairs, inputs_of), tag)
    return Report("lava", compared(by_name(pairs, expected_of), found), {})


def compared(expected: dict[str, Whole], found: dict[str, Whole]) -> Comparison:
    """What Lava gave against the oracle."""
    events = outputs = differing = 0
    for name, values in expected.items():
        if found[name].shape != values.shape:
            raise BackendError(f"Lava gave {name} as {found[name].shape}, not {values.shape}")
        wrong = int((found[name] != values).sum())
        if name.endswith(".outputs"):
            outputs += wrong
        else:
            events, differing = events + values.size, differing + wrong
    return Comparison(events, differing, outputs)


def run_export(
    environment: Environment, contents: dict[str, bytes], samples: dict[str, Whole], tag: str
) -> dict[str, Whole]:
    """Everything that an export gives for some samples."""
    with tempfile.TemporaryDirectory(prefix="pinnir-lava-") as name:
        folder = Path(name)
        write_files(folder, contents)
        (folder / "given.npz").write_bytes(packed(samples))
        script = ["runner.py", "--tag", tag, "--samples", "given.npz", "--output", "found.npz"]
        environment.run(script, folder, _SECONDS)
        with np.load(folder / "found.npz") as arrays:
            return dict(arrays)
