"""Which program to try next: the cheapest that should meet a tolerance, over all families.

A search looks at the selection points only. The driver builds what the search proposes, measures
it on the evaluation points, and if it fails there tells the search by how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pinnir.base.errors import LegalizeError, PinnirError
from pinnir.base.registry import look_up
from pinnir.base.targets import Target
from pinnir.codings import check_programmable
from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.passes import pipelines
from pinnir.passes.parsing import parse_pipeline
from pinnir.program.frontier import DEFAULT_CRITERION, Candidate, Point, Record
from pinnir.search import candidates
from pinnir.search.candidates import Family, cheapest_first
from pinnir.search.family_search import FamilySearch
from pinnir.search.job import Job
from pinnir.search.measure import JobMeasure, Measure
from pinnir.search.simulated_search import SimulatedSearch
from pinnir.search.staircase_search import StaircaseSearch

# A rate program approaches the staircase network of as many levels from above, but its levels may
# lie better. With less than this share of the levels that an even staircase needs, it is not tried.
_FEWER_LEVELS = 0.25
# The error law: relative L2 errors of even levels are about this by their number.
_LAW = 2.5
# The neuron of rate coding where none is asked for.
IF = "if"
_NO_BOUND = (math.inf, math.inf)
# Codings that run for a number of steps that may be chosen.
_TIMED = ("rate", "signgd")
# What a number of levels alone makes of a coding.
_BY_LEVELS: Mapping[str, Callable[[int], Candidate]] = {
    "population": candidates.population,
    "delta": candidates.delta,
    "phase": candidates.phase,
}


class Search(Protocol):
    """Proposes programs, and keeps what was measured."""

    record: Record

    def next(self) -> Candidate | None:
        """The cheapest program that should do, None if there is none left."""
        ...

    def failed(self, one: Point) -> None:
        """Tell of the program that :meth:`next` proposed and that failed."""
        ...


@dataclass
class Fixed:
    """No search: one program.

    Attributes:
        candidate: That program.
        record: Empty until it is measured.
    """

    candidate: Candidate
    record: Record = field(default_factory=Record)
    _given: bool = False

    def next(self) -> Candidate | None:
        """The program, once."""
        given, self._given = self._given, True
        return None if given else self.candidate

    def failed(self, one: Point) -> None:
        """There is nothing else."""


@dataclass
class CheapestSearch:
    """The cheapest of several families' programs.

    Attributes:
        families: Starts the search of each family, given the least levels that may do; those
            that know their errors without a simulation first.
        criterion: The cost that is to be small.
        record: Everything that was measured.
    """

    families: Mapping[str, Callable[[float], FamilySearch]]
    criterion: str
    record: Record
    _started: dict[str, FamilySearch] = field(default_factory=dict)
    _refused: dict[str, LegalizeError] = field(default_factory=dict)
    _proposals: dict[str, Point] = field(default_factory=dict)
    _asked: bool = False

    def next(self) -> Candidate | None:
        """The cheapest proposal of all families; at first the most accurate if none suffices.

        Raises:
            LegalizeError: If the network or the target refuses every family; that of the first.
        """
        best: Point | None = None
        for name in self.families:
            bound = _NO_BOUND if best is None else best.rank(self.criterion)
            found = self._propose(name, bound)
            if found is not None and (best is None or found.rank(self.criterion) < bound):
                best = found
        if best is None and not self._asked:
            best = self._most_accurate()
        self._asked = True
        return None if best is None else best.candidate

    def failed(self, one: Point) -> None:
        """Tell the family that proposed it, if one did."""
        found = self._proposals.pop(one.candidate.family, None)
        if found is not None:
            self._started[one.candidate.family].failed(found, one.error)

    def _propose(self, name: str, bound: tuple[float, float]) -> Point | None:
        """A family's proposal; a family that the network or the target refuses has none."""
        if name in self._refused:
            return None
        try:
            if name not in self._started:
                known = [one for of, one in self._started.items() if of not in self._refused]
                self._started[name] = self.families[name](_least_levels(known))
            found = self._started[name].propose(bound)
        except LegalizeError as error:
            self._refused[name] = error
            self.record.left_out[name] = str(error).partition("\n")[0]
            return None
        if found is not None:
            self._proposals[name] = found
        return found

    def _most_accurate(self) -> Point:
        if not self.record.points:
            raise next(iter(self._refused.values()))
        return min(self.record.points.values(), key=lambda point: point.error)


def _least_levels(searches: Sequence[FamilySearch]) -> float:
    """Levels below which no simulated family need be tried, by what the staircases needed."""
    needed = [one.needed_levels() for one in searches if isinstance(one, StaircaseSearch)]
    return _FEWER_LEVELS * min(needed, default=0)


