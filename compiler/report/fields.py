"""Saved fields: the ``.npz`` files that ``pinnir run`` writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeAlias

import numpy as np

from pinnir.base.files import write_atomic
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program, RunResult

# Points (samples, columns), or the shape of a grid over the program's domain.
Where: TypeAlias = Array | tuple[int, ...]


def save_field(path: Path, program: Program, where: Where, result: RunResult) -> None:
    """Write ``outputs``, ``columns``, where they are known ``source``, and where the field is.

    That is ``points``; or, for a grid, its shape ``grid`` and the coordinates along every column
    as ``line_0``, ``line_1``, ... A grid of a network of one sample axis has ``points`` as well.
    If ``outputs`` were smoothed, ``outputs_unsmoothed`` is what the program gave.

    Args:
        path: Of the ``.npz`` file.
        program: What was run.
        where: Where it was run.
        result: Of the run.

    Raises:
        ProgramFileError: If the file cannot be written.
    """
    arrays = {"outputs": result.outputs, "columns": np.array(program.domain.columns)}
    if result.source is not None:
        arrays["source"] = result.source
    if result.unsmoothed is not None:
        arrays["outputs_unsmoothed"] = result.unsmoothed
    if isinstance(where, tuple):
        arrays["grid"] = np.array(where)
        arrays |= {f"line_{i}": line for i, line in enumerate(program.domain.lines(where))}
        if program.domain.axis_count == 1:
            arrays["points"] = program.domain.grid(where)
    else:
        arrays["points"] = where
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())
