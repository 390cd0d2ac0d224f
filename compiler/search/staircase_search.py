"""The smallest sufficient program of a family whose programs equal staircase networks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pinnir.program.frontier import EVALUATION, SELECTION, Candidate, Errors, Point, Rank, Record
from pinnir.search.measure import Measure

# Shares of a proposal's levels that are measured as well: without them the frontier would hold
# nothing of a family but programs near the tolerance.
_SURVEYED = (1 / 16, 1 / 4)
# What is proposed must be below this share of the tolerance on the selection points: of programs
# chosen for being just below it, half would fail on others.
_MARGIN = 0.98


@dataclass
class StaircaseSearch:
    """Searches the size on the staircase networks, which the programs equal.

    Attributes:
        candidates: In order of their size.
        wanted: The tolerance.
        measure: Measures candidates.
        record: Gets every candidate that the search looked at.
        guess: Levels that the search starts with.
        surveyed: Whether some much smaller candidates are measured as well.
    """

    candidates: Sequence[Candidate]
    wanted: float
    measure: Measure
    record: Record
    guess: float
    surveyed: bool = True
    _first: int = 0  # smaller ones have failed
    _start: int | None = None
    _errors: dict[int, Errors] = field(default_factory=dict)
    _evaluated: dict[int, Errors | None] = field(default_factory=dict)
    _found: dict[int, Point] = field(default_factory=dict)

    def propose(self, bound: Rank) -> Point | None:
        """The smallest sufficient program, if there is one, until :meth:`failed` is told of it.

        By bisection, whatever the bound; what it looked at gets its place on the frontier.
        A proposal must be sufficient on the selection points. Where its staircase network fails
        on the evaluation points, so would the program, and the next larger one is proposed.
        """
        while self._first < len(self.candidates):
            index = self._smallest()
            if not self._sufficient(index):
                self._survey(index)
                return None
            error = self._evaluated_error(index)
            if error > self.wanted:
                self._go_on(index, error)
                continue
            self._survey(index)
            return self._found[index]
        self._survey(len(self.candidates) - 1)
        return None

    def failed(self, one: Point, error: float) -> None:
        """Tell that a proposal had this error (its bound) on the evaluation points.

        From now on there must be more levels, by as much as the error was too large.
        """
        self._go_on(self.candidates.index(one.candidate), error)

    def _go_on(self, failed: int, error: float) -> None:
        after, last = failed + 1, len(self.candidates) - 1
        larger = self._index(self.candidates[failed].levels * max(1.02, error / self.wanted))
        self._first = after if after > last else min(max(after, larger), last)
        self._start = self._first

    def _smallest(self) -> int:
        """The smallest sufficient candidate of those left, the largest if none is."""
        left = range(self._first, len(self.candidates))
        start = self._index(self.guess) if self._start is None else self._start
        start = min(max(start - self._first, 0), len(left) - 1)
        self._start = left[smallest(left, start, self._sufficient)]
        return self._start

    def _evaluated_error(self, index: int) -> float:
        """The bound on the evaluation points; 0 where only the program could tell."""
        if index not in self._evaluated:
            self._evaluated[index] = self.measure.on_evaluation(self.candidates[index])
        errors = self._evaluated[index]
        return 0.0 if errors is None else errors.bound

    def _survey(self, index: int) -> None:
        """Measure the costs of what was looked at, and of some much smaller ones.

        Larger ones are left out: they take longest to build, and the target may refuse them.
        """
        if self.surveyed and not self._found:
            for share in _SURVEYED:
                self._sufficient(self._index(share * self.candidates[index].levels))
        for probed in sorted(self._errors.keys() - self._found.keys(), reverse=True):
            if probed <= index:
                self._found[probed] = self._measured(probed)

    def needed_levels(self) -> int:
        """Levels of the smallest sufficient staircase network; more than all if there is none."""
        known = (i for i, found in self._errors.items() if self._enough(found))
        index = min(known, default=len(self.candidates))
        last = self.candidates[-1].levels
        return self.candidates[index].levels if index < len(self.candidates) else 2 * last

    def _index(self, levels: float) -> int:
        """The first candidate of at least so many levels."""
        return bisect_left(self.candidates, levels, key=lambda candidate: candidate.levels)

    def _sufficient(self, index: int) -> bool:
        if index not in self._errors:
            self._errors[index] = self.measure.staircase(self.candidates[index])
        return self._enough(self._errors[index])

    def _enough(self, errors: Errors) -> bool:
        return errors.bound <= _MARGIN * self.wanted

    def _measured(self, index: int) -> Point:
        """Costs of the program, error of the staircase network that it equals."""
        evaluated = self._evaluated.get(index)
        errors = self._errors[index] if evaluated is None else evaluated
        found = replace(
            self.measure.few(self.candidates[index]),
            measured_on=SELECTION if evaluated is None else EVALUATION,
            errors=errors,
        )
        return self.record.add(found)


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
