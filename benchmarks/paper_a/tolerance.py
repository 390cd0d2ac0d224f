"""Programs for a tolerance, and the steep gradient of Burgers."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

import pinnir
from benchmarks.paper_a.cells import KEPT, case, reference
from pinnir import pipelines
from pinnir.ir import Array

TOLERANCES: tuple[float | str, ...] = (1e-3, "auto")
# Of the grid on which the steepest point is looked for: 256 cells, and times.
CELLS, TIMES = 256, 101


def measure_tolerance(problem: str, rtol: float | str) -> dict[str, Any]:
    """Compile for a tolerance and keep the figures."""
    of = case(problem)
    known = reference(of)
    started = perf_counter()
    program = pinnir.compile(of.model, of.domain, rtol=rtol, reference=known)
    found = {name: program.metrics[name] for name in KEPT}
    return {
        **found,
        "reference_points": len(known[0]),
        "asked": program.manifest["rtol"],
        "levels": program.metrics["levels"],
        "pipeline": program.manifest["pipeline"],
        "seconds": round(perf_counter() - started, 1),
    }


def steepest(field: Array) -> Array:
    """Cell with the largest rise or fall of each time slice; ``field`` is ``(x, t)``."""
    return np.abs(np.diff(field, axis=0)).argmax(axis=0)


def measure_front(problem: str, levels: int) -> dict[str, Any]:
    """How many cells the steepest point of each time slice lies from the network's."""
    of = case(problem)
    pipeline = pipelines.population_refitted(levels)
    program = pinnir.compile(of.model, of.domain, pipeline=pipeline)
    result = program.run_grid((CELLS + 1, TIMES))
    assert result.source is not None
    ours, network = (v.reshape(CELLS + 1, TIMES) for v in (result.outputs, result.source))
    away = np.abs(steepest(ours) - steepest(network))
    return {"levels": levels, "rel_l2": result.metrics["rel_l2"], "largest": int(away.max()),
            "mean": float(away.mean()), "beyond_one": int((away > 1).sum())}  # fmt: skip
