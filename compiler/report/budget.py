"""The error budget for the terminal and for machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import asdict
from rich.table import Table
from rich.text import Text

from pinnir.base.errors import ProgramFileError
from pinnir.diagnosis.error_budget import Budget, LayerErrors
from pinnir.program.program import Program
from pinnir.report.tables import console, make_table

# What is said of a layer, by the heading.
_COLUMNS: dict[str, Callable[[Budget, LayerErrors], str]] = {
    "layer": lambda budget, layer: f"{layer.name} *" if layer is budget.largest else layer.name,
    "core": lambda _, layer: layer.core,
    "neurons": lambda _, layer: f"{layer.neurons:,}",
    "units": lambda _, layer: "unknown" if layer.units is None else f"{layer.units:,}",
    "levels": lambda _, layer: f"{layer.levels:,.1f}",
    "local error": lambda _, layer: f"{layer.relative:.2e}",
    "weight": lambda _, layer: f"{layer.weight:.2e}",
    "predicted": lambda _, layer: f"{layer.predicted:.2e}",
    "share": lambda budget, layer: f"{budget.share(layer):.0%}",
    "identity": lambda _, layer: f"{layer.identity:.2e}",
    "alone": lambda _, layer: f"{layer.alone:.2e}",
    "without": lambda _, layer: f"{layer.without:.2e}",
}
_LEGEND = """\
*: largest predicted contribution
local error: RMS of what the layer adds, given the inputs it gets, relative to the RMS activation
weight: RMS derivative of the outputs by a neuron, relative to the RMS output
predicted: what the local errors do to the outputs, by the derivatives; share: of its square
identity: the same with the identity in place of the derivatives
alone: measured, only this layer converted, fed by exact values
without: measured, the whole program with only this layer exact
errors are relative L2 errors of the outputs against the network's"""


def budget_of(program: Program, path: Path) -> Budget:
    """The error budget in a program.

    Raises:
        ProgramFileError: If there is none.
    """
    if program.budget is None:
        raise ProgramFileError(
            f"{path} holds no error budget", hint="compile it again with this pinnir"
        )
    return program.budget


def print_budget(budget: Budget, path: Path) -> None:
    """A line a layer, the largest contribution marked, and where more levels would help most."""
    out = console()
    if budget.incomparable is None:
        out.print(_table(budget, path))
        out.print(Text(_LEGEND))
        out.print(Text(_totals(budget)), soft_wrap=True)
    else:
        error = f"{budget.measured:.3e} on {budget.points:,} points"
        out.print(Text(f"{path}: relative L2 error {error}"), soft_wrap=True)
    for sentence in (budget.caution(), budget.advice()):
        if sentence is not None:
            out.print(Text(sentence), soft_wrap=True)


def budget_row(budget: Budget) -> dict[str, Any]:
    """The budget as plain values, with what follows from them."""
    best, largest = budget.best, budget.largest
    layers = [asdict(layer) | {"share": budget.share(layer)} for layer in budget.layers]
    return asdict(budget) | {
        "layers": layers,
        "predicted": budget.predicted,
        "identity": budget.identity,
        "largest": None if largest is None else largest.name,
        "best": None if best is None else best.name,
        "advice": budget.advice(),
        "caution": budget.caution(),
    }


def _table(budget: Budget, path: Path) -> Table:
    several = len({layer.core for layer in budget.layers}) > 1
    columns = {name: cell for name, cell in _COLUMNS.items() if name != "core" or several}
    title = f"{path}: error budget on {budget.points:,} points"
    table = make_table(title, columns, left=("layer", "core"), overflow="fold")
    for layer in budget.layers:
        cells = [Text(cell(budget, layer)) for cell in columns.values()]
        table.add_row(*cells, style="bold" if layer is budget.largest else "")
    return table


def _totals(budget: Budget) -> str:
    told = (
        f"all layers: measured {budget.measured:.3e}; predicted {budget.predicted:.3e} as the root "
        f"of the sum of squares, {budget.together:.3e} with signs; identity {budget.identity:.3e}"
    )
    if budget.retrained:
        told += f"; of this the retrained network itself {budget.retrained:.3e}"
    return told
