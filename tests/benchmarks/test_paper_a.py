"""The study of the PINN-to-SNN paper is complete, and of the programs it names."""

from __future__ import annotations

import numpy as np

from benchmarks.paper_a import cells, page, tolerance
from pinnir.pipeline.manager import pipeline_text

KNOWN = cells.load()
PROGRAMS = list(cells.cells(cells.PROBLEMS, tuple(row.name for row in cells.ROWS)))


def test_all_programs_are_measured():
    asked = {f"{name}/rtol/{rtol}" for name in cells.PROBLEMS for rtol in tolerance.TOLERANCES}
    assert set(KNOWN) == {cell.key for cell in PROGRAMS} | asked | {"burgers/front"}


def test_they_are_by_the_pipelines_of_today():
    for cell in PROGRAMS:
        assert KNOWN[cell.key]["pipeline"] == pipeline_text(cell.row.pipeline(cell.size))


def test_the_targets_are_met():
    for goal in page.GOALS:
        for problem in cells.PROBLEMS:
            found = goal.cell(KNOWN, problem)
            assert found is not None
            assert found["rel_l2"] <= goal.error
            assert goal.spikes is None or found["spikes_per_activation"] <= goal.spikes
            assert goal.is_met(found)


def test_the_tolerances_are_met():
    for problem in cells.PROBLEMS:
        for rtol in tolerance.TOLERANCES:
            cell = KNOWN[f"{problem}/rtol/{rtol}"]
            assert cell["rel_l2_upper"] <= cell["asked"]
        assert cell["rel_l2_reference"] <= 1.1 * cell["source_rel_l2_reference"]


def test_a_cell_is_measured():
    row = next(row for row in cells.ROWS if row.name == "population")
    found = cells.measure(cells.Cell("function_regression", row, 8))
    known = KNOWN["function_regression/population/8"]
    for name in ("rel_l2", "rel_l2_reference", "spikes_per_activation", "synops_per_mac"):
        np.testing.assert_allclose(found[name], known[name], rtol=1e-9)


def test_the_steepest_point_is_the_front():
    x = np.linspace(-1, 1, tolerance.CELLS + 1)[:, None]
    centres = np.array([0.0, 0.1, -0.3])
    field = -np.tanh(40 * (x - centres - 1 / tolerance.CELLS))
    # A rise of the same steepness is none.
    field += np.tanh(40 * (x - 0.8))
    expected = np.floor((centres + 1 / tolerance.CELLS + 1) / 2 * tolerance.CELLS)
    np.testing.assert_array_equal(tolerance.steepest(field), expected)
