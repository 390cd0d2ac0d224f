"""``docs/paper_a.md`` from the results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.common import table, write_page
from benchmarks.paper_a.cells import (
    ITERATIONS,
    PROBLEMS,
    REFERENCE_POINTS,
    ROWS,
    UNITS,
    cells,
)
from benchmarks.paper_a.tolerance import CUTOFF
from ir_examples.build import ROOT

Results = dict[str, Any]
# Spiking rates of the paper's table (arXiv 2308.16372); none is given for the function.
PAPER_RATES = {
    "poisson": 0.3727,
    "diffusion_reaction": 0.2879,
    "wave": 0.5721,
    "burgers": 0.7253,
    "burgers_spinn": 0.2831,
    "beltrami_spinn": 0.1754,
}
# Errors published for the same converter on u = x^2, tanh 1-64x4-1, advanced calibration.
PUBLISHED = {32: 7.68e-2, 64: 4.98e-2, 128: 4.58e-2}

_HEAD = f"""# The PINN-to-SNN paper's problems, with its method and ours

Written by `python -m benchmarks.paper_a`, from `benchmarks/paper_a/results.json`, which the same
command fills. The networks are trained here (`ir_examples/`). Errors are relative L2 on evaluation
points that calibration, training and search never saw; *network* is the error against the source
network, *reference* that against the analytic or Cole-Hopf solution, on at most
{REFERENCE_POINTS:,} random points of its file.

- *Published converter*: one signed integrate-and-fire neuron per neuron, thresholds by least mean
  squared error, T steps; without calibration, with light, and with advanced calibration.
- *Rate, {UNITS} units*: every activation is a sum of {UNITS} clipped ramps, each an
  integrate-and-fire neuron over T steps; *light*, *advanced*: with the published converter's
  calibrations, the latter at two learning rates of 500 iterations; *refitted*: every map fitted to
  the spikes that arrive.
- *Rate, one signed IF, trained*: the published converter's network, trained before the rounding
  ({ITERATIONS} iterations), then refitted; *distilled*: then trained end to end through the spikes
  of its neurons over time, which takes longer.
- *Population*: staircases of L levels per neuron, one step; *uneven levels*: as many units, spent
  where the outputs depend on them; *trained*: {ITERATIONS} iterations, then refitted.

*Energy* is that of 45 nm arithmetic as a multiple of the source network's. Seconds are those of
all passes, on two shared cores.
"""


@dataclass(frozen=True)
class Goal:
    """A target figure.

    Attributes:
        title: What is asked.
        rows: Of the study; where several were measured, the last one counts.
        size: Time steps or levels.
        error: Largest error against the network.
        spikes: Most spikes per activation, if limited.
    """

    title: str
    rows: tuple[str, ...]
    size: int
    error: float
    spikes: float | None = None

    def cell(self, results: Results, problem: str) -> dict[str, Any] | None:
        """What counts of a problem; None if nothing was measured."""
        found = [_cell(results, problem, row, self.size) for row in self.rows]
        return next((cell for cell in reversed(found) if cell is not None), None)

    def is_met(self, cell: dict[str, Any]) -> bool:
        """Whether a program errs and spikes as little as asked."""
        few = self.spikes is None or cell["spikes_per_activation"] <= self.spikes
        return bool(few and cell["rel_l2"] <= self.error)


GOALS = (
    Goal(f"rate, T = 32, {UNITS} units, calibrated", ("rate-refitted",), 32, 1e-2),
    Goal(
        "rate, one signed IF per neuron, T = 32, trained; Burgers distilled as well",
        ("rate-signed-trained", "rate-signed-distilled"),
        32,
        3e-2,
    ),
    Goal("population, trained, 256 levels", ("population-trained",), 256, 5e-3, 8.0),
    Goal("population, trained, 64 levels", ("population-trained",), 64, 2e-2, 4.0),
)


_ROWS = tuple(row.name for row in ROWS)
_FIGURES = """
## Figures

![error against T or L](images/paper_a_errors.png)

Published and our ways to convert, error against the network over time steps or levels.

![Poisson field](images/paper_a_poisson.png)

![Burgers field](images/paper_a_burgers.png)

Spiking fields at T = 16, as they are and after the low-pass filter of `pinnir run --smooth`
([smoothing](smooth.md)), which knows neither network nor reference.

![spikes of one point](images/paper_a_raster.png)

![predicted against measured errors, and errors over depth and width](images/budget.png)

