"""Figures of the codings' page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import matplotlib.figure
import numpy as np

from benchmarks.codings.streams import Row
from benchmarks.common import DOCS
from pinnir.metrics.spikes import ADD_PJ, MAC_PJ

IMAGES = DOCS / "images"
_COLOURS = {
    "rate": "tab:orange",
    "population": "tab:blue",
    "phase": "tab:purple",
    "delta, lines of 256": "tab:green",
    "delta, lines of 4,096": "tab:olive",
    "signgd": "tab:red",
}


def label(row: Row) -> str:
    """The coding of a row as figures call it."""
    return row.coding if row.line is None else f"{row.coding}, lines of {row.line:,}"


def events_by_length(rows: Sequence[Row]) -> Path:
    """Events per activation and point against the length of lines, one curve a column."""
    figure = matplotlib.figure.Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = [row for row in rows if row.line is not None and not row.options]
    for number, (name, own) in enumerate(groupby(lines, key=lambda row: row.network)):
        for index, (along, found) in enumerate(groupby(own, key=lambda row: row.along)):
            known = [(row.line, row.events) for row in found]
            axes.loglog(
                *zip(*known, strict=True),
                ("o-", "s--", "^:")[index % 3],
                ms=3,
                color=f"C{number}",
                label=f"{name}, along {along}",
            )
    lengths = np.array(sorted({row.line for row in lines if row.line is not None}), float)
    if len(lengths):
        axes.loglog(lengths, 40 / lengths, color="0.5", lw=1, label="slope -1")
    axes.set(xlabel="points of a line", ylabel="events per activation and point")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=6, frameon=False)
    return save(figure, "codings_lines.png")


def error_by_cost(rows: Sequence[Row]) -> Path:
    """Error against synaptic operations, every coding, one panel a network."""
    names = list(dict.fromkeys(row.network for row in rows))
    figure = matplotlib.figure.Figure(figsize=(5.2 * max(1, len(names)), 4.4), layout="constrained")
    panels = figure.subplots(1, max(1, len(names)), sharey=True, squeeze=False)[0]
    for name, panel in zip(names, panels, strict=False):
        own = [row for row in rows if row.network == name]
        for coding in dict.fromkeys(map(label, own)):
            known = best((r.synops, r.error) for r in own if label(r) == coding)
            panel.loglog(
                *zip(*known, strict=True),
                "o-",
                ms=3,
                label=coding,
                color=_COLOURS.get(coding, "0.3"),
            )
        panel.axvline(
            MAC_PJ / ADD_PJ, color="0.4", ls="--", lw=1, label="as much energy as the network"
        )
        panel.axvline(1, color="k", lw=1, label="the network: one operation per MAC")
        panel.set(title=name, xlabel="synaptic operations per multiply-accumulate")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("relative L2 error against the network")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return save(figure, "codings_cost.png")


def best(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points ``(cost, error)`` that no cheaper one beats."""
    kept: list[tuple[float, float]] = []
    for cost, error in sorted(points):
        if not kept or error < kept[-1][1]:
            kept.append((cost, error))
    return kept


def energy_bars(rows: Sequence[Row]) -> Path:
    """Energy at 45 nm of the cheapest program of every coding, the network's as 1."""
    names = list(dict.fromkeys(row.network for row in rows))
    codings = list(dict.fromkeys(map(label, rows)))
    figure = matplotlib.figure.Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for number, coding in enumerate(codings):
        found = {row.network: 1 / row.energy for row in rows if label(row) == coding}
        places = [i + (number - len(codings) / 2) * 0.8 / len(codings) for i in range(len(names))]
        axes.bar(
            places,
            [found.get(name, np.nan) for name in names],
            0.8 / len(codings),
            label=coding,
            color=_COLOURS.get(coding, "0.3"),
            align="edge",
        )
    axes.axhline(1, color="k", lw=1, label="the network")
    axes.set(yscale="log", ylabel="energy at 45 nm, the network's = 1")
    axes.set_xticks(range(len(names)), names)
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    return save(figure, "codings_energy.png")


def save(figure: matplotlib.figure.Figure, name: str) -> Path:
    """Write a figure among the page's images."""
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / name
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path
