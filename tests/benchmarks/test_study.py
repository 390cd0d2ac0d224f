"""The regression study measures what it says."""

from __future__ import annotations

import pytest

from benchmarks.neurons import converted, results
from benchmarks.neurons.study import CLOCKS, UNITS, cells, measure
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme
from pinnir.neurons.membranes.stability import check_scheme


@pytest.mark.parametrize("name", CLOCKS)
def test_all_steps_are_stable(name):
    for integrator in INTEGRATORS:
        for substeps in CLOCKS[name].substeps:
            check_scheme(MEMBRANES[name], Scheme(integrator, CLOCKS[name].step, substeps))


def test_a_cell():
    first = measure(next(cells("lif")), iterations=2)
    assert first["rel_l2"] < 0.5
    assert first["spikes"] > UNITS
    assert first["evaluations"] == UNITS * CLOCKS["lif"].steps


def test_cells_are_three_functions_two_noises_two_integrators_three_steps_and_five_seeds():
    for name in CLOCKS:
        keys = [cell.key for cell in cells(name)]
        assert len(keys) == len(set(keys)) == 3 * 2 * 2 * 3 * 5


def test_all_cells_are_measured():
    known = results.load()
    wanted = {cell.key for name in CLOCKS for cell in cells(name)}
    wanted |= {cell.key for name in converted.POINTS for cell in converted.cells(name)}
    assert set(known) == wanted


def test_lif_comes_near_the_integrate_and_fire_programs_that_are_compiled_by_default():
    known = results.load()
    for problem in converted.PROBLEMS:
        names = ("lif", "if-counted")
        lif, plain = (known[converted.Cell(name, problem).key]["rel_l2"] for name in names)
        assert lif < 1.2 * plain


def test_only_what_is_missing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    results.missing([("a", lambda: {"x": 1})])
    results.missing([("a", lambda: {"x": 2}), ("b", lambda: {"x": 3})])
    assert results.load() == {"a": {"x": 1}, "b": {"x": 3}}
