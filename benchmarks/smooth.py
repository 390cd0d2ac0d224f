"""Smoothed fields: what a low-pass filter over the grid takes off the error.

``python -m benchmarks.smooth`` writes ``docs/smooth.md``.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

import pinnir
from benchmarks.common import ROOT, table, write_page
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.points.point_files import load_reference
from pinnir.program.program import Program
from pinnir.program.smoothing import smooth

EXAMPLES = ROOT / "ir_examples"
STEPS = (8, 16, 32)
UNITS = (4, 16)
LEVELS = (64, 256)
CUTOFFS = (0.25, 0.5)
# A ratio above this is no help worth the name.
HARDLY = 0.95

_HEAD = """# Measured: smoothed fields

Written by `python -m benchmarks.smooth`. `pinnir run --smooth` takes noise off the output field
with a low-pass filter over the grid (`compiler/program/smoothing.py`); how much to keep is read off
the field alone. *Before* and *after* are relative L2 errors on the grid, against the source network
and, where the grid holds the points of the example's reference solution, against that solution;
*own* is the network's own error against it. The last columns are the ratio after/before against the
network for fixed cutoffs, `--smooth 0.25` and `--smooth 0.5`. Rate programs have K IF neurons per
neuron and T steps, population programs L levels.
"""

_LIMITS = """
Why, and what else to know:

- It takes off what is rough. A rate program of few units errs smoothly (its ramps are too few to
  follow the activation), and no filter over the grid can know that.
- It takes off little around a steep front, and a fixed cutoff takes the front itself off: see the
  last columns of the Burgers networks. The coarse grids among them have no point inside the front.
- The constants of the filter (degree of the trend, width of the bands, margin) were chosen on most
  of these programs and grids; the grids 401 and 257x257 were not among them.