The paper's theorem as an error budget, over depth and width ([error budgets](budget.md),
`python -m benchmarks.budget`).
"""


def write(results: Results) -> None:
    """Write the page."""
    missing = sum(cell.key not in results for cell in cells(tuple(PROBLEMS), _ROWS))
    note = f"\n{missing} of the study's programs have not been measured yet.\n" if missing else ""
    parts = [
        _HEAD,
        note,
        *_goals(results),
        *_baseline(results),
        *_calibrations(results),
        *_tolerances(results),
        *_times(results),
        _FIGURES,
    ]
    for problem in PROBLEMS:
        parts += _problem(problem, results)
    write_page("paper_a.md", *parts)


def _times(results: Results) -> Iterator[str]:
    """Separable against plain networks: time to the accuracy that both reach."""
    yield "\n## Time of the separable and the plain pipeline\n"
    yield (
        "CPU seconds of training until the error against the reference is that of the less "
        "accurate of the two, by their courses in `training.json`, and seconds of the passes for "
        "256 levels, trained. The paper reports the separable pipeline 1.7 times as fast for "
        "Burgers and over 60 times for Beltrami. With the optimisers used here, which are the same "
        "for both forms, training shows little of that; *ratio with passes* comes near to it for "
        "Burgers, whose plain network has six layers, and not for Beltrami, whose plain network "
        "trains in a minute and a half.\n"
    )
    rows = []
    for plain, separable in (("burgers", "burgers_spinn"), ("beltrami_pinn", "beltrami_spinn")):
        courses = [_course(name) for name in (plain, separable)]
        error = max(min(course["rel_l2"]) for course in courses)
        seconds = [
            next(t for t, e in zip(c["cpu_seconds"], c["rel_l2"], strict=True) if e <= error)
            for c in courses
        ]
        passes = [_cell(results, name, "population-trained", 256) for name in (plain, separable)]
        took = [cell["compile_seconds"] for cell in passes if cell]
        if len(took) == len(passes):
            whole = [training + rest for training, rest in zip(seconds, took, strict=True)]
            rows.append(
                [
                    f"{plain}, {separable}",
                    f"{error:.1e}",
                    *(f"{t:.0f}" for t in seconds),
                    f"{seconds[0] / seconds[1]:.2f}",
                    *(f"{t:.0f}" for t in took),
                    f"{whole[0] / whole[1]:.2f}",
                ]
            )
    yield table(
        [
            "networks",
            "error",
            "training, plain",
            "training, separable",
            "ratio",
            "passes, plain",
            "passes, separable",
            "ratio with passes",
        ],
        rows,
    )


def _course(name: str) -> dict[str, list[float]]:
    """CPU seconds and errors while a network was trained, of its repetition if it was repeated."""
    told = _training(name)
    course: dict[str, list[float]] = told.get("repeat", told)["curve"]
    return course


def _training(name: str) -> dict[str, Any]:
    """What was written down when a network was trained."""
    told: dict[str, Any] = json.loads((ROOT / name / "training.json").read_text())
    return told


def _cell(results: Results, problem: str, row: str, size: int) -> dict[str, Any] | None:
    found: dict[str, Any] | None = results.get(f"{problem}/{row}/{size}")
    return found


def _goals(results: Results) -> Iterator[str]:
    yield "\n## Against the targets\n"
    yield "Error against the network, and spikes per activation where they are limited.\n"
    rows = []
    for goal in GOALS:
        cells = [goal.cell(results, problem) for problem in PROBLEMS]
        limit = f"{goal.error:.0e}" + (f", {goal.spikes:g} spikes" if goal.spikes else "")
        rows.append([goal.title, limit, *(_judged(goal, cell) for cell in cells)])
    yield table(["", "at most", *_titles()], rows)


def _judged(goal: Goal, cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not measured"
    told = f"{cell['rel_l2']:.1e}"
    told += f", {cell['spikes_per_activation']:.1f}" if goal.spikes else ""
    return told if goal.is_met(cell) else f"**{told}**"


def _baseline(results: Results) -> Iterator[str]:
    yield "\nBold: missed.\n\n## The baseline\n"
    yield (
        "The published converter with advanced calibration on function regression, beside what "
        "its authors published for a function of one variable.\n"
    )
    rows = []
    for size, published in PUBLISHED.items():
        cell = _cell(results, "function_regression", "published-advanced", size)
        rows.append([size, f"{published:.1%}", f"{cell['rel_l2']:.1%}" if cell else "not measured"])
    yield table(["T", "published", "here"], rows)


def _calibrations(results: Results) -> Iterator[str]:
    """Errors of calibrated programs of split neurons, as shares of the uncalibrated ones."""
    size = 32
    yield f"\n## What calibrations gain a program of {UNITS} units per neuron\n"
    yield (
        f"Error against the network at T = {size} as a multiple of that without calibration. The "
        "published calibrations gain little here, advanced within these iterations; the "
        "closed-form refit, which fits every map to the spikes that arrive, does.\n"
    )
    rows = []
    for name in ("rate-light", "rate-advanced", "rate-refitted"):
        title = next(row.title for row in ROWS if row.name == name)
        pairs = [
            (_cell(results, problem, name, size), _cell(results, problem, "rate", size))
            for problem in PROBLEMS
        ]
        rows.append(
            [
                title,
                *(
                    f"{a['rel_l2'] / b['rel_l2']:.2f}" if a and b else "not measured"
                    for a, b in pairs
                ),
            ]
        )
    yield table(["", *_titles()], rows)


def _titles() -> list[str]:
    return [name.replace("_", " ") for name in PROBLEMS]


def _tolerances(results: Results) -> Iterator[str]:
    yield "\n## At a given tolerance\n"
    rows = []
    for problem in PROBLEMS:
        for asked in ("0.001", "auto"):
            cell = results.get(f"{problem}/rtol/{asked}")
            if cell is None:
                rows.append([problem, asked, *["not measured"] * 7])
                continue
            own, ours = cell["source_rel_l2_reference"], cell["rel_l2_reference"]
            rows.append(
                [
                    problem,
                    f"{cell['asked']:.1e}" + (" (auto)" if asked == "auto" else ""),
                    f"{cell['rel_l2']:.2e}",
                    f"{cell['rel_l2_upper']:.2e}",
                    f"{own:.2e}",
                    f"{ours:.2e}",
                    f"{ours / own:.3f}",
                    f"{cell['levels']:,}",
                    f"{cell['synops_per_mac']:.1f}",
                ]
            )
    yield table(
        [
            "problem",
            "asked",
            "error",
            "up to (95 %)",
            "network against reference",
            "program against reference",
            "ratio",
            "levels",
            "synops per MAC",
        ],
        rows,
    )
    if "burgers/front" in results:
        yield from _front(results["burgers/front"])


def _front(front: dict[str, Any]) -> Iterator[str]:
    yield _FRONT
    yield (
        f"Cells between the network's own and x = 0: {front['network']['farthest']} at most. Every "
        f"slice is within one cell of the network's: {_met(front, 'network')}. Of x = 0: "
        f"{_met(front, 'solution')}.\n"
    )
    rows = [
        [
            f"{one['levels']:,}",
            one["smoothed"],
            f"{one['rel_l2']:.1e}",
            f"{one['spikes_per_activation']:.1f}",
            *_beyond(one["network"]),
            *_beyond(one["solution"]),
        ]
        for one in front["programs"]
    ]
    yield table(
        [
            "levels",
            "smoothed",
            "error",
            "spikes per activation",
            "network: slices beyond one cell",
            "the latest, t =",
            "farthest, cells",
            "x = 0: slices beyond one cell",
            "the latest, t =",
            "farthest, cells",
        ],
        rows,
    )


def _met(front: dict[str, Any], by: str) -> str:
    """The programs of which no slice is more than one cell away."""
    how = {"no": "as they are"}
    met = [
        f"{one['levels']:,} levels, {how.get(one['smoothed'], 'smoothed ' + one['smoothed'])}"
        for one in front["programs"]
        if one[by]["beyond"] == 0
    ]
    return "; ".join(met) or "none"


def _beyond(told: dict[str, Any]) -> list[object]:
    latest = "" if told["latest"] is None else f"{told['latest']:.2f}"
    return [told["beyond"], latest, told["farthest"]]


_FRONT = f"""
### The steep gradient of Burgers

