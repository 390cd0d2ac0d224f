"""The frontier's files and its table."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pinnir.base.errors import PinnirError, ProgramFileError
from pinnir.program.frontier import (
    CRITERIA,
    EVALUATION,
    NORMS,
    SELECTION,
    Errors,
    Frontier,
    Point,
)
from pinnir.report.frontier import check_frontier, print_frontier, save_frontier, told
from pinnir.search.candidates import find_family, of_levels, of_slots


def place(candidate, error: float, cost: float, upper: float | None, on: str) -> Point:
    told = {"nrmse": error, "rel_l2": error / 2}
    told |= {} if upper is None else {"nrmse_upper": upper, "rel_l2_upper": upper / 2}
    return Point(candidate, on, Errors(256, "nrmse", told), dict.fromkeys(CRITERIA, cost))


COARSE, FINE = (find_family("population").candidate(of_levels(n)) for n in (16, 64))
RATE = find_family("rate").candidate(of_slots(8, 1))
POINTS = (
    place(COARSE, 0.1, 1.5, 0.12, SELECTION),
    place(FINE, 0.03, 4.0, 0.04, EVALUATION),
    place(RATE, 0.8, 4.5, None, SELECTION),
)
FRONTIER = Frontier("synops_per_mac", 0.05, "nrmse", POINTS, POINTS[1].candidate.pipeline)


def test_json(tmp_path):
    path = tmp_path / "f.json"
    save_frontier(path, FRONTIER)
    found = json.loads(path.read_text())
    assert found == told(FRONTIER)
    assert (found["minimise"], found["rtol"], len(found["points"])) == ("synops_per_mac", 0.05, 3)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("chosen", [True, False])
def test_figure(tmp_path, criterion, norm, chosen):
    image = pytest.importorskip("matplotlib.image")
    path = tmp_path / "f.png"
    shown = replace(
        FRONTIER, criterion=criterion, norm=norm, chosen=FRONTIER.chosen if chosen else None
    )
    save_frontier(path, shown)
    pixels = image.imread(path)
    assert min(pixels.shape[:2]) > 200
    assert 0.01 < (pixels[..., :3] < 0.99).any(axis=2).mean() < 0.99
    before = path.read_bytes()
    save_frontier(path, shown)
    assert path.read_bytes() == before


def test_figure_of_one_fixed_program(tmp_path):
    pytest.importorskip("matplotlib")
    save_frontier(tmp_path / "f.png", Frontier(points=POINTS[:1]))
    assert (tmp_path / "f.png").stat().st_size > 1000


def test_table_shows_what_is_not_beaten_and_the_chosen_one(capsys):
    print_frontier(replace(FRONTIER, left_out={"rate-signed": "it cannot"}))
    text = capsys.readouterr().out
    assert "frontier: 2 of 3 measured programs" in text
    (line,) = [line for line in text.splitlines() if "chosen" in line]
    assert "3.000e-02" in line
    assert "4.000e-02" in line
    assert text.endswith("left out: rate-signed: it cannot\n")
    assert "rate" not in text.partition("left out")[0]


def test_files_that_cannot_be_written(tmp_path):
    for name in ("f.svg", "f", "f.jsonl"):
        with pytest.raises(PinnirError, match=r"it is neither \.json nor \.png"):
            check_frontier(tmp_path / name)
    with pytest.raises(ProgramFileError, match="cannot write"):
        check_frontier(tmp_path / "no" / "f.json")
    assert list(tmp_path.iterdir()) == []
