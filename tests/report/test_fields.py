"""Saved fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pinnir.base.errors import ProgramFileError
from pinnir.numerics.matrix import Array
from pinnir.program.program import RunResult
from pinnir.report.fields import save_field
from tests.backends.networks import small_program

GRID = (5, 3)


def written(path: Path, grid: tuple[int, ...] | None, **changes) -> tuple[Array, RunResult]:
    """Save the small program's field; the points and what was saved."""
    program = small_program()
    points = program.domain.grid(GRID)
    result = replace(program.run(points), **changes)
    save_field(path, program, points if grid is None else grid, result)
    return points, result


def test_what_a_field_holds(tmp_path):
    points, result = written(tmp_path / "f.npz", GRID)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as field:
        names = {"points", "outputs", "columns", "source", "grid", "line_0", "line_1"}
        assert set(field) == names
        np.testing.assert_array_equal(field["line_0"], points[::3, 0])
        np.testing.assert_array_equal(field["line_1"], points[:3, 1])
        np.testing.assert_array_equal(field["points"], points)
        np.testing.assert_array_equal(field["outputs"], result.outputs)
        np.testing.assert_array_equal(field["source"], result.source)
        assert field["columns"].tolist() == ["x", "t"]
        assert field["grid"].tolist() == [5, 3]
        assert field["outputs"].dtype == np.float64


def test_without_source_and_grid(tmp_path):
    written(tmp_path / "f.npz", None, source=None)
    with np.load(tmp_path / "f.npz") as field:
        assert set(field) == {"points", "outputs", "columns"}


def test_the_name_is_kept(tmp_path):
    written(tmp_path / "field", None)
    assert [path.name for path in tmp_path.iterdir()] == ["field"]


def test_unwritable(tmp_path):
    path = tmp_path / "no" / "f.npz"
    with pytest.raises(ProgramFileError) as caught:
        written(path, None)
    assert str(caught.value) == (
        f"cannot write {path}: No such file or directory\nhint: give a writable path"
    )
