"""Networks of the benchmark, and the smallest staircase networks that meet a tolerance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache

from benchmarks.common import Case, third_party_cases
from ir_examples.build import DOMAINS, ROOT
from pinnir.pipeline.manager import Passes
from pinnir.search.candidates import level_counts
from pinnir.search.compile import prepare
from pinnir.search.job import Job

_OWN = ("poisson", "burgers", "beltrami_pinn", "beltrami_spinn")


def cases() -> dict[str, Case]:
    """Networks by name: examples trained here, and those of others if they are there."""
    own = [Case(name, ROOT / name / "model.onnx", DOMAINS[name]) for name in _OWN]
    return {case.name: case for case in (*own, *third_party_cases())}


@cache
def job_of(name: str) -> Job:
    """A compilation of a network for programmable neurons."""
    case = cases()[name]
    return prepare(case.model, case.domain, "programmable")


def smallest(name: str, tolerance: float, pipeline: Callable[[int], Passes]) -> int:
    """The least number of levels whose staircase network stays below a tolerance.

    Its error is the one on the selection points, by bisection: it falls with the levels.

    Args:
        name: Of the network.
        tolerance: Relative L2 error against the network.
        pipeline: Of the staircase network of so many levels.
    """
    counts = [count for count in level_counts() if 8 <= count <= 4096]
    job = job_of(name)
    found = bisect_left(
        counts,
        True,
        key=lambda levels: job.errors(job.lower(pipeline(levels))).told["rel_l2"] <= tolerance,
    )
    return counts[min(found, len(counts) - 1)]
