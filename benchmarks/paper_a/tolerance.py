"""Programs for a tolerance, and the steep gradient of Burgers."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

import pinnir
from benchmarks.paper_a.cells import KEPT, case, reference
from pinnir import pipelines
from pinnir.ir import Array
from pinnir.smooth import smooth_run

TOLERANCES: tuple[float | str, ...] = (1e-3, "auto")
# Of the grid on which the steepest point is looked for: 256 cells, and times.
CELLS, TIMES = 256, 101
FRONT_LEVELS = (256, 1024, 4096)


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


def measure_front(problem: str) -> list[dict[str, Any]]:
    """How many cells the steepest point of each time slice lies from the network's."""
    of = case(problem)
    shape = (CELLS + 1, TIMES)
    found = []
    for levels in FRONT_LEVELS:
        pipeline = pipelines.population_refitted(levels)
        plain = pinnir.compile(of.model, of.domain, pipeline=pipeline).run_grid(shape)
        assert plain.source is not None
        network = steepest(plain.source.reshape(shape))
        for smoothed, result in ((False, plain), (True, smooth_run(plain, shape))):
            away = np.abs(steepest(result.outputs.reshape(shape)) - network)
            beyond = np.flatnonzero(away > 1)
            found.append({
                "levels": levels, "smoothed": smoothed, "rel_l2": result.metrics["rel_l2"],
                "largest": int(away.max()), "beyond_one": len(beyond),
                "latest": float(beyond.max(initial=0)) / (TIMES - 1),
            })  # fmt: skip
    return found
