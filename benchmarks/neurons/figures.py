"""Figures of the study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.figure
import numpy as np

from benchmarks.common import DOCS
from benchmarks.neurons.ours import simulate
from benchmarks.neurons.protocols import SETTINGS, measure
from benchmarks.neurons.study import CLOCKS, FUNCTIONS, NOISES
from benchmarks.neurons.summary import Group, groups
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS

IMAGES = DOCS / "images"
_LINES = {"euler": "o--", "rk4": "s-"}


def errors(results: dict[str, Any]) -> str:
    """Error against the sub-step, a panel for each function and noise; its name below ``docs``."""
    figure = matplotlib.figure.Figure(figsize=(13, 6.6))
    figure.set_layout_engine("constrained", wspace=0.06)
    panels = figure.subplots(len(NOISES), len(FUNCTIONS), sharex=True, sharey="col")
    for row, noise in zip(panels, NOISES, strict=True):
        for panel, function in zip(row, FUNCTIONS, strict=True):
            for own, marks, style in _lines(results):
                told = [(one.substep, *one.error(function, noise)) for one in own]
                substeps, means, spreads = np.array(told).T
                panel.errorbar(substeps, means, spreads, fmt=marks, ms=4, capsize=2, **style)
            panel.set_title(f"{function}, {f'noise {noise:g}' if noise else 'no noise'}", size=10)
        row[0].set_ylabel("relative L2 error")
    for panel in panels[-1]:
        panel.set_xlabel("sub-step, ms (FitzHugh-Nagumo: its unit of time)")
    return _with_legend(figure, "neurons_errors.png")


def costs(results: dict[str, Any]) -> str:
    """Error against spikes, and against evaluations of the right-hand side."""
    figure = matplotlib.figure.Figure(figsize=(10, 4.2), layout="constrained")
    spikes, evaluations = figure.subplots(1, 2, sharey=True)
    for own, marks, style in _lines(results):
        means = [one.mean_error for one in own]
        spikes.plot([one.spikes for one in own], means, marks, ms=5, **style)
        evaluations.plot([one.evaluations for one in own], means, marks, ms=5, **style)
    spikes.set_ylabel("relative L2 error, geometric mean")
    spikes.set_xlabel("spikes per inference")
    evaluations.set_xlabel("right-hand sides per inference")
    return _with_legend(figure, "neurons_costs.png")


def _lines(results: dict[str, Any]) -> Iterator[tuple[list[Group], str, dict[str, Any]]]:
    """Groups of every model and integrator, its marks, and how else it is drawn."""
    found = list(groups(results))
    for number, neuron in enumerate(CLOCKS):
        for integrator in INTEGRATORS:
            own = [one for one in found if (one.neuron, one.integrator) == (neuron, integrator)]
            style = {"lw": 1, "color": f"C{number}", "label": f"{neuron}, {integrator}"}
            yield own, _LINES[integrator], style


def _with_legend(figure: matplotlib.figure.Figure, name: str) -> str:
    for panel in figure.axes:
        panel.set_xscale("log")
        panel.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return _save(figure, name)


def rates(brian2: dict[str, Any]) -> str:
    """f-I curves, pinnir's as lines and Brian2's as points."""
    figure = matplotlib.figure.Figure(figsize=(13, 2.8), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(SETTINGS)), SETTINGS, strict=True):
        for curve, style, label in (
            (measure(name, simulate)["f_i"], "-", "pinnir, RK4"),
            (brian2[name]["f_i"], "kx", "Brian2"),
        ):
            panel.plot([float(current) for current in curve], curve.values(), style, label=label)
        model = MEMBRANES[name]
        panel.set_title(name, size=10)
        panel.set_xlabel(f"current, {model.current_unit}".removesuffix(", "))
        panel.grid(alpha=0.3)
    figure.axes[0].set_ylabel("spikes per ms, or unit of time")
    figure.axes[0].legend(frameon=False)
    return _save(figure, "neurons_rates.png")


def _save(figure: matplotlib.figure.Figure, name: str) -> str:
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / name, dpi=110)
    return f"images/{name}"
