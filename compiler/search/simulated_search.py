"""The cheapest sufficient program of a family whose errors only a simulation tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pinnir.program.frontier import Candidate, Point, Rank, Record
from pinnir.search.measure import Measure
from pinnir.search.work import at_a_glance

# Costs of a family are proportional to its candidates' weights up to a few per cent; what is
# less than that below the best found is still measured.
_SLACK = 0.9
# What is proposed must be below this share of the tolerance on the selection points.
_MARGIN = 0.98
# Twice the slots that a neuron could fire in halve an error, and may do a little better. What by
# this law stays above the tolerance is not made.
_LUCK = 0.6
# Errors of programs that were fitted on few points are at most twice those of the whole fits.
_GLANCE = 0.5
_NO_BOUND: Rank = (math.inf, math.inf)


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
        budget: What may be spent on candidates, as of ``search/work.py``.
        effort: That has this budget.
    """

    candidates: Sequence[Candidate]
    criterion: str
    wanted: float
    measure: Measure
    record: Record
    least_levels: float = 0
    budget: float = math.inf
    effort: int = 0
    _spent: float = 0.0
    _scale: float = 1.0  # how much larger errors are on the evaluation points
    _few: dict[Candidate, Point] = field(default_factory=dict)
    _more: dict[Candidate, Point] = field(default_factory=dict)
    _glances: dict[Candidate, Point] = field(default_factory=dict)
    _failed: set[Candidate] = field(default_factory=set)

    def propose(self, best: Point | None) -> Point | None:
        """The cheapest sufficient program, or None if none is known to be cheaper than the best.

        By walking up the costs; what was simulated before is not simulated again.
        """
        bound = _NO_BOUND if best is None else best.rank(self.criterion)
        cheapest: Point | None = None
        for candidate in self.candidates:
            if self._at_least(candidate) >= bound[0]:
                break
            if self._is_hopeless(candidate) or self._is_longer(candidate, cheapest):
                continue
            todo = self._to_make(candidate)
            if todo != candidate and not self._can_pay(candidate, todo):
                break
            if self._looks_bad(candidate):
                continue
            if not self._can_pay(candidate, self._to_make(candidate)):
                break
            found = self._sufficient(candidate, bound)
            if found is not None:
                cheapest, bound = found, found.rank(self.criterion)
        return cheapest

    def failed(self, one: Point, error: float) -> None:
        """Tell that a proposal had this error (its bound) on the evaluation points.

        From now on errors must be smaller by as much as this one was too large.
        """
        self._failed.add(one.candidate)
        self._scale = max(self._scale, error / one.errors.measured)

    def _at_least(self, candidate: Candidate) -> float:
        """A cost that the candidate, and so all after it, surely has."""
        known = (p.costs[self.criterion] / self._weight(p.candidate) for p in self._few.values())
        return _SLACK * min(known, default=0.0) * self._weight(candidate)

    def _weight(self, candidate: Candidate) -> int:
        return candidate.weight(self.criterion)

    def _is_hopeless(self, candidate: Candidate) -> bool:
        """Whether it is too coarse; one is simulated anyway, to know what the family costs."""
        if self._few and 0 < candidate.levels < self.least_levels:
            return True
        known = (*self._few.values(), *self._glances.values())
        return any(self._stays_above(candidate, one) for one in known)

    def _stays_above(self, candidate: Candidate, known: Point) -> bool:
        """Whether a smaller program's error says that this one's is above the tolerance.

        It says so of programs of no fewer steps and no fewer units.
        """
        smaller, units = known.candidate, candidate.units or 1
        if not smaller.levels or smaller.steps > candidate.steps or (smaller.units or 1) > units:
            return False
        share = smaller.weight("spikes") / candidate.weight("spikes")
        return _LUCK * share * known.errors.measured > self.wanted

    def _is_longer(self, candidate: Candidate, best: Point | None) -> bool:
        """Whether it costs the same as the best found, but has more slots to spike in."""
        return (
            best is not None
            and self._weight(candidate) == self._weight(best.candidate)
            and candidate.weight("spikes") > best.candidate.weight("spikes")
        )

    def _to_make(self, candidate: Candidate) -> Candidate | None:
        """What is to be made of a candidate next: itself, or what shows at a glance whether to.

        None if it was made, and of the first candidate, which tells what the family costs.
        """
        if not self._few or candidate in self._few:
            return None
        quick = at_a_glance(candidate)
        return candidate if quick == candidate or candidate in self._glances else quick

    def _can_pay(self, candidate: Candidate, todo: Candidate | None) -> bool:
        """Whether it may be made; if not, the dearer ones that follow may neither."""
        if todo is None or self._spent + self.measure.work(todo) <= self.budget:
            return True
        left = len(self.candidates) - self.candidates.index(candidate)
        self.record.left_out[candidate.family] = (
            f"{left} dearer programs, from {candidate.steps} steps and {candidate.units or 1} "
            f"units per neuron on, were not made: effort {self.effort} ends here"
        )
        return False

    def _looks_bad(self, candidate: Candidate) -> bool:
        """Whether a candidate that is slow to make shows at a glance that it is too coarse."""
        quick = self._to_make(candidate)
        if quick is not None and quick != candidate:
            self._spent += self.measure.work(quick)
            found = self.measure.few(quick)
            errors = replace(found.errors, told=_better(found.errors.told))
            self._glances[candidate] = replace(found, candidate=candidate, errors=errors)
        glance = self._glances.get(candidate)
        return glance is not None and glance.errors.measured > self.wanted

    def _sufficient(self, candidate: Candidate, bound: Rank) -> Point | None:
        """The candidate's point if it suffices and costs less than the bound.

        It is simulated on few points, and on more if these say that it is the cheapest: few points
        may all miss where the error is.
        """
        most = _MARGIN * self.wanted
        if candidate not in self._few:
            self._spent += self.measure.work(candidate)
            self._few[candidate] = self.record.add(self.measure.few(candidate))
        few = self._few[candidate]
        if (
            candidate in self._failed
            or few.errors.measured > most
            or few.rank(self.criterion) >= bound
        ):
            return None
        if candidate not in self._more:
            self._more[candidate] = self.record.add(self.measure.more(candidate))
        more = self._more[candidate]
        enough = more.errors.measured * self._scale <= most and more.rank(self.criterion) < bound
        return more if enough else None


def _better(told: Mapping[str, Any]) -> dict[str, Any]:
    """What errors could be, if fits on few points say what they are."""
    return {n: _GLANCE * one if isinstance(one, float) else one for n, one in told.items()}
