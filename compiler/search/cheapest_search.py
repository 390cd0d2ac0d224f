"""Which program to try next: the cheapest that should meet a tolerance, over all families.

A search looks at the selection points only. The driver builds what the search proposes, measures
it on the evaluation points, and if it fails there tells the search by how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from pinnir.base.errors import LegalizeError, PinnirError
from pinnir.codings.signgd import SignGradientCoding
from pinnir.passes.pipelines import anticipating, signgd
from pinnir.program.frontier import Candidate, Point, Record
from pinnir.search.candidates import (
    FAMILIES,
    MAX_LEVELS,
    Family,
    cheapest_first,
    find_family,
    membrane_family,
    of_levels,
    of_slots,
    of_steps,
    slow_families,
    trained_families,
)
from pinnir.search.faults import FamilyError, faults_of, first_line
from pinnir.search.job import Job
from pinnir.search.measure import Measure
from pinnir.search.options import DEFAULT_EFFORT, IF, MOST_EFFORT, CompileOptions
from pinnir.search.simulated_search import SimulatedSearch
from pinnir.search.sizes import candidate_size, check_size, fitting, staircase_size
from pinnir.search.staircase_search import StaircaseSearch
from pinnir.search.work import BUDGETS

# A rate program approaches the staircase network of as many levels from above, but its levels may
# lie better. With less than this share of the levels that an even staircase needs, it is not tried.
_FEWER_LEVELS = 0.25
# The error law: relative L2 errors of even levels are about this by their number.
_LAW = 2.5
# Iterations of a training on all points, each of which takes as long as dozens on batches.
_ON_ALL_POINTS = 1_500


# The search of one family. It may be asked again: after a program failed on the evaluation points,
# or because the cheapest program of another family did, so that dearer ones are of interest now.
FamilySearch: TypeAlias = StaircaseSearch | SimulatedSearch


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

    def survey(self, accepted: Candidate) -> None:
        """There is nothing else."""

    def leave_out(self, candidate: Candidate, error: LegalizeError | FamilyError) -> None:
        """There is nothing else, so the error is everybody's."""
        raise error

    def making(self, candidate: Candidate) -> AbstractContextManager[None]:
        """Errors stay what they are."""
        return nullcontext()


@dataclass
class CheapestSearch:
    """The cheapest of several families' programs.

    Attributes:
        families: Starts the search of each family, given the least levels that may do; those
            that know their errors without a simulation first.
        criterion: The cost that is to be small.
        record: Everything that was measured.
        hasty: Whether the first family that has a sufficient program is the only one.
    """

    families: Mapping[str, Callable[[float], FamilySearch]]
    criterion: str
    record: Record
    hasty: bool = False
    _started: dict[str, FamilySearch] = field(default_factory=dict)
    _refused: dict[str, LegalizeError | FamilyError] = field(default_factory=dict)
    _proposals: dict[str, Point] = field(default_factory=dict)
    _asked: bool = False
    _built: bool = False

    def next(self) -> Candidate | None:
        """The cheapest proposal of all families; at first the most accurate if none suffices.

        Raises:
            LegalizeError: If the network or the target refuses every family; that of the first.
            FamilyError: If no family is left and there was a fault in one; that of the first.
        """
        best: Point | None = None
        for name in self.families:
            found = self._propose(name, best)
            if found is not None:
                rank = found.rank(self.criterion)
                best = found if best is None or rank < best.rank(self.criterion) else best
                if self.hasty:
                    break
        if best is None and not self._asked:
            best = self._most_accurate()
        self._asked = True
        return None if best is None else best.candidate

    def failed(self, one: Point) -> None:
        """Tell the family that proposed it, if one did."""
        self._built = True
        found = self._proposals.pop(one.candidate.family, None)
        if found is not None:
            self._started[one.candidate.family].failed(found, one.error)

    def survey(self, accepted: Candidate) -> None:
        """Complete the frontier by smaller programs of the accepted one's family."""
        name = accepted.family
        found = self._started.get(name)
        if isinstance(found, StaircaseSearch):
            try:
                with faults_of(name):
                    found.survey(accepted)
            except (LegalizeError, FamilyError) as error:
                self._refuse(name, error)

    def leave_out(self, candidate: Candidate, error: LegalizeError | FamilyError) -> None:
        """Go on without the family of a program that could not be made."""
        self._asked = self._built
        self._proposals.pop(candidate.family, None)
        self._refuse(candidate.family, error)

    def making(self, candidate: Candidate) -> AbstractContextManager[None]:
        """What goes wrong while a proposal is made is its family's fault."""
        return faults_of(candidate.family, candidate.pipeline)

    def _refuse(self, name: str, error: LegalizeError | FamilyError) -> None:
        self._refused[name] = error
        self.record.left_out[name] = (
            error.why if isinstance(error, FamilyError) else first_line(error)
        )
        if isinstance(error, FamilyError):
            self.record.faults.append(name)

    def _propose(self, name: str, best: Point | None) -> Point | None:
        """A family's proposal; a family that the network or the target refuses has none."""
        if name in self._refused:
            return None
        try:
            with faults_of(name):
                if name not in self._started:
                    known = [one for of, one in self._started.items() if of not in self._refused]
                    self._started[name] = self.families[name](_least_levels(known))
                found = self._started[name].propose(best)
        except (LegalizeError, FamilyError) as error:
            self._refuse(name, error)
            return None
        if found is not None:
            self._proposals[name] = found
        return found

    def _most_accurate(self) -> Point:
        points = self.record.points.values()
        left = [point for point in points if point.candidate.family not in self._refused]
        if not left:
            faults = [one for one in self._refused.values() if isinstance(one, FamilyError)]
            raise faults[0] if faults else next(iter(self._refused.values()))
        return min(left, key=lambda point: point.error)