"""


@dataclass(frozen=True)
class Problem:
    """An example with its domain and the grids it is run on."""

    name: str
    domain: str
    grids: tuple[tuple[int, ...], ...]


PROBLEMS = (
    Problem("burgers", "x=-1:1,t=0:1", ((256, 101), (64, 33))),
    Problem("poisson", "x=-1:1,y=-1:1", ((101, 101),)),
    Problem("wave", "x=0:1,t=0:1", ((101, 101),)),
    Problem("diffusion_reaction", "x=-pi:pi,t=0:1", ((201, 51),)),
    Problem("beltrami_pinn", "x=-1:1,y=-1:1,t=0:1", ((25, 25, 11),)),
    Problem("function_regression", "x=-1:1", ((401,), (1001,))),
    Problem("burgers_spinn", "x=-1:1,t=0:1", ((256, 101), (128, 64), (48, 20))),
    Problem("beltrami_spinn", "x=-1:1,y=-1:1,t=0:1", ((25, 25, 11), (32, 32, 21))),
)
# A grid much finer than the reference solution's, for few steps: it takes long.
FINE = Problem("poisson", "x=-1:1,y=-1:1", ((257, 257),))


@dataclass(frozen=True)
class Measured:
    """One line of the table: errors before and after, ``(error, error)``."""

    name: str
    coding: str
    grid: tuple[int, ...]
    network: tuple[float, float]
    reference: tuple[float, float] | None
    own: float | None
    fixed: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """After over before, against the network."""
        return self.network[1] / self.network[0]

    def row(self) -> list[object]:
        """As a line of Markdown."""
        cells: list[object] = [self.coding, "x".join(map(str, self.grid))]
        for pair in (self.network, self.reference):
            cells += ["", "", ""] if pair is None else [*_told(pair), f"{pair[1] / pair[0]:.2f}"]
        cells.append("" if self.own is None else f"{self.own:.2e}")
        return cells + [f"{ratio:.2f}" for ratio in self.fixed]


def _told(errors: Sequence[float]) -> list[str]:
    return [f"{error:.2e}" for error in errors]


def _programs(problem: Problem) -> Iterator[tuple[str, Program]]:
    model = EXAMPLES / problem.name / "model.onnx"
    small = problem == FINE
    for units in UNITS:
        for steps in STEPS[:1] if small else STEPS:
            made = pinnir.compile(
                model, problem.domain, coding="rate", steps=steps, levels=units * steps + 1
            )
            yield f"rate, K = {units}, T = {steps}", made
    for levels in LEVELS:
        made = pinnir.compile(model, problem.domain, coding="population", levels=levels)
        yield f"population, L = {levels}", made


def _measure(problem: Problem) -> list[Measured]:
    return [
        _one(problem, coding, program, grid)
        for coding, program in _programs(problem)
        for grid in problem.grids
    ]


def _one(problem: Problem, coding: str, program: Program, grid: tuple[int, ...]) -> Measured:
    result = program.run_grid(grid)
    before, source = result.outputs, result.source
    assert source is not None
    field = before.reshape(*grid, -1)
    after, *fixed = (smooth(field, cutoff).reshape(before.shape) for cutoff in (None, *CUTOFFS))
    points, truth = load_reference(EXAMPLES / problem.name / "reference.npz")
    rows = _rows_of(points, program.domain, grid)
    error = relative_l2(before, source)
    return Measured(
        problem.name,
        coding,
        grid,
        network=(error, relative_l2(after, source)),
        reference=None
        if rows is None
        else (relative_l2(before[rows], truth), relative_l2(after[rows], truth)),
        own=None if rows is None else relative_l2(source[rows], truth),
        fixed=tuple(relative_l2(other, source) / error for other in fixed),
    )


def _rows_of(points: Array, domain: Domain, grid: tuple[int, ...]) -> Array | None:
    """Which rows of the grid are these points, or None if some are not on it."""
    at = (points - domain.low) / (domain.high - domain.low) * (np.array(grid) - 1)
    nearest = np.rint(at)
    if np.abs(at - nearest).max() > 1e-6:
        return None
    return np.asarray(np.ravel_multi_index(tuple(nearest.astype(int).T), grid))


def _summary(lines: Sequence[Measured]) -> str:
    """Ratios over groups of programs, against the network."""
    groups = {
        "rate, K = 4": "rate, K = 4,",
        "rate, K = 16": "rate, K = 16,",
        "population": "population",
        "all": "",
    }
    rows = []
    for name, start in groups.items():
        group = [line for line in lines if line.coding.startswith(start)]
        ratios = np.array([line.ratio for line in group])
        fixed = np.array([line.fixed for line in group])
        rows.append(
            [
                name,
                len(group),
                f"{np.exp(np.log(ratios).mean()):.2f}",
                f"{ratios.max():.3f}",
                int((ratios > HARDLY).sum()),
                *(f"{column.max():.2f}" for column in fixed.T),
            ]
        )
    headings = [
        "programs and grids",
        "count",
        "mean ratio (geometric)",
        "largest ratio",
        f"above {HARDLY}",
    ]
    headings += [f"largest, cutoff {cutoff}" for cutoff in CUTOFFS]
    return table(headings, rows)


def _hardly(lines: Sequence[Measured]) -> str:
    told: dict[str, list[str]] = {}
    for line in lines:
        if line.ratio > HARDLY:
            grid = "x".join(map(str, line.grid))
            told.setdefault(line.name, []).append(f"{line.coding}, {grid} ({line.ratio:.2f})")
    rows = [f"- {name}: {'; '.join(which)}" for name, which in told.items()]
    head = f"It takes off less than {1 - HARDLY:.0%} (in brackets: the ratio) of"
    return "\n".join([head, *rows])


def main() -> None:
    """Write the page."""
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(_measure, (*PROBLEMS, FINE)))
    lines = [line for measured in found for line in measured]
    parts = [_HEAD, _summary(lines), "## Where it does not help\n", _hardly(lines), _LIMITS]
    headings = [
        "program",
        "grid",
        "before",
        "after",
        "ratio",
        "before, reference",
        "after, reference",
        "ratio, reference",
        "own",
        *(f"cutoff {cutoff}" for cutoff in CUTOFFS),
    ]
    for problem in PROBLEMS:
        rows = [line.row() for line in lines if line.name == problem.name]
        parts.append(f"\n## {problem.name}\n")
        parts.append(table(headings, rows))
    write_page("smooth.md", *parts)


if __name__ == "__main__":
    main()
