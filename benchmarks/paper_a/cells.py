"""What is compiled and measured: problems, rows, and sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import pinnir
from benchmarks.common import Case
from ir_examples.build import DOMAINS, ROOT
from pinnir.base.files import write_atomic
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.passes.calibration.anticipate_rounding import AnticipateRounding
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.pipeline.manager import Passes, pipeline_text

# The paper's, of the examples.
PROBLEMS = tuple(name for name in DOMAINS if name != "deep_regression")
RESULTS = Path(__file__).parent / "results.json"
SIZES = (8, 16, 32, 64, 128)
# The target figures for population programs are for 64 and 256 levels.
LEVELS = (*SIZES, 256)
ITERATIONS = 3000
UNITS = 16
_ADVANCED = CalibrateAdvanced(iterations=500, rates=2)
# Points of the reference solution that programs are compared on, at most.
REFERENCE_POINTS = 4096
KEPT = (
    "rel_l2",
    "rel_l2_upper",
    "rel_l2_reference",
    "source_rel_l2_reference",
    "spiking_rate",
    "spikes_per_activation",
    "synops_per_mac",
    "energy_45nm_pj",
    "source_energy_45nm_pj",
    "neurons",
    "steps",
    "points",
)


@dataclass(frozen=True)
class Row:
    """One way to convert, in several sizes: time steps T, or levels L."""

    name: str
    title: str
    sizes: tuple[int, ...]
    pipeline: Callable[[int], Passes]
    problems: tuple[str, ...] = PROBLEMS

    @property
    def counts(self) -> str:
        """What its sizes are of."""
        return "L" if self.name.startswith("population") else "T"


def _trained(levels: int) -> Passes:
    return (AnticipateRounding(levels=levels, iterations=ITERATIONS),)


ROWS = (
    Row(
        "population-trained",
        "population, trained and refitted",
        LEVELS,
        lambda n: pipelines.population_refitted(n, _trained(n)),
    ),
    Row(
        "rate-refitted",
        f"rate, {UNITS} units, refitted",
        SIZES,
        lambda t: pipelines.rate_refitted(t, UNITS),
    ),
    Row(
        "rate-signed-trained",
        "rate, one signed IF, trained and refitted",
        (32,),
        lambda t: pipelines.rate_signed_trained(t, ITERATIONS),
    ),
    # Where training before the rounding does not get below the target figure.
    Row(
        "rate-signed-distilled",
        "rate, one signed IF, trained, refitted, distilled",
        (32,),
        lambda t: pipelines.rate_signed_distilled(t, ITERATIONS),
        ("burgers",),
    ),
    Row("population", "population", LEVELS, pipelines.population),
    Row(
        "population-refitted",
        "population, uneven levels, refitted",
        (64, 256),
        pipelines.population_refitted,
    ),
    Row("rate", f"rate, {UNITS} units", SIZES, lambda t: pipelines.rate(t, UNITS)),
    Row(
        "rate-light",
        f"rate, {UNITS} units, light",
        SIZES,
        lambda t: pipelines.rate(t, UNITS, CalibrateLight()),
    ),
    # Maps with 16 times the inputs take as much longer to train: fewer sizes and iterations.
    Row(
        "rate-advanced",
        f"rate, {UNITS} units, advanced",
        (8, 32),
        lambda t: pipelines.rate(t, UNITS, _ADVANCED),
    ),
    Row("published", "published converter", SIZES, lambda t: pipelines.rate_signed(t, None)),
    Row("published-light", "published converter, light", SIZES, pipelines.rate_signed),
    Row(
        "published-advanced",
        "published converter, advanced",
        SIZES,
        lambda t: pipelines.rate_signed(t, CalibrateAdvanced()),
    ),
)


@dataclass(frozen=True)
class Cell:
    """One program to measure."""

    problem: str
    row: Row
    size: int

    @property
    def key(self) -> str:
        """In the results."""
        return f"{self.problem}/{self.row.name}/{self.size}"


def case(problem: str) -> Case:
    """The network of a problem, with its reference solution."""
    folder = ROOT / problem
    return Case(problem, folder / "model.onnx", DOMAINS[problem], folder / "reference.npz")


def reference(of: Case) -> tuple[Array, Array]:
    """The reference solution on some of its points."""
    assert of.reference is not None
    points, outputs = of.reference
    chosen = np.random.default_rng(0).permutation(len(points))[:REFERENCE_POINTS]
    return points[chosen], outputs[chosen]


def cells(problems: tuple[str, ...], rows: tuple[str, ...]) -> Iterator[Cell]:
    """The cells of the named problems and rows, sizes that targets are set for first."""
    order = (32, 256, 64, 128, 16, 8)
    for size in order:
        for row in ROWS:
            if row.name in rows and size in row.sizes:
                yield from (Cell(one, row, size) for one in problems if one in row.problems)


def measure(cell: Cell) -> dict[str, Any]:
    """Compile one program and keep its figures."""
    of = case(cell.problem)
    known = reference(of)
    started = perf_counter()
    pipeline = cell.row.pipeline(cell.size)
    program = pinnir.compile(of.model, of.domain, pipeline=pipeline, reference=known)
    found = {name: program.metrics[name] for name in KEPT}
    passes = sum(program.seconds)
    return {
        **found,
        "pipeline": pipeline_text(pipeline),
        "reference_points": len(known[0]),
        "compile_seconds": round(passes, 1),
        "seconds": round(perf_counter() - started, 1),
    }


def load() -> dict[str, Any]:
    """What was measured before."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def save(results: dict[str, Any]) -> None:
    """Keep the results."""
    text = json.dumps(dict(sorted(results.items())), indent=1)
    write_atomic(RESULTS, (text + "\n").encode())
