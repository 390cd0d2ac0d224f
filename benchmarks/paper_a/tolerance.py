"""Programs for a tolerance, and the steep gradient of Burgers."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

import pinnir
from benchmarks.paper_a.cells import KEPT, case, reference
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.program.smoothing import smooth_run

TOLERANCES: tuple[float | str, ...] = (1e-3, "auto")
# Of the grid on which the steepest point is looked for: 256 cells, and times.
CELLS, TIMES = 256, 101
FRONT_LEVELS = (256, 1024, 4096, 16384, 65536)
# Share of the frequencies that the position is read from, where the field is smoothed by that.
CUTOFF = 0.05


def measure_tolerance(problem: str, rtol: float | str) -> dict[str, Any]:
    """Compile for a tolerance and keep the figures."""
    of = case(problem)
    known = reference(of)
    started = perf_counter()
    # In the paper's measure, as all figures of the study.
    program = pinnir.compile(of.model, of.domain, rtol=rtol, norm="l2", reference=known)
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
    """Cell with the largest fall of each time slice; ``field`` is ``(x, t)``.

    The front is a fall. The initial -sin(pi x) rises as steeply at both ends as it falls between.
    """
    return np.diff(field, axis=0).argmin(axis=0)


def measure_front(problem: str) -> dict[str, Any]:
    """How far the steepest point of each time slice is from the network's, and from x = 0.

    It stays at x = 0, where two cells meet, as the solution is odd in x.
    """
    of = case(problem)
    shape = (CELLS + 1, TIMES)
    programs = []
    for levels in FRONT_LEVELS:
        pipeline = pipelines.population_refitted(levels)
        program = pinnir.compile(of.model, of.domain, pipeline=pipeline)
        plain = program.run_grid(shape)
        assert plain.source is not None
        network = steepest(plain.source.reshape(shape))
        fields = {
            "no": plain,
            "auto": smooth_run(plain, shape),
            f"{CUTOFF:g}": smooth_run(plain, shape, CUTOFF),
        }
        for smoothed, result in fields.items():
            cells = steepest(result.outputs.reshape(shape))
            programs.append(
                {
                    "levels": levels,
                    "smoothed": smoothed,
                    "rel_l2": result.metrics["rel_l2"],
                    "spikes_per_activation": program.metrics["spikes_per_activation"],
                    "network": _told(np.abs(cells - network)),
                    "solution": _told(_from_middle(cells)),
                }
            )
    return {"network": _told(_from_middle(network)), "programs": programs}


def _from_middle(cells: Array) -> Array:
    """Cells between a cell and the nearer of the two that meet in the middle."""
    return np.minimum(np.abs(cells - CELLS // 2), np.abs(cells - (CELLS // 2 - 1)))


def _told(away: Array) -> dict[str, Any]:
    """Slices in which a point is more than one cell away: how many, the latest, how far."""
    beyond = np.flatnonzero(away > 1)
    latest = float(beyond[-1]) / (TIMES - 1) if len(beyond) else None
    return {"beyond": len(beyond), "latest": latest, "farthest": int(away.max())}