Where the field falls most steeply in each of 101 time slices, on a grid of 256 cells, against where
the network's does, and against x = 0, where the solution's stays; population programs, refitted.
The target is that no slice is more than one cell away. Before the front stands (t about 0.3) that
asks for far more than the field itself: at t = 0 the slopes of the four cells in the middle differ
by 6 parts in 10,000. *Smoothed*: `pinnir run --smooth`, by itself (*auto*), or with the cutoff
{CUTOFF:g}, which takes the front's steepness away but leaves it where it is; the network is not
smoothed.
"""

_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("network", lambda c: f"{c['rel_l2']:.2e}"),
    ("reference", lambda c: f"{c['rel_l2_reference']:.2e}"),
    ("spiking rate", lambda c: f"{c['spiking_rate']:.3f}"),
    ("spikes per activation", lambda c: f"{c['spikes_per_activation']:.2f}"),
    ("synops per MAC", lambda c: f"{c['synops_per_mac']:.2f}"),
    ("energy", lambda c: f"{c['energy_45nm_pj'] / c['source_energy_45nm_pj']:.2f} x"),
    ("seconds", lambda c: f"{c['compile_seconds']:.0f}"),
)


def _problem(problem: str, results: Results) -> Iterator[str]:
    yield f"\n## {problem.replace('_', ' ')}\n"
    found = [c for key, c in results.items() if key.startswith(f"{problem}/") and "asked" not in c]
    own = next((c["source_rel_l2_reference"] for c in found if "pipeline" in c), None)
    if own is not None:
        zero = _training(problem)["zero_rel_l2_reference"]
        yield (
            f"The network's own error against the reference is {own:.2e}; that of a "
            f"network that gives zeros is {zero:.3g}.\n"
        )
    if problem in PAPER_RATES:
        yield f"Spiking rate in the paper: {PAPER_RATES[problem]:.3f}.\n"
    for told in ("T", "L"):
        lines = []
        for row in (row for row in ROWS if row.counts == told):
            for size in row.sizes:
                cell = _cell(results, problem, row.name, size)
                if cell is not None:
                    lines.append([row.title, size, *(show(cell) for _, show in _COLUMNS)])
        yield table(["", told, *(title for title, _ in _COLUMNS)], lines)
