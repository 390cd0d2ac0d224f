"""Which program to try next: the smallest number of levels or steps that meets a tolerance.

A search looks at the selection points only. The driver builds what the search proposes, measures
it on the evaluation points, and if it fails there tells the search by how much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pinnir import pipelines
from pinnir.errors import PinnirError
from pinnir.job import FEW_POINTS, Job
from pinnir.manager import parse_pipeline
from pinnir.target import Target

# A candidate is proposed if its error on the selection points is below this share of the
# tolerance, because the evaluation points differ.
_MARGIN = 0.97
MAX_LEVELS = 256**2
_RATE_STEPS = (8, 16, 32, 64, 128, 256)
_RATE_UNITS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Candidate:
    """One way to compile: a pipeline and what it is called."""

    coding: str
    steps: int
    levels: int
    pipeline: str


class Search(Protocol):
    """Proposes programs."""

    def first(self) -> Candidate:
        """The smallest program that should do."""
        ...

    def after(self, failed: Candidate, excess: float) -> Candidate | None:
        """What to try after ``failed``, whose error was ``excess`` times the tolerance."""
        ...


def make_search(
    job: Job,
    coding: str,
    steps: int | None,
    levels: int | None,
    pipeline: str | None,
    wanted: float | None,
) -> Search:
    """The search for what was asked.

    Raises:
        PinnirError: If coding, steps, levels and pipeline do not fit each other or the target.
    """
    if steps is not None and steps < 1:
        raise PinnirError(f"{steps} steps are too few", hint="give --steps 1 or more")
    if levels is not None and not 2 <= levels <= MAX_LEVELS:
        raise PinnirError(
            f"{levels} levels are out of range", hint=f"give --levels from 2 to {MAX_LEVELS}"
        )
    if pipeline is not None:
        return Fixed(_own_pipeline(pipeline))
    if _choose_coding(job.target, coding) == "population":
        return _population_search(job, steps, levels, wanted)
    if levels is not None:
        t = steps or 32
        return Fixed(_rate(t, max(1, round((levels - 1) / t))))
    assert wanted is not None
    return RateSearch(job, wanted, (steps,) if steps else _RATE_STEPS)


def _choose_coding(target: Target, coding: str) -> str:
    if coding == "auto":
        return target.codings[0]
    if coding not in target.codings:
        raise PinnirError(
            f"target {target.name} does not run the coding {coding!r}",
            hint=f"it runs auto, {', '.join(target.codings)}",
        )
    return coding


def _own_pipeline(text: str) -> Candidate:
    options = {one.name: vars(one) for one in parse_pipeline(text)}
    if "lower" not in options:
        raise PinnirError(
            "the pipeline makes no spiking program: it has no pass 'lower'",
            hint="a complete pipeline is " + pipelines.population(256),
        )
    lower = options["lower"]
    levels = options.get("quantise-activations", {}).get("levels", 0)
    return Candidate(lower["coding"], lower["steps"], levels, text)


def _population_search(
    job: Job, steps: int | None, levels: int | None, wanted: float | None
) -> Search:
    if steps not in (None, 1):
        raise PinnirError(
            f"population coding takes one step, not {steps}",
            hint="leave --steps out, or use --coding rate",
        )
    if levels is not None:
        return Fixed(_population(levels))
    assert wanted is not None
    return PopulationSearch(job, wanted)


def _population(levels: int) -> Candidate:
    return Candidate("population", 1, levels, pipelines.population(levels))


def _rate(steps: int, units: int) -> Candidate:
    return Candidate("rate", steps, units * steps + 1, pipelines.rate(steps, units))


@dataclass(frozen=True)
class Fixed:
    """No search: one program."""

    candidate: Candidate

    def first(self) -> Candidate:
        """That program."""
        return self.candidate

    def after(self, failed: Candidate, excess: float) -> Candidate | None:
        """Nothing else."""
        return None


@dataclass(frozen=True)
class PopulationSearch:
    """Searches the number of levels on the staircase network, which the program equals."""

    job: Job
    wanted: float

    @cached_property
    def counts(self) -> list[int]:
        """n^2 and n (n + 1): the numbers that coarse and fine units reach without waste."""
        return [n * m for n in range(2, 257) for m in (n, n + 1) if n * m <= MAX_LEVELS]

    def first(self) -> Candidate:
        """The smallest count that suffices; the search starts where the error law points."""
        law = 2.5 / self.wanted  # relative L2 errors are about 2.5 / levels
        start = int(np.clip(np.searchsorted(self.counts, law), 0, len(self.counts) - 1))
        return _population(self.counts[smallest(self.counts, start, self._sufficient)])

    def after(self, failed: Candidate, excess: float) -> Candidate | None:
        """More levels by as much as the error was too large."""
        if failed.levels >= self.counts[-1]:
            return None
        levels = failed.levels * max(1.02, 1.02 * excess)
        index = min(int(np.searchsorted(self.counts, levels)), len(self.counts) - 1)
        return _population(self.counts[index])

    def _sufficient(self, levels: int) -> bool:
        graph = self.job.lower(pipelines.staircase(levels))
        error = self.job.error(graph)
        self.job.progress(f"{levels} levels: {error:.3e}")
        return error <= _MARGIN * self.wanted


def smallest(counts: list[int], start: int, sufficient: Callable[[int], bool]) -> int:
    """Index of the smallest sufficient count (the last if none is): gallop, then bisect."""
    low, high = 0, len(counts) - 1  # below low none is sufficient, high is or is the last
    probe, stride = start, 1
    while low < high:
        if sufficient(counts[probe]):
            high = probe
            probe -= stride
        else:
            low = min(probe + 1, len(counts) - 1)
            probe += stride
        stride *= 2
        if not low <= probe < high:
            probe = (low + high) // 2
    return low


@dataclass(frozen=True)
class RateSearch:
    """Searches steps and units together, by simulation, fewest spike slots first."""

    job: Job
    wanted: float
    steps: tuple[int, ...]

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Steps and units; the spikes grow with their product."""
        pairs = [(t, k) for t in self.steps for k in _RATE_UNITS]
        return sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[0]))

    def first(self) -> Candidate:
        """The first pair that suffices, else the best one."""
        errors: dict[tuple[int, int], float] = {}
        for pair in self.pairs:
            errors[pair] = self._error(*pair)
            if errors[pair] <= _MARGIN * self.wanted:
                return _rate(*pair)
        return _rate(*min(errors, key=errors.__getitem__))

    def after(self, failed: Candidate, excess: float) -> Candidate | None:
        """The next larger pair."""
        tried = (failed.steps, (failed.levels - 1) // failed.steps)
        following = self.pairs[self.pairs.index(tried) + 1 :]
        return _rate(*following[0]) if following else None

    def _error(self, steps: int, units: int) -> float:
        graph = self.job.lower(pipelines.rate(steps, units))
        error = self.job.error(graph, FEW_POINTS)
        self.job.progress(f"{steps} steps, {units} units: {error:.3e}")
        return error
