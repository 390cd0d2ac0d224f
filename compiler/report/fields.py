"""Saved fields: the ``.npz`` files that ``pinnir run`` writes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from pinnir.matrix import Array
from pinnir.program import Program, RunResult, write_atomic


def save_field(
    path: Path, program: Program, points: Array, result: RunResult, grid: tuple[int, ...] | None
) -> None:
    """Write ``points``, ``outputs``, ``columns`` and, where known, ``source`` and ``grid``.

    Raises:
        ProgramFileError: If the file cannot be written.
    """
    arrays = {
        "points": points,
        "outputs": result.outputs,
        "columns": np.array(program.domain.columns),
    }
    if result.source is not None:
        arrays["source"] = result.source
    if grid is not None:
        arrays["grid"] = np.array(grid)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())