def make_search(
    job: Job,
    coding: str,
    steps: int | None,
    levels: int | None,
    pipeline: str | None,
    wanted: float | None,
    criterion: str = DEFAULT_CRITERION,
    train: int = 0,
    neuron: str = IF,
) -> Search:
    """The search for what was asked; ``train`` iterations for families that are trained.

    Raises:
        PinnirError: If coding, steps, levels, pipeline and neuron do not fit each other or the
            target.
    """
    check_neuron(neuron, coding, pipeline)
    _check_numbers(steps, levels)
    fixed = levels is not None or pipeline is not None or wanted is None
    _check_training(train, fixed=fixed)
    if pipeline is not None:
        return Fixed(_own_pipeline(pipeline))
    codings = ("rate",) if neuron != IF else _codings(job.target, coding)
    if codings[0] not in _TIMED and steps not in (None, 1):
        own = "its own number of steps" if codings[0] == "phase" else "one step"
        raise PinnirError(
            f"{codings[0]} coding takes {own}, not {steps}",
            hint="leave --steps out, or use --coding rate",
        )
    if levels is not None or wanted is None:
        found = _of_numbers(job, codings[0], steps, levels, neuron)
        return Fixed(candidates.for_target(found, job.target))
    if steps == 1 and coding == "auto":
        codings = codings[:1]
    families = [
        family.within(job.target)
        for family in candidates.families(train)
        if family.coding in codings and family.features == job.features
    ]
    if neuron != IF:
        families = [candidates.membrane_family(neuron)]
    return over_families(families, steps, wanted, criterion, JobMeasure(job))


def over_families(
    families: Sequence[Family],
    steps: int | None,
    wanted: float,
    criterion: str,
    measure: Measure,
) -> CheapestSearch:
    """The search over these families; those that know errors without a simulation go first."""
    record = Record()
    ordered = sorted(families, key=lambda family: family.staircase is None)

    def start(family: Family, least: float) -> FamilySearch:
        members = family.members(steps)
        if family.staircase is not None:
            guess = least if family.slow and least else _LAW / wanted
            return StaircaseSearch(
                members, family.staircase, wanted, measure, record, guess, surveyed=not family.slow
            )
        members = tuple(cheapest_first(members, criterion))
        return SimulatedSearch(members, criterion, wanted, measure, record, least)

    started = {family.name: partial(start, family) for family in ordered}
    return CheapestSearch(started, criterion, record)


def check_neuron(neuron: str, coding: str, pipeline: str | None) -> None:
    """Find out whether programs of that neuron model can be made as asked.

    Raises:
        PinnirError: If it is unknown, or something else fixes the neurons.
    """
    if neuron == IF:
        return
    look_up({IF: None, **CONVERSIONS}, neuron, "neuron")
    if coding not in ("auto", "rate"):
        raise PinnirError(
            f"{coding} coding has neurons of its own, not {neuron}",
            hint="leave --neuron out, or use --coding rate",
        )
    if pipeline is not None:
        raise PinnirError(
            "a pipeline fixes the neurons",
            hint=f"leave --neuron out, and put 'fit-neurons{{neuron={neuron}}}' in the --pipeline",
        )


def _check_numbers(steps: int | None, levels: int | None) -> None:
    if steps is not None and steps < 1:
        raise PinnirError(f"{steps} steps are too few", hint="give --steps 1 or more")
    most = candidates.MAX_LEVELS
    if levels is not None and not 2 <= levels <= most:
        raise PinnirError(
            f"{levels} levels are out of range", hint=f"give --levels from 2 to {most}"
        )


def _check_training(iterations: int, *, fixed: bool) -> None:
    if iterations < 0:
        raise PinnirError(
            f"{iterations} iterations of training are too few", hint="give --train 1 or more"
        )
    if iterations and fixed:
        raise PinnirError(
            "--train is for the search: levels, steps of signgd or a pipeline fix the program",
            hint="put 'anticipate-rounding' in the --pipeline, or leave --levels and --steps out",
        )


def _codings(target: Target, coding: str) -> tuple[str, ...]:
    """The codings to search, those that fixed numbers mean first."""
    if coding == "auto":
        return target.codings
    check_programmable(coding, target)
    if coding not in target.codings:
        raise PinnirError(
            f"target {target.name} does not run the coding {coding!r}",
            hint=f"it runs auto, {', '.join(target.codings)}",
        )
    return (coding,)


def _of_numbers(
    job: Job, coding: str, steps: int | None, levels: int | None, neuron: str
) -> Candidate:
    """What steps and levels fix; of sign-gradient programs the steps alone do."""
    t = steps or 32
    if coding == "signgd" and job.features:
        if levels is not None:
            raise PinnirError(
                "--levels are those of the population program beside a sign-gradient program, and "
                "networks of images and patches have none",
                hint="leave --levels out",
            )
        return candidates.signgd_features(t)
    if coding == "signgd":
        return candidates.signgd(t, levels or candidates.FOLLOWING_LEVELS)
    assert levels is not None
    if coding in _BY_LEVELS:
        return _BY_LEVELS[coding](levels)
    units = max(1, round((levels - 1) / t))
    if neuron != IF:
        return candidates.membranes(neuron, t, units)
    return candidates.rate(t, units)


def _own_pipeline(text: str) -> Candidate:
    options = {one.name: vars(one) for one in parse_pipeline(text)}
    if "lower" not in options:
        raise PinnirError(
            "the pipeline makes no spiking program: it has no pass 'lower'",
            hint="a complete pipeline is " + pipelines.population(256),
        )
    lower = options["lower"]
    levels = options.get("quantise-activations", {}).get("levels", 0)
    return Candidate("given", lower["coding"], lower["steps"], levels, text)