def _least_levels(searches: Sequence[FamilySearch]) -> float:
    """Levels below which no simulated family need be tried, by what the staircases needed."""
    needed = [one.needed_levels() for one in searches if isinstance(one, StaircaseSearch)]
    return _FEWER_LEVELS * min(needed, default=0)


def make_search(job: Job, asked: CompileOptions, wanted: float | None) -> Fixed | CheapestSearch:
    """The search for what was asked.

    Args:
        job: The model and its points.
        asked: The options.
        wanted: The tolerance, None if the program is only measured.

    Raises:
        PinnirError: If the options do not fit the target or the network.
        SizeError: If every program would be too large for this machine.
    """
    if asked.given is not None:
        return _fixed(job, asked.given)
    codings = asked.codings(job.target)
    if asked.levels is not None or wanted is None:
        return _fixed(job, _of_numbers(job, codings[0], asked))
    families = [
        family
        for family in _searched(job, asked, wanted)
        if family.coding in codings and family.features == job.features
    ]
    if asked.neuron != IF:
        families = [membrane_family(asked.neuron)]
    within = [family.within(job.target) for family in families]
    too_large: dict[str, str] = {}
    if not job.features:
        within = fitting(within, job.cost, too_large)
    if any(family.exact for family in within):
        size = staircase_size(job.cost, min(MAX_LEVELS, round(_LAW / wanted) + 1))
        job.progress(f"{size.levels} levels may do: about {size} for each program that is made")
    measure = Measure(job)
    found = over_families(within, asked.steps, wanted, asked.minimise, measure, asked.effort)
    found.record.left_out.update(too_large)
    return found


def _searched(job: Job, asked: CompileOptions, wanted: float) -> tuple[Family, ...]:
    """Families of every coding, those first that take the fewest levels."""
    iterations = asked.iterations(job.cost.core_macs)
    if not iterations:
        return FAMILIES
    trained = trained_families(anticipating(_trained_for(_LAW / wanted), iterations))
    on_all = min(iterations, _ON_ALL_POINTS)
    slow = slow_families(on_all) if asked.effort == MOST_EFFORT else ()
    return (*trained, *FAMILIES, *slow)


def _trained_for(levels: float) -> int:
    """About as many levels as a trained network needs where an even staircase needs these."""
    return int(np.clip(2 ** round(math.log2(levels) - 1), 16, MAX_LEVELS))


def _fixed(job: Job, candidate: Candidate) -> Fixed:
    """A program that is given, if this machine can make it.

    Raises:
        SizeError: If it clearly cannot.
    """
    if not job.features:
        size = candidate_size(job.cost, candidate, staircase=candidate.steps == 1)
        job.progress(f"{candidate}: about {size}")
        check_size(job.cost, size)
    return Fixed(candidate)


def over_families(
    families: Sequence[Family],
    steps: int | None,
    wanted: float,
    criterion: str,
    measure: Measure,
    effort: int = DEFAULT_EFFORT,
) -> CheapestSearch:
    """The search over these families; those that know their errors without a simulation go first.

    Args:
        families: What may be proposed.
        steps: Of programs whose length may be chosen, if it was.
        wanted: The tolerance.
        criterion: The cost that is to be small.
        measure: Of candidates.
        effort: How much the search may take; of 0 the first sufficient program will do.
    """
    record, hasty = Record(measure.norm), effort == 0
    ordered = sorted(families, key=lambda family: not family.exact)

    def start(family: Family, least: float) -> FamilySearch:
        members = family.members(steps)
        if family.exact:
            guess = _LAW / wanted
            return StaircaseSearch(members, criterion, wanted, measure, record, guess, hasty=hasty)
        members = tuple(cheapest_first(members, criterion))
        return SimulatedSearch(
            members, criterion, wanted, measure, record, least, BUDGETS[effort], effort
        )

    started = {family.name: partial(start, family) for family in ordered}
    return CheapestSearch(started, criterion, record, hasty=hasty)


def _of_numbers(job: Job, coding: str, asked: CompileOptions) -> Candidate:
    """What steps and levels fix; of sign-gradient programs the steps alone do."""
    levels, t = asked.levels, asked.steps or 32
    if coding == "signgd":
        return _following(job, t, levels)
    assert levels is not None
    size, family = of_levels(levels), find_family(coding)
    if coding == "rate":
        size = of_slots(t, max(1, round((levels - 1) / t)))
        family = family if asked.neuron == IF else membrane_family(asked.neuron)
    return family.within(job.target).candidate(size)


def _following(job: Job, steps: int, levels: int | None) -> Candidate:
    """A sign-gradient program; levels are those of the population program beside it."""
    if not job.features:
        coding = SignGradientCoding() if levels is None else SignGradientCoding(levels=levels)
        family = replace(find_family("signgd"), passes=lambda steps: signgd(steps, coding))
        return family.within(job.target).candidate(of_steps(steps))
    if levels is not None:
        raise PinnirError(
            "--levels are those of the population program beside a sign-gradient program, and "
            "networks of images and patches have none",
            hint="leave --levels out",
        )
    return find_family("signgd-features").within(job.target).candidate(of_steps(steps))
