"""The frontier as a table, as JSON and as a figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text

from pinnir.base.errors import PinnirError
from pinnir.base.files import check_writable, write_atomic
from pinnir.program.frontier import EVALUATION, Frontier, Point
from pinnir.report.figures import check_picture, new_figure, save_figure
from pinnir.report.tables import ERRORS, console, make_table

_AXES = {
    "synops_per_mac": "synaptic operations per multiply-accumulate of the network",
    "neurons": "neurons",
    "spikes": "spikes per point",
    "steps": "time steps",
    "energy": "energy per point at 45 nm (pJ)",
}
_STYLES = {
    "population": ("tab:blue", "o"),
    "rate": ("tab:orange", "s"),
    "phase": ("tab:purple", "D"),
    "delta": ("tab:green", "v"),
}
_OTHER = ("tab:red", "^")
_POINT = {"linestyle": "none", "markersize": 6, "capsize": 2, "elinewidth": 1}
_BEST = {"color": "0.6", "linewidth": 0.8, "zorder": 1}
_TOLERANCE = {"color": "tab:red", "linestyle": "--", "linewidth": 1}
_CHOSEN = {"s": 170, "facecolors": "none", "edgecolors": "black"}
# What the table says of a point, by the heading.
_COLUMNS: dict[str, Callable[[Frontier, Point], str]] = {
    "": lambda frontier, one: "chosen" if frontier.is_chosen(one) else "",
    "program": lambda _, one: one.candidate.family,
    "steps": lambda _, one: f"{one.costs['steps']:,.0f}",
    "levels": lambda _, one: f"{one.candidate.levels:,}" if one.candidate.levels else "",
    "error": lambda _, one: f"{one.errors.measured:.3e}",
    "up to": lambda _, one: "" if one.errors.upper is None else f"{one.errors.upper:.3e}",
    "synops per MAC": lambda _, one: f"{one.costs['synops_per_mac']:.2f}",
    "neurons": lambda _, one: f"{one.costs['neurons']:,.0f}",
    "spikes": lambda _, one: f"{one.costs['spikes']:,.0f}",
    "energy (nJ)": lambda _, one: f"{one.costs['energy'] / 1e3:,.1f}",
}


def check_frontier(path: Path) -> None:
    """Find out before the work whether the frontier can be written.

    Raises:
        PinnirError: If it is neither ``.json`` nor ``.png``, cannot be written, or cannot be drawn.
    """
    if path.suffix.lower() not in (".json", ".png"):
        raise PinnirError(
            f"cannot write the frontier to {path}: it is neither .json nor .png",
            hint="give --frontier FILE.json or --frontier FILE.png",
        )
    check = check_picture if path.suffix.lower() == ".png" else check_writable
    check(path)


def save_frontier(path: Path, frontier: Frontier) -> None:
    """Write all points as JSON, or a figure of them.

    Raises:
        PinnirError: As :func:`check_frontier`.
    """
    check_frontier(path)
    if path.suffix.lower() == ".json":
        write_atomic(path, (json.dumps(told(frontier), indent=1) + "\n").encode())
    else:
        save_figure(path, _drawn(frontier))


def told(frontier: Frontier) -> dict[str, Any]:
    """The frontier as plain values."""
    return {
        "minimise": frontier.criterion,
        "rtol": frontier.rtol,
        "norm": frontier.norm,
        "points": frontier.rows(),
        "left_out": dict(frontier.left_out),
    }


def print_frontier(frontier: Frontier) -> None:
    """The points that no other beats in both error and cost, and the chosen one."""
    best = frontier.non_dominated()
    kept = [p for p in frontier.points if p in best or frontier.is_chosen(p)]
    kept.sort(key=lambda point: point.rank(frontier.criterion))
    title = f"frontier: {len(kept)} of {len(frontier.points)} measured programs"
    table = make_table(title, _COLUMNS, left=("", "program"))
    table.caption = Text("those that no other beats in both error and " + frontier.criterion)
    for one in kept:
        table.add_row(*(cell(frontier, one) for cell in _COLUMNS.values()))
    console().print(table)
    for family, why in frontier.left_out.items():
        console().print(Text(f"left out: {family}: {why}"), soft_wrap=True)


def _drawn(frontier: Frontier) -> Any:
    figure = new_figure(6.4, 4.4)
    axis = figure.subplots()
    axis.set(xscale="log", yscale="log", xlabel=_AXES[frontier.criterion])
    by_coding: dict[str, list[Point]] = {}
    for one in frontier.points:
        by_coding.setdefault(one.candidate.coding, []).append(one)
    for coding, points in by_coding.items():
        _draw_coding(axis, frontier, coding, points)
    axis.plot(*_places(frontier, frontier.non_dominated()), label="not beaten in both", **_BEST)
    if frontier.rtol is not None:
        axis.axhline(frontier.rtol, label=f"tolerance {frontier.rtol:.3g}", **_TOLERANCE)
    chosen = [one for one in frontier.points if frontier.is_chosen(one)]
    axis.scatter(*_places(frontier, chosen), label="chosen" if chosen else None, **_CHOSEN)
    axis.set_ylabel(ERRORS[frontier.norm])
    axis.set_title("whiskers: what the error stays below on other points", fontsize=8)
    axis.xaxis.set_major_formatter(_plain)
    axis.xaxis.set_minor_formatter(_plain)
    axis.tick_params(axis="x", which="both", labelsize=8)
    axis.grid(which="both", alpha=0.25)
    axis.legend(fontsize=8)
    return figure


def _plain(value: float, position: float) -> str:
    """A tick of a logarithmic axis as a plain number; only some between the powers of ten."""
    first = f"{value:e}"[0]
    return f"{value:,g}" if first in "1235" else ""


def _draw_coding(axis: Any, frontier: Frontier, coding: str, points: list[Point]) -> None:
    """Filled where a program was proven, hollow where only the search measured it."""
    colour, marker = _STYLES.get(coding, _OTHER)
    for proven in (True, False):
        shown = [one for one in points if (one.measured_on == EVALUATION) == proven]
        if not shown:
            continue
        x, y = _places(frontier, shown)
        reach = [[0.0] * len(shown), [max(one.error - one.errors.measured, 0.0) for one in shown]]
        label = f"{coding}, {'evaluation' if proven else 'selection'} points"
        look = _POINT | {"color": colour, "markerfacecolor": colour if proven else "white"}
        axis.errorbar(x, y, yerr=reach, marker=marker, label=label, **look)


def _places(frontier: Frontier, points: list[Point]) -> tuple[list[float], list[float]]:
    return [p.costs[frontier.criterion] for p in points], [p.errors.measured for p in points]
