"""The error budget for the terminal and for machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from pinnir.diagnosis.error_budget import Budget
from pinnir.report.budget import budget_row, print_budget
from tests.backends.networks import small_program


@pytest.fixture
def budget() -> Budget:
    return small_program().budget


def printed(capsys: pytest.CaptureFixture[str], budget: Budget) -> str:
    print_budget(budget, Path("p.nir"))
    return capsys.readouterr().out


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def test_a_line_a_layer(capsys, budget):
    found = rows(printed(capsys, budget))
    assert len(found) == len(budget.layers)
    for one, cells in zip(budget.layers, found, strict=True):
        marked = " *" if one is budget.largest else ""
        assert cells == [
            one.name + marked,
            str(one.neurons),
            str(one.units),
            f"{one.levels:.1f}",
            f"{one.relative:.2e}",
            f"{one.weight:.2e}",
            f"{one.predicted:.2e}",
            f"{budget.share(one):.0%}",
            f"{one.identity:.2e}",
            f"{one.alone:.2e}",
            f"{one.without:.2e}",
        ]


def test_cores_where_there_are_several(capsys, budget):
    (first, *rest) = budget.layers
    several = replace(budget, layers=(replace(first, core="core.3", units=None), *rest))
    cells = rows(printed(capsys, several))[0]
    assert (cells[1], cells[3]) == ("core.3", "unknown")


def test_retrained_and_far(capsys, budget):
    text = printed(capsys, replace(budget, retrained=0.01, together=100.0))
    assert "; of this the retrained network itself 1.000e-02" in text
    assert "Errors are too large for a first-order prediction" in text


def test_incomparable(capsys, budget):
    text = printed(capsys, replace(budget, layers=(), incomparable="of the weather"))
    assert text == (
        f"p.nir: relative L2 error {budget.measured:.3e} on 2,048 points\n"
        "Layers cannot be compared: of the weather.\n"
    )


def test_plain_values(budget):
    told = budget_row(budget)
    assert [one["name"] for one in told["layers"]] == [one.name for one in budget.layers]
    assert sum(one["share"] for one in told["layers"]) == pytest.approx(1)
    assert told["advice"] == budget.advice()
