"""The smallest sufficient program of a family whose programs equal staircase networks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pinnir.program.frontier import EVALUATION, SELECTION, Candidate, Errors, Point, Record
from pinnir.search.measure import Measure

# Shares of the accepted program's levels that are measured as well: without them the frontier
# would hold nothing but programs near the tolerance.
_SURVEYED = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
# Unless they take as long to make as a program that is asked for.
_MOST_SURVEYED = 4096
# What is proposed must be below this share of the tolerance on the selection points: of programs
# chosen for being just below it, half would fail on others.
_MARGIN = 0.98
# How often the error law says where to look next, and how many times more levels at most.
_PREDICTED, _FARTHEST = 5, 64.0
# How far above the tolerance errors are that jumps from size to size do not make up for.
_NEARLY = 1.2
# How much farther a search goes that is to end with the next size it looks at.
_FARTHER = 1.1
# Of the candidates that were looked at, costs are measured of those that have at most this share
# of the next larger one's levels: others tell nothing that it does not.
_SPREAD = 0.8


@dataclass
class StaircaseSearch:
    """Searches the size on the staircase networks, which the programs equal.

    Attributes:
        candidates: In order of their size.
        criterion: The cost that is to be small.
        wanted: The tolerance.
        measure: Measures candidates.
        record: Gets every candidate that the search looked at.
        guess: Levels that the search starts with.
        hasty: Whether a sufficient program near the first guess will do, however much smaller ones
            there are; and none is measured for the frontier's sake.
    """

    candidates: Sequence[Candidate]
    criterion: str
    wanted: float
    measure: Measure
    record: Record
    guess: float
    hasty: bool = False
    _first: int = 0  # smaller ones have failed
    _start: int | None = None
    _errors: dict[int, Errors] = field(default_factory=dict)
    _evaluated: dict[int, Errors | None] = field(default_factory=dict)
    _found: dict[int, Point] = field(default_factory=dict)

    def propose(self, best: Point | None) -> Point | None:
        """The smallest sufficient program, if there is one, until :meth:`failed` is told of it.

        It is not looked for if it is dearer than the best program of another family: costs grow
        with levels, so it is if the program of as many levels costs more and is not sufficient.
        Otherwise it is found by the error law, whatever it costs; what it looked at gets its place
        on the frontier.
        A proposal must be sufficient on the selection points. Where its staircase network fails
        on the evaluation points, so would the program, and the next larger one is proposed.
        """
        if best is not None and self._is_dearer(best):
            return None
        while self._first < len(self.candidates):
            index = self._smallest()
            if not self._enough(self._error(index)):
                self._tell(index)
                return None
            error = self._evaluated_error(index)
            if error > self.wanted:
                self._go_on(index, error)
                continue
            self._tell(index)
            return self._found[index]
        self._tell(len(self.candidates) - 1)
        return None

    def _is_dearer(self, best: Point) -> bool:
        """Whether it shows at the best one's number of levels that all sufficient ones are.

        Errors jump, so what is nearly sufficient there may be it with fewer levels.
        """
        levels = best.candidate.levels
        index = self._index(levels)
        if self._start is not None or index == len(self.candidates) or not levels:
            return False
        if self._error(index).bound <= _NEARLY * self.wanted:
            return False
        return self._point(index).rank(self.criterion) >= best.rank(self.criterion)

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
        left = self.candidates[self._first :]
        start = self._index(self.guess) if self._start is None else self._start
        start = min(max(start - self._first, 0), len(left) - 1)

        def error(index: int) -> float:
            return self._error(self._first + index).bound

        sizes = [one.levels for one in left]
        look = sufficient if self.hasty else smallest
        self._start = self._first + look(sizes, start, error, _MARGIN * self.wanted)
        return self._start

    def _evaluated_error(self, index: int) -> float:
        """The bound on the evaluation points; 0 where only the program could tell."""
        if index not in self._evaluated:
            self._evaluated[index] = self.measure.on_evaluation(self.candidates[index])
        errors = self._evaluated[index]
        return 0.0 if errors is None else errors.bound

    def survey(self, accepted: Candidate) -> None:
        """Measure programs of a fraction of the accepted one's levels, for the frontier."""
        if not self.hasty:
            for share in _SURVEYED:
                if share * accepted.levels <= _MOST_SURVEYED:
                    self._point(self._index(share * accepted.levels))

    def _tell(self, index: int) -> None:
        """Measure the costs of a candidate, and of smaller ones that were looked at.

        Larger ones are left out: they take longest to build, and the target may refuse them.
        """
        most = math.inf
        for probed in sorted(self._errors, reverse=True):
            levels = self.candidates[probed].levels
            if probed == index or (probed < index and levels <= most):
                self._point(probed)
                most = _SPREAD * levels

    def _point(self, index: int) -> Point:
        if index not in self._found:
            self._error(index)
            self._found[index] = self._measured(index)
        return self._found[index]

    def needed_levels(self) -> int:
        """Levels of the smallest sufficient staircase network; more than all if there is none."""
        known = (i for i, found in self._errors.items() if self._enough(found))
        index = min(known, default=len(self.candidates))
        last = self.candidates[-1].levels
        return self.candidates[index].levels if index < len(self.candidates) else 2 * last

    def _index(self, levels: float) -> int:
        """The first candidate of at least so many levels."""
        return bisect_left(self.candidates, levels, key=lambda candidate: candidate.levels)

    def _error(self, index: int) -> Errors:
        if index not in self._errors:
            self._errors[index] = self.measure.staircase(self.candidates[index])
        return self._errors[index]

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


def smallest(sizes: Sequence[int], start: int, error: Callable[[int], float], wanted: float) -> int:
    """Index of the smallest size whose error is not above ``wanted``, the last if none is.

    Errors are about c / size, so every error says where to look next. They jump by a tenth from
    one size to the next, so what is found is sufficient, the size before it is not, and after a few
    predictions what is left is halved.

    Args:
        sizes: Ascending.
        start: Where to begin.
        error: Of the program of a size; asked at most once for each index.
        wanted: The largest error that will do.
    """
    low, high = 0, len(sizes) - 1  # below low none is sufficient, high is or is the last
    probe, asked, stride, known = start, 0, 1, False
    while low < high:
        found = error(probe)
        asked += 1
        if found <= wanted:
            high, known = probe, True
        else:
            low = probe + 1
        if asked <= _PREDICTED:
            probe = bisect_left(sizes, sizes[probe] * min(found / wanted, _FARTHEST))
        elif known:
            probe = (low + high) // 2
        else:
            probe, stride = low + stride, 2 * stride
        probe = min(max(probe, low), max(low, high - 1))
    return min(low, high)


def sufficient(
    sizes: Sequence[int], start: int, error: Callable[[int], float], wanted: float
) -> int:
    """Index of a size from ``start`` on whose error is not above ``wanted``, the last if none is.

    Arguments are those of :func:`smallest`; the error law says how far to go.
    """
    last = len(sizes) - 1
    while start < last and (found := error(start)) > wanted:
        farther = sizes[start] * min(_FARTHER * found / wanted, _FARTHEST)
        start = min(max(start + 1, bisect_left(sizes, farther)), last)
    return start
