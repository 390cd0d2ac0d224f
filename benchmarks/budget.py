"""Error budgets: what the layers' local errors predict, against what is measured.

``python -m benchmarks.budget`` writes ``docs/budget.md`` and ``docs/images/budget.png``. The
regression networks are trained on the way, a few seconds each.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.common import DOCS, ROOT, table, write_page
from ir_examples.build import DOMAINS
from ir_examples.function_regression import train as regression
from ir_examples.networks import spread_mlp
from ir_examples.runs import export
from ir_examples.training import Progress, Settings, train
from pinnir.diagnosis.error_budget import Budget, LayerErrors
from pinnir.diagnosis.observed_layers import ObservedLayers
from pinnir.passes import pipelines
from pinnir.pipeline.manager import Passes
from pinnir.search.compile import prepare
from pinnir.search.job import Job

DEPTHS, WIDTHS = (1, 2, 3, 4, 5), (10, 20, 40, 80)
LEVELS = (32, 64, 128, 256)
STEPS = (8, 16, 32, 64, 128)
UNITS = 8
# Of the regression networks, which are many.
FEW_STEPS = (8, 32)
# Programs at which networks of different depth and width are compared.
SHOWN_LEVELS, SHOWN_STEPS = 64, 32
SETTINGS = Settings(collocation=regression.MESH, adam_steps=200, lbfgs_steps=600, lbfgs_rounds=1)

POPULATION, RATE = "population", "rate"
_TICKS = (0.03, 0.05, 0.1, 0.2)
_COLOURS = {POPULATION: "tab:blue", RATE: "tab:orange"}

_HEAD = f"""# Error budget: which layer the error comes from

`pinnir inspect OUT.nir --errors [--json]` says what every layer contributes to the error of a
program and where more levels would help most. The figures are computed when the program is
compiled, on selection points, and kept in the program file (`Program.budget` in Python).

- *local error*: what the layer's conversion adds, given the inputs that it really gets: what its
  units give (means over the steps) minus the source activation of the mean input. RMS over neurons
  and points, relative to the RMS activation.
- *weight*: RMS derivative of the outputs by one of its neurons, relative to the RMS output.
- *predicted*: the contribution to the relative L2 error, `sqrt(E |J e|^2)` with the local errors
  `e` themselves and the derivative `J` of the outputs, so that errors of neurons may add up or
  cancel. This is `e^T H e` with the Gauss-Newton Hessian `H = J^T J` of the squared error, the
  weighted form of the theorem of Zhang et al. (arXiv 2308.16372). What refitted or calibrated maps
  behind the layer take back is part of it.
- *independent* (only with `--json`): `sqrt(sum_i w_i^2 e_i^2)`, as if neurons erred independently,
  and without the maps.
- *identity*: `sqrt(E |e|^2)` relative to the RMS output: the identity in place of `H`, which needs
  no derivatives.
- *alone*: measured, the network with only this layer converted, which gets exact values.
- *without*: measured, the program with only this layer exact.

The total is the root of the sum of squares over the layers, as if they erred independently; *with
signs* adds the vectors `J e` up before squaring. Where that is more than a factor of two from the
measured error, errors are too large for a first-order prediction, and `pinnir inspect` says so.

- A pipeline that trains before it rounds (`anticipate-rounding`) is compared with the retrained
  network, whose own error is told as well. After `distill`, which trains all maps end to end behind
  the rounding, no layer is meant to give what the network's gives: the budget says that layers
  cannot be compared.
- In rate programs *predicted* and *without* hold what a layer adds because spikes arrive unevenly;
  *alone* does not, because there the layer gets constant currents.
- `quantise-activations{{allocation=sensitivity}}` chooses the levels of every neuron by the same
  weights (`compiler/diagnosis/sensitivity.py`, `passes/fitting/level_allocation.py`).

## Measured

Written by `python -m benchmarks.budget`: {len(DEPTHS) * len(WIDTHS)} networks of one variable
(1-w-...-1, tanh, {DEPTHS[0]} to {DEPTHS[-1]} hidden layers of {WIDTHS[0]} to {WIDTHS[-1]} neurons,
trained on `function_regression`) and the examples; population programs of
{", ".join(map(str, LEVELS))} levels, rate programs of {UNITS} units per neuron and T =
{", ".join(map(str, STEPS))} (the regression networks: T = {", ".join(map(str, FEW_STEPS))}). None
is trained or refitted. The local errors are those of the program's own layers on the same points,
so what is tested is how they propagate and add up; for one hidden layer there is nothing to test.

