"""Figures of fields: they are written, and they show the field."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import pinnir
from pinnir.base.errors import BackendError, PinnirError, ProgramFileError
from pinnir.program.program import Program, RunResult
from pinnir.program.smoothing import smooth_run
from pinnir.report.figures import _panels, _title, plot_field
from tests.backends.networks import mlp, model

pytest.importorskip("matplotlib")

DOMAINS = {1: "x=-1:1", 2: "x=-1:1,t=0:1", 3: "x=-1:1,y=-1:1,t=0:1"}


@cache
def program(columns: int, outputs: int = 1) -> Program:
    return pinnir.compile(model(mlp(7, (columns, 8, outputs))), DOMAINS[columns], levels=25)


def drawn(path: Path) -> np.ndarray:
    """Pixels of a PNG ``(rows, columns, colours)``, after checks that something is on it."""
    from matplotlib.image import imread

    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 200
    ink = (pixels[..., :3] < 0.99).any(axis=2)
    assert 0.005 < ink.mean() < 0.99
    return pixels


def colours(pixels: np.ndarray) -> int:
    return len(np.unique((255 * pixels[..., :3]).astype(int) @ [1, 256, 65536]))


def plot(path: Path, shown: Program, grid: tuple[int, ...] | None, **changes) -> RunResult:
    points = shown.domain.sample(128, 0) if grid is None else shown.domain.grid(grid)
    result = replace(shown.run(points), **changes)
    plot_field(path, shown, points if grid is None else grid, result)
    return result


@pytest.mark.parametrize("grid", [(64,), None])
def test_curves_for_one_column(tmp_path, grid):
    plot(tmp_path / "f.png", program(1), grid)
    pixels = drawn(tmp_path / "f.png")
    assert colours(pixels) > 20


@pytest.mark.parametrize("grid", [(16, 12), (1, 12), None])
def test_maps_and_dots_for_two_columns(tmp_path, grid):
    plot(tmp_path / "f.png", program(2), grid)
    assert colours(drawn(tmp_path / "f.png")) > 100


@pytest.mark.parametrize("grid", [(8, 9, 3), (1, 8, 9), None])
def test_cuts_for_three_columns(tmp_path, grid):
    plot(tmp_path / "f.png", program(3), grid)
    assert colours(drawn(tmp_path / "f.png")) > 100


def test_one_row_an_output(tmp_path):
    plot(tmp_path / "one.png", program(2), (8, 8))
    plot(tmp_path / "two.png", program(2, 2), (8, 8))
    one, two = drawn(tmp_path / "one.png"), drawn(tmp_path / "two.png")
    assert two.shape[0] > 1.8 * one.shape[0]
    assert two.shape[1] == one.shape[1]


def test_a_program_without_its_source_has_one_panel(tmp_path):
    plot(tmp_path / "three.png", program(2), (8, 8))
    plot(tmp_path / "one.png", program(2), (8, 8), source=None)
    three, one = drawn(tmp_path / "three.png"), drawn(tmp_path / "one.png")
    assert three.shape[1] > 2.5 * one.shape[1]


def test_other_fields_give_other_pictures(tmp_path):
    result = plot(tmp_path / "a.png", program(2), (8, 8))
    plot(tmp_path / "b.png", program(2), (8, 8), outputs=-result.outputs)
    plot(tmp_path / "c.png", program(2), (8, 8))
    assert np.any(drawn(tmp_path / "a.png") != drawn(tmp_path / "b.png"))
    np.testing.assert_array_equal(drawn(tmp_path / "a.png"), drawn(tmp_path / "c.png"))


def test_a_constant_field_without_a_difference(tmp_path):
    flat = np.ones((64, 1))
    plot(tmp_path / "f.png", program(2), (8, 8), outputs=flat, source=flat)
    drawn(tmp_path / "f.png")


def axes_of(monkeypatch, shown: Program, grid: tuple[int, ...] | None, path: Path):
    """The figure that would have been saved."""
    from matplotlib.figure import Figure

    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *rest, **more: (kept.append(self), save(self, *rest, **more)),
    )
    result = plot(path, shown, grid)
    return kept[0], result


def test_panels_and_labels(tmp_path, monkeypatch):
    figure, result = axes_of(monkeypatch, program(2), (16, 12), tmp_path / "f.png")
    panels = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in panels] == ["network", "spiking program", "difference"]
    assert {(axis.get_xlabel(), axis.get_ylabel()) for axis in panels} == {("t", "x")}
    meshes = [axis.collections[0] for axis in panels]
    for mesh, values in zip(
        meshes, (result.source, result.outputs, result.outputs - result.source), strict=True
    ):
        np.testing.assert_array_equal(
            np.asarray(mesh.get_array()).reshape(16, 12), values.reshape(16, 12)
        )
    assert meshes[0].get_clim() == meshes[1].get_clim()
    low, high = meshes[2].get_clim()
    assert low == -high
    told = figure.get_suptitle()
    assert told.startswith("population, ")
    assert f"relative L2 error {result.metrics['rel_l2']:.2g}" in told
    assert "1 step, " in told


def test_a_cut_says_where_it_is(tmp_path, monkeypatch):
    figure, _ = axes_of(monkeypatch, program(3), (8, 9, 3), tmp_path / "f.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["t = 0.5"]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("y", "x")


def test_curves_are_drawn_in_order(tmp_path, monkeypatch):
    figure, _ = axes_of(monkeypatch, program(1), None, tmp_path / "f.png")
    for axis in figure.axes:
        (line,) = axis.lines
        assert np.all(np.diff(line.get_xdata()) >= 0)
        assert axis.get_xlabel() == "x"


@pytest.mark.parametrize("name", ["f.svg", "f.pdf", "F.PNG", "plain"])
def test_formats(tmp_path, name):
    plot(tmp_path / name, program(1), (8,))
    start = {"f.svg": b"<?xml", "f.pdf": b"%PDF"}.get(name, b"\x89PNG")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_unknown_format_is_a_users_error(tmp_path):
    with pytest.raises(PinnirError):
        plot(tmp_path / "f.xyz", program(1), (8,))
    assert list(tmp_path.iterdir()) == []


def test_unwritable(tmp_path):
    path = tmp_path / "no" / "f.png"
    with pytest.raises(ProgramFileError) as caught:
        plot(path, program(1), (8,))
    assert str(caught.value) == (
        f"cannot write {path}: No such file or directory\nhint: give a writable path"
    )


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BackendError) as caught:
        plot(tmp_path / "f.png", program(1), (8,))
    assert str(caught.value) == (
        "plots need matplotlib, which is not installed\nhint: pip install 'pinnir[plot]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_smoothed_field_is_called_so():
    result = program(2).run_grid((16, 12))
    assert list(_panels(result)) == ["network", "spiking program", "difference"]
    smoothed = smooth_run(result, (16, 12))
    assert list(_panels(smoothed)) == ["network", "spiking program, smoothed", "difference"]
    before = f" ({result.metrics['rel_l2']:.2g} before smoothing)"
    assert _title(program(2), smoothed).endswith(before)
    assert "before" not in _title(program(2), result)
