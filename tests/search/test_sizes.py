"""Sizes are told before the work, and near what they turn out to be."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import pinnir
from benchmarks.common import DOCS
from benchmarks.growth import predicted
from pinnir.base.errors import SizeError
from pinnir.cli.app import main
from pinnir.metrics.source_cost import SourceCost
from pinnir.search import sizes
from pinnir.search.sizes import SLACK, check_size, staircase_size
from tests.backends.networks import EXAMPLES

MODEL = EXAMPLES / "function_regression" / "model.onnx"
WIDE = SourceCost(macs=10**9, core_macs=10**9, activations=10**5)


def limited(monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    monkeypatch.setattr(sizes, "memory_limit", lambda: most / SLACK)


def test_predictions_are_near_what_was_measured():
    """Also of the networks that the constants are not fitted to; seconds of a busy machine vary."""
    for name, told in json.loads((DOCS / "growth.json").read_text()).items():
        for key, value in predicted(name).items():
            most = 2 if key == "cpu_seconds" else SLACK
            assert 1 / most < value / told[key] < most, (name, key)


def test_units_are_those_of_the_program():
    for levels in (16, 64, 169):
        program = pinnir.compile(MODEL, "x=-1:1", levels=levels)
        size = staircase_size(program.cost, levels)
        assert size.units == pytest.approx(program.metrics["neurons"], rel=0.15)
        assert size.file_bytes == pytest.approx(len(program.to_bytes()), rel=1)


def test_what_cannot_be_is_refused_with_what_would_fit(monkeypatch):
    limited(monkeypatch, staircase_size(WIDE, 400).memory_bytes)
    monkeypatch.setattr(sizes, "LARGEST", 2**60)
    monkeypatch.setattr(sizes, "_MOST_SECONDS", 1e9)
    check_size(WIDE, staircase_size(WIDE, 400))
    with pytest.raises(SizeError) as caught:
        check_size(WIDE, staircase_size(WIDE, 1024))
    told = str(caught.value)
    assert told.startswith(
        f"the program would take about {staircase_size(WIDE, 1024)}; this machine has "
    )
    assert "program files" not in told
    assert "\nhint: up to 400 levels fit: allow a larger --rtol, or give --levels" in told
    assert "; or --coding rate, which takes " in told


def test_nothing_fits(monkeypatch):
    limited(monkeypatch, 0)
    with pytest.raises(SizeError, match=r"\nhint: no program of this network fits"):
        check_size(WIDE, staircase_size(WIDE, 4))


def test_a_fixed_program_is_refused_before_any_pass_runs(monkeypatch):
    ran = []
    limited(monkeypatch, staircase_size(WIDE, 4).memory_bytes / 1e6)
    with pytest.raises(SizeError):
        pinnir.compile(MODEL, "x=-1:1", levels=64, observers=[lambda *told: ran.append(told)])
    assert not ran


def test_a_search_goes_without_what_is_too_large(monkeypatch):
    cost = pinnir.compile(MODEL, "x=-1:1", levels=4).cost
    limited(monkeypatch, staircase_size(cost, 256).memory_bytes)
    program = pinnir.compile(MODEL, "x=-1:1", rtol=0.05, coding="population")
    assert program.frontier is not None
    first = staircase_size(cost, 272)
    assert program.frontier.left_out["population, larger programs"] == (
        f"from {first} on they are too large"
    )
    assert max(one.candidate.levels for one in program.frontier.points) <= 256
    limited(monkeypatch, 0)
    with pytest.raises(SizeError):
        pinnir.compile(MODEL, "x=-1:1", coding="population")


def test_check_tells_sizes(monkeypatch):
    found = CliRunner().invoke(main, ["check", str(MODEL), "--json"])
    told = json.loads(found.output)["sizes"]
    assert [one["levels"] for one in told] == list(sizes.TOLD)
    assert all(one["fits"] and one["file_bytes"] > 1e3 and one["units"] for one in told)
    limited(monkeypatch, 0)
    shown = CliRunner().invoke(main, ["check", str(MODEL)]).output
    assert "64 levels: about " in shown
    assert "too large for this machine" in shown