![Predicted against measured errors, and errors over depth and width](images/budget.png)

*Correlation* is that of the logarithms. As sizes range over decades, it is also given among
programs of the same number of levels or steps (mean over the sizes). *Ratio* is the geometric mean
of predicted over measured, *spread* the factor of one standard deviation around it.
"""


@dataclass(frozen=True)
class Row:
    """One program.

    Attributes:
        network: Its name.
        shape: Depth and width of a regression network.
        coding: Of the program.
        size: Levels, or steps.
        budget: Its error budget.
    """

    network: str
    shape: tuple[int, int] | None
    coding: str
    size: int
    budget: Budget

    @property
    def program(self) -> str:
        """In words."""
        return f"L = {self.size}" if self.coding == POPULATION else f"T = {self.size}"


@dataclass(frozen=True)
class Pairs:
    """Predictions of one form and what was measured.

    Attributes:
        predicted: ``(programs or layers,)``.
        measured: Same shape.
        sizes: Coding and size of each program.
    """

    predicted: np.ndarray
    measured: np.ndarray
    sizes: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row], form: Callable[[Budget], float]) -> "Pairs":
        """Of whole programs."""
        return cls(
            np.array([form(row.budget) for row in rows]),
            np.array([row.budget.measured for row in rows]),
            tuple(f"{row.coding} {row.size}" for row in rows),
        )

    @classmethod
    def of_layers(cls, rows: Sequence[Row], form: Callable[[LayerErrors], float]) -> "Pairs":
        """Of single layers, against each layer converted alone."""
        found = [(layer, row) for row in rows for layer in row.budget.layers]
        return cls(
            np.array([form(layer) for layer, _ in found]),
            np.array([layer.alone for layer, _ in found]),
            tuple(f"{row.coding} {row.size}" for _, row in found),
        )

    @property
    def correlation(self) -> float:
        """Of the logarithms."""
        return float(np.corrcoef(np.log(self.predicted), np.log(self.measured))[0, 1])

    @property
    def at_one_size(self) -> float:
        """Mean of the correlations among programs of one size."""
        sizes = np.array(self.sizes)
        parts = [sizes == size for size in dict.fromkeys(self.sizes)]
        found = [Pairs(self.predicted[p], self.measured[p], ()).correlation for p in parts]
        return float(np.mean(found))

    def cells(self) -> list[str]:
        """Of a table."""
        logs = np.log(self.predicted / self.measured)
        return [
            f"{self.correlation:.3f}",
            f"{self.at_one_size:.3f}",
            f"{np.exp(logs.mean()):.2f}",
            f"{np.exp(logs.std()):.2f}",
        ]


def _budget(job: Job, pipeline: Passes) -> Budget:
    observed = ObservedLayers(job.context)
    job.lower(pipeline, [observed])
    return job.budget(observed)


def _programs(job: Job, steps: Sequence[int]) -> Iterator[tuple[str, int, Budget]]:
    for levels in LEVELS:
        yield POPULATION, levels, _budget(job, pipelines.population(levels))
    for count in steps:
        yield RATE, count, _budget(job, pipelines.rate(count, UNITS))


def _example(name: str) -> list[Row]:
    job = prepare(ROOT / "ir_examples" / name / "model.onnx", DOMAINS[name])
    return [Row(name, None, *found) for found in _programs(job, STEPS)]


def _regression(shape: tuple[int, int]) -> list[Row]:
    """Train a network and measure its programs."""
    depth, width = shape
    torch.set_num_threads(1)
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    sizes = (1, *[width] * depth, 1)
    network = spread_mlp(sizes, regression.LOWER, regression.UPPER, regression.SLOPES, seed=0)
    problem = regression.problem()
    train(network, problem, SETTINGS, Progress(lambda: 0.0))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(network, problem, path)
        job = prepare(path, DOMAINS["function_regression"])
    return [Row(f"{depth} x {width}", shape, *found) for found in _programs(job, FEW_STEPS)]


def _one(task: str | tuple[int, int]) -> list[Row]:
    return _example(task) if isinstance(task, str) else _regression(task)


def _statistics(rows: Sequence[Row]) -> str:
    groups = {
        "population": [row for row in rows if row.coding == POPULATION],
        "rate": [row for row in rows if row.coding == RATE],
        "all": list(rows),
    }
    whole = {
        "predicted": lambda b: b.predicted,
        "with signs": lambda b: b.together,
        "identity": lambda b: b.identity,
    }
    single = {
        "predicted": lambda layer: layer.predicted,
        "independent": lambda layer: layer.independent,
        "identity": lambda layer: layer.identity,
    }
    headings = ["", "form", "count", "correlation", "at one size", "ratio", "spread"]
    lines: list[list[object]] = []
    for group, chosen in groups.items():
        for form, value in whole.items():
            pairs = Pairs.of(chosen, value)
            lines.append([f"programs, {group}", form, len(pairs.measured), *pairs.cells()])
    for group, chosen in groups.items():
        for form, value in single.items():
            pairs = Pairs.of_layers(chosen, value)
            lines.append([f"single layers, {group}", form, len(pairs.measured), *pairs.cells()])
    return table(headings, lines)


def _ranking(rows: Sequence[Row]) -> str:
    """How often the forms point at the layer whose exactness lowers the error most."""
    lines = []
    for coding in (POPULATION, RATE):
        budgets = [r.budget for r in rows if r.coding == coding and len(r.budget.layers) > 1]
        counts = []
        for form in ("predicted", "identity", "alone"):
            hits = [
                max(b.layers, key=lambda layer, form=form: getattr(layer, form))
                is min(b.layers, key=lambda layer: layer.without)
                for b in budgets
            ]
            counts.append(f"{np.mean(hits):.0%}")
        chance = np.mean([1 / len(b.layers) for b in budgets])
        lines.append([coding, len(budgets), *counts, f"{chance:.0%}"])
    headings = [
        "programs of several layers",
        "count",
        "predicted",
        "identity",
        "alone",
        "by chance",
    ]
    return table(headings, lines)


def _shapes(rows: Sequence[Row], coding: str, size: int) -> str:
    chosen = {
        row.shape: row.budget
        for row in rows
        if row.shape and (row.coding, row.size) == (coding, size)
    }
    lines = [[depth, *(_cell(chosen[depth, width]) for width in WIDTHS)] for depth in DEPTHS]
    return table(["hidden layers", *(f"width {width}" for width in WIDTHS)], lines)


def _cell(budget: Budget) -> str:
    return f"{budget.measured:.2e} ({budget.predicted:.2e}; {budget.identity:.2e})"


def _example_table(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        budget = row.budget
        largest, best = budget.largest, budget.best
        lines.append(
            [
                row.program,
                f"{budget.measured:.2e}",
                f"{budget.predicted:.2e}",
                f"{budget.together:.2e}",
                f"{budget.identity:.2e}",
                "" if largest is None else f"{largest.name} ({budget.share(largest):.0%})",
                "none" if best is None else f"{best.name} ({best.without:.2e})",
            ]
        )
    headings = [
        "program",
        "measured",
        "predicted",
        "with signs",
        "identity",
        "largest (share of the square)",
        "more levels (error if exact)",
    ]
    return table(headings, lines)


def _draw(rows: Sequence[Row]) -> Figure:
    figure = Figure(figsize=(10, 12), layout="constrained")
    axes = figure.subplots(3, 2)
    programs, layers = "whole programs, ", "single layers, "
    derivatives, identity = "weighted by derivatives", "identity-weighted"
    _scatter(axes[0, 0], rows, programs + derivatives, lambda b: b.predicted)
    _scatter(axes[0, 1], rows, programs + identity, lambda b: b.identity)
    _scatter_layers(axes[1, 0], rows, layers + derivatives, lambda layer: layer.predicted)
    _scatter_layers(axes[1, 1], rows, layers + identity, lambda layer: layer.identity)
    for axis in axes[:2, 0]:
        axis.legend(fontsize=8, loc="lower right")
    _curves(axes[2, 0], rows, along=0)
    _curves(axes[2, 1], rows, along=1)
    return figure


def _scatter(axis: Any, rows: Sequence[Row], title: str, form: Callable[[Budget], float]) -> None:
    for coding in (POPULATION, RATE):
        for marker, kind, own in (("o", "examples", False), (".", "regression", True)):
            chosen = [r for r in rows if r.coding == coding and (r.shape is not None) == own]
            pairs = Pairs.of(chosen, form)
            axis.scatter(
                pairs.predicted,
                pairs.measured,
                s=30,
                marker=marker,
                alpha=0.7,
                facecolors="none" if marker == "o" else _COLOURS[coding],
                edgecolors=_COLOURS[coding],
                linewidths=1 if marker == "o" else 0,
                label=f"{coding}, {kind}",
            )
    _finish(axis, title, Pairs.of(rows, form), "measured relative L2 error")


def _scatter_layers(
    axis: Any, rows: Sequence[Row], title: str, form: Callable[[LayerErrors], float]
) -> None:
    for coding in (POPULATION, RATE):
        pairs = Pairs.of_layers([row for row in rows if row.coding == coding], form)
        axis.scatter(
            pairs.predicted,
            pairs.measured,
            s=7,
            alpha=0.5,
            linewidths=0,
            color=_COLOURS[coding],
            label=coding,
        )
    pairs = Pairs.of_layers(rows, form)
    _finish(axis, title, pairs, "measured, only this layer converted")


def _finish(axis: Any, title: str, pairs: Pairs, measured: str) -> None:
    ends = [
        min(pairs.predicted.min(), pairs.measured.min()) / 1.3,
        max(pairs.predicted.max(), pairs.measured.max()) * 1.3,
    ]
    axis.plot(ends, ends, color="0.5", linewidth=0.8, zorder=0)
    axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="predicted", ylabel=measured)
    axis.set_title(
        f"{title}\ncorrelation of the logarithms: {pairs.correlation:.3f}\n"
        f"among equal levels or steps: {pairs.at_one_size:.3f}",
        fontsize=9,
    )
    axis.set_aspect("equal")
    axis.grid(alpha=0.25)


def _curves(axis: Any, rows: Sequence[Row], along: int) -> None:
    """Errors of the regression networks over depth (0) or width (1), a line for each other."""
    values, others = ((DEPTHS, WIDTHS), (WIDTHS, DEPTHS))[along]
    found = {
        row.shape: row.budget
        for row in rows
        if row.shape and (row.coding, row.size) == (POPULATION, SHOWN_LEVELS)
    }
    for number, other in enumerate(others):
        shapes = [(value, other)[:: 1 if along == 0 else -1] for value in values]
        colour = f"C{number}"
        name = f"width {other}" if along == 0 else f"{other} layer{'s' if other > 1 else ''}"
        axis.plot(
            values,
            [found[s].measured for s in shapes],
            "o-",
            color=colour,
            markersize=4,
            label=name,
        )
        axis.plot(values, [found[s].predicted for s in shapes], "x--", color=colour, linewidth=1)
    axis.set(yscale="log", ylabel="relative L2 error", xlabel=("hidden layers", "width")[along])
    if along == 1:
        axis.set_xscale("log")
    axis.set_xticks(values, [str(value) for value in values])
    axis.set_yticks(_TICKS, [str(value) for value in _TICKS])
    axis.minorticks_off()
    axis.set_title(
        f"regression networks, {SHOWN_LEVELS} levels\nmeasured (solid), predicted (dashed)",
        fontsize=9,
    )
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(others))


def main() -> None:
    """Measure, and write the page and the figure."""
    tasks = [*reversed(DOMAINS), *((d, w) for d in reversed(DEPTHS) for w in reversed(WIDTHS))]
    with ProcessPoolExecutor(2) as pool:
        rows = [row for found in pool.map(_one, tasks) for row in found]
    _draw(rows).savefig(DOCS / "images" / "budget.png", dpi=110)
    parts = [
        _HEAD,
        _statistics(rows),
        _RANKING,
        _ranking(rows),
        f"## Depth and width\n\n{_SHAPES}\nPopulation, {SHOWN_LEVELS} levels:\n",
        _shapes(rows, POPULATION, SHOWN_LEVELS),
        f"Rate, {UNITS} units, T = {SHOWN_STEPS}:\n",
        _shapes(rows, RATE, SHOWN_STEPS),
        f"## Examples\n\n{_EXAMPLES}",
    ]
    for name in DOMAINS:
        parts += [f"### {name}\n", _example_table([row for row in rows if row.network == name])]
    write_page("budget.md", *parts)


_RANKING = """How often the layer with the largest figure is the one whose exactness lowers the
program's error most (*without*):
"""
_SHAPES = """Measured relative L2 error; in brackets predicted, weighted by derivatives and by the
identity. A wider network has more neurons that err, which raises the identity-weighted sum, and
depends less on each of them, which that sum does not know.
"""
_EXAMPLES = """L levels, population; T steps, rate. The last column names the layer where more
levels help most for their units, as `pinnir inspect --errors` says it; "none" if no layer alone is
worth it.
"""

if __name__ == "__main__":
    main()
