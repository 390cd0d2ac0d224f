"""Figures of the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np

import pinnir
from benchmarks.common import DOCS
from benchmarks.paper_a.cells import PROBLEMS, ROWS, case
from pinnir.backends.reference import ReferenceBackend
from pinnir.ir.graph import Neuron, Node
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.program.program import Program
from pinnir.program.smoothing import smooth

IMAGES = DOCS / "images"
_SHOWN = (
    "published",
    "published-advanced",
    "rate-refitted",
    "rate-signed-trained",
    "rate-signed-distilled",
    "population",
    "population-trained",
)
_GRID = (257, 101)


def errors_by_size(results: dict[str, Any]) -> Path:
    """Error against T or L, one panel a problem."""
    figure = matplotlib.figure.Figure(figsize=(13, 6.4), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    for problem, panel in zip(PROBLEMS, axes.flat, strict=True):
        for number, row in enumerate(row for row in ROWS if row.name in _SHOWN):
            found = [(n, results.get(f"{problem}/{row.name}/{n}")) for n in row.sizes]
            known = [(n, cell["rel_l2"]) for n, cell in found if cell]
            if known:
                panel.loglog(
                    *zip(*known, strict=True), "o-", ms=3, color=f"C{number}", label=row.title
                )
        panel.set_title(problem.replace("_", " "))
        panel.set_xticks([8, 16, 32, 64, 128, 256], ["8", "16", "32", "64", "128", "256"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    for panel in axes[-1]:
        panel.set_xlabel("time steps T, or levels L")
    for panel in axes[:, 0]:
        panel.set_ylabel("relative L2 error against the network")
    # Not every row is in every panel.
    drawn = {line.get_label(): line for panel in axes.flat for line in panel.get_lines()}
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=3, frameon=False)
    return _save(figure, "paper_a_errors.png")


def fields(problem: str, steps: int) -> Path:
    """Network, spiking field and difference, before and after the low-pass filter."""
    of = case(problem)
    program = pinnir.compile(of.model, of.domain, pipeline=pipelines.rate_refitted(steps, 4))
    result = program.run_grid(_GRID)
    assert result.source is not None
    network, raw = (v.reshape(*_GRID, -1) for v in (result.source, result.outputs))
    rows = {"spiking": raw, "smoothed": smooth(raw)}
    figure = matplotlib.figure.Figure(figsize=(12, 6.4), layout="constrained")
    spread = np.abs(raw - network)[..., 0].max()
    for axes, (name, field) in zip(figure.subplots(2, 3), rows.items(), strict=True):
        difference = field[..., 0] - network[..., 0]
        error = np.linalg.norm(difference) / np.linalg.norm(network)
        titles = ("network", f"{name}, T = {steps}", f"difference, relative L2 {error:.1e}")
        size = np.abs(network).max()
        shown = ((network[..., 0], size), (field[..., 0], size), (difference, spread))
        for panel, title, (values, limit) in zip(axes, titles, shown, strict=True):
            _map(figure, panel, program, values, limit, title)
    figure.suptitle(f"{problem.replace('_', ' ')}: rate coding, 4 units per neuron, refitted")
    return _save(figure, f"paper_a_{problem}.png")


def _map(figure: Any, panel: Any, program: Program, shown: Array, limit: float, title: str) -> None:
    (x, y), low, high = program.domain.columns, program.domain.low, program.domain.high
    image = panel.imshow(
        shown,
        origin="lower",
        aspect="auto",
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        extent=(low[1], high[1], low[0], high[0]),
    )
    panel.set(title=title, xlabel=y, ylabel=x)
    figure.colorbar(image, ax=panel)


def raster(problem: str, steps: int) -> Path:
    """Every spike of one point's inference, layer by layer."""
    of = case(problem)
    program = pinnir.compile(of.model, of.domain, pipeline=pipelines.rate_signed_trained(steps, 60))
    point = program.domain.low + 0.3 * (program.domain.high - program.domain.low)
    spikes: dict[str, list[Array]] = {}

    def collect(step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, Neuron):
            spikes.setdefault(node.name, []).append(np.array(value[0]))

    (core,) = program.cores
    ReferenceBackend().load(core)(point[None], collect)
    figure = matplotlib.figure.Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    _dots(panel, list(spikes.values()))
    place = ", ".join(f"{c} = {v:g}" for c, v in zip(program.domain.columns, point, strict=True))
    panel.set(
        xlabel="step",
        ylabel="unit, first layer at the bottom",
        xlim=(0.5, steps + 0.5),
        title=f"{problem}: spikes at {place} (two units a signed neuron)",
    )
    return _save(figure, "paper_a_raster.png")


def _dots(panel: Any, layers: Sequence[list[Array]]) -> None:
    first = 0
    for number, steps in enumerate(layers):
        fired = np.stack(steps)
        at, unit = np.nonzero(fired)
        panel.plot(at + 1, unit + first, ".", ms=2, color=f"C{number % 10}")
        first += fired.shape[1]
        panel.axhline(first - 0.5, color="0.8", lw=0.5)


def _save(figure: matplotlib.figure.Figure, name: str) -> Path:
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / name
    figure.savefig(path, dpi=110)
    return path
