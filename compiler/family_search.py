"""The cheapest sufficient program of one family.

Both searches may be asked again: after a program failed on the evaluation points, or because the
cheapest program of another family did, so that dearer ones are of interest now.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pinnir.candidates import Candidate
from pinnir.frontier import Point, Record
from pinnir.job import Errors
from pinnir.measure import Measure
from pinnir.proof import upper_bound

Rank = tuple[float, float]
# Costs of a family are proportional to its candidates' weights up to a few per cent; what is
# less than that below the best found is still measured.
_SLACK = 0.9
# A rate program approaches the staircase network of as many levels from above, but its levels may
# lie better. With less than this share of the levels that an even staircase needs, it is not tried.
_FEWER_LEVELS = 0.25
# Shares of a proposal's levels that are measured as well: without them the frontier would hold
# nothing of a family but programs near the tolerance.
_SURVEYED = (1 / 16, 1 / 4)
# What is proposed must be below this share of the tolerance on the selection points: of programs
# chosen for being just below it, half would fail on others.
_MARGIN = 0.98


class FamilySearch(Protocol):
    """Proposes programs of one family."""

    def propose(self, bound: Rank) -> Point | None:
        """The cheapest sufficient program, or None if none is known to be cheaper than ``bound``.

        The same one again until :meth:`failed` is told of it.
        """
        ...

    def failed(self, one: Point, error: float) -> None:
        """Tell that a proposed program had this error (its bound) on the evaluation points."""
        ...


@dataclass
class StaircaseSearch:
    """Searches the size on the staircase networks, which the programs equal.

    Attributes:
        candidates: In order of their size.
        staircase: Pipeline of a candidate's staircase network.
        wanted: The tolerance.
        measure: Measures candidates.
        record: Gets every candidate that the search looked at.
    """

    candidates: Sequence[Candidate]
    staircase: Callable[[Candidate], str]
    wanted: float
    measure: Measure
    record: Record
    _first: int = 0  # smaller ones have failed
    _start: int | None = None
    _errors: dict[int, Errors] = field(default_factory=dict)
    _found: dict[int, Point] = field(default_factory=dict)

    def propose(self, bound: Rank) -> Point | None:
        """By bisection, whatever the bound; what it looked at gets its place on the frontier."""
        count = len(self.candidates) - self._first
        if count <= 0:
            return None
        start = self._guess() if self._start is None else self._start
        start = min(max(start - self._first, 0), count - 1)
        indices = range(self._first, len(self.candidates))
        index = indices[smallest(indices, start, self._sufficient)]
        sufficient = self._sufficient(index)
        self._start = index
        for share in _SURVEYED:
            self._sufficient(self._index(share * self.candidates[index].levels))
        # Larger ones are left out: they take longest to build, and the target may refuse them.
        for probed in sorted(self._errors.keys() - self._found.keys(), reverse=True):
            if probed <= index:
                self._found[probed] = self._measured(probed)
        return self._found[index] if sufficient else None

    def failed(self, one: Point, error: float) -> None:
        """From now on there must be more levels, by as much as the error was too large."""
        larger = one.candidate.levels * max(1.02, error / self.wanted)
        after = self.candidates.index(one.candidate) + 1
        self._first = max(after, self._index(larger))
        if self._first >= len(self.candidates) > after:
            self._first = len(self.candidates) - 1
        self._start = self._first

    def needed_levels(self) -> int:
        """Levels of the smallest sufficient staircase network; more than all if there is none."""
        known = (i for i, found in self._errors.items() if self._enough(found))
        index = min(known, default=len(self.candidates))
        last = self.candidates[-1].levels
        return self.candidates[index].levels if index < len(self.candidates) else 2 * last

    def _guess(self) -> int:
        """Where the error law points: relative L2 errors are about 2.5 / levels."""
        return self._index(2.5 / self.wanted)

    def _index(self, levels: float) -> int:
        """The first candidate of at least so many levels."""
        return bisect_left(self.candidates, levels, key=lambda candidate: candidate.levels)

    def _sufficient(self, index: int) -> bool:
        if index not in self._errors:
            candidate = self.candidates[index]
            found = self.measure.staircase(candidate, self.staircase(candidate))
            self._errors[index] = found
        return self._enough(self._errors[index])

    def _enough(self, errors: Errors) -> bool:
        return upper_bound(errors.sets) <= _MARGIN * self.wanted

    def _measured(self, index: int) -> Point:
        """Costs of the program, error of the staircase network that it equals."""
        errors = self._errors[index]
        found = self.measure.few(self.candidates[index])
        upper = upper_bound(errors.sets)
        exact = replace(found, points=errors.points, rel_l2=errors.pooled, rel_l2_upper=upper)
        return self.record.add(exact)


def smallest(counts: Sequence[int], start: int, sufficient: Callable[[int], bool]) -> int:
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


@dataclass
class SimulatedSearch:
    """Searches by simulation, cheapest first, until the next one cannot be the cheapest.

    Attributes:
        candidates: Cheapest first.
        criterion: The cost that is to be small.
        wanted: The tolerance.
        measure: Measures candidates.
        record: Gets every candidate that was simulated.
        least_levels: Candidates of fewer levels than that cannot be accurate enough.
    """

    candidates: Sequence[Candidate]
    criterion: str
    wanted: float
    measure: Measure
    record: Record
    least_levels: float = 0
    _scale: float = 1.0  # how much larger errors are on the evaluation points
    _few: dict[str, Point] = field(default_factory=dict)
    _more: dict[str, Point] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def propose(self, bound: Rank) -> Point | None:
        """By walking up the costs; what was simulated before is not simulated again."""
        best: Point | None = None
        for candidate in self.candidates:
            if self._at_least(candidate) >= bound[0]:
                break
            if self._is_hopeless(candidate) or self._is_longer(candidate, best):
                continue
            found = self._sufficient(candidate, bound)
            if found is not None:
                best, bound = found, found.rank(self.criterion)
        return best

    def failed(self, one: Point, error: float) -> None:
        """From now on errors must be smaller by as much as this one was too large."""
        self._failed.add(one.candidate.pipeline)
        self._scale = max(self._scale, error / one.rel_l2)

    def _at_least(self, candidate: Candidate) -> float:
        """A cost that the candidate, and so all after it, surely has."""
        known = (p.costs[self.criterion] / self._weight(p.candidate) for p in self._few.values())
        return _SLACK * min(known, default=0.0) * self._weight(candidate)

    def _weight(self, candidate: Candidate) -> int:
        return candidate.weight(self.criterion)

    def _is_hopeless(self, candidate: Candidate) -> bool:
        """Whether it has too few levels; one is simulated anyway, to know what the family costs."""
        return bool(self._few) and candidate.levels < self.least_levels

    def _is_longer(self, candidate: Candidate, best: Point | None) -> bool:
        """Whether it costs the same as the best found, but has more slots to spike in."""
        return (
            best is not None
            and self._weight(candidate) == self._weight(best.candidate)
            and candidate.weight("spikes") > best.candidate.weight("spikes")
        )

    def _sufficient(self, candidate: Candidate, bound: Rank) -> Point | None:
        """The candidate's point if it suffices and costs less than the bound.

        It is simulated on few points, and on more if these say that it is the cheapest: few points
        may all miss where the error is.
        """
        key, most = candidate.pipeline, _MARGIN * self.wanted
        if key not in self._few:
            self._few[key] = self.record.add(self.measure.few(candidate))
        few = self._few[key]
        if key in self._failed or few.rel_l2 > most or few.rank(self.criterion) >= bound:
            return None
        if key not in self._more:
            self._more[key] = self.record.add(self.measure.more(candidate))
        more = self._more[key]
        enough = more.rel_l2 * self._scale <= most and more.rank(self.criterion) < bound
        return more if enough else None


def least_levels(searches: Sequence[FamilySearch]) -> float:
    """Levels below which no simulated family need be tried, by what the staircases needed."""
    needed = [one.needed_levels() for one in searches if isinstance(one, StaircaseSearch)]
    return _FEWER_LEVELS * min(needed, default=0)
