"""What a search may look at: errors and costs of candidates on the selection points."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pinnir.passes.pipelines import staircase_of
from pinnir.pipeline.manager import Passes
from pinnir.points.held_out import SETS
from pinnir.program.frontier import SELECTION, Candidate, Errors, Point, point
from pinnir.program.line_costs import stream_costs
from pinnir.search.build import assemble
from pinnir.search.faults import faults_of
from pinnir.search.job import FEW_POINTS, Job
from pinnir.search.work import of_making, per_point, points_for

# That a delta program's costs are measured on.
_LINES = 16


@dataclass(frozen=True)
class Measure:
    """Measures candidates of a compilation; several families may share a staircase network.

    Attributes:
        job: The compilation.
    """

    job: Job
    _known: dict[tuple[Passes, bool], Errors] = field(default_factory=dict)

    @property
    def norm(self) -> str:
        """What errors are compared with a tolerance, of NORMS."""
        return self.job.norm

    def staircase(self, candidate: Candidate) -> Errors:
        """Errors of the staircase network that a candidate equals, on all selection points."""
        with _faults_with(candidate):
            errors = self._errors(candidate, evaluation=False)
        self.job.progress(f"{candidate}: {errors.measured:.3e}")
        return errors

    def on_evaluation(self, candidate: Candidate) -> Errors | None:
        """The same on the evaluation points; None of networks of several sample axes.

        For these it takes as long as the program.
        """
        if self.job.domain.axis_count > 1:
            return None
        with _faults_with(candidate):
            errors = self._errors(candidate, evaluation=True)
        self.job.progress(f"{candidate}: {errors.measured:.3e} on the evaluation points")
        return errors

    def _errors(self, candidate: Candidate, *, evaluation: bool) -> Errors:
        passes = staircase_of(candidate.passes)
        key = passes, evaluation
        if key not in self._known:
            graph = self.job.graphs(passes)[-1]
            self._known[key] = self.job.errors(graph, evaluation=evaluation)
        return self._known[key]

    def few(self, candidate: Candidate) -> Point:
        """Error and costs of a candidate's program on a few selection points.

        On so few the oracle is done before the fast backend has made its tables.
        """
        return self._run(candidate, FEW_POINTS, "reference")

    def work(self, candidate: Candidate) -> float:
        """Of making a candidate and measuring it on few points, as of ``search/work.py``."""
        return of_making(self.job, candidate) + FEW_POINTS * per_point(self.job, candidate)

    def more(self, candidate: Candidate) -> Point:
        """The same on the first set of selection points, which is several times as many."""
        most = len(self.job.selection) // SETS
        return self._run(candidate, points_for(self.job, candidate, most), "fast")

    def _run(self, candidate: Candidate, count: int, backend: str) -> Point:
        points = self.job.combined(self.job.selection[:count])
        with _faults_with(candidate):
            program = assemble(self.job, candidate)
            result = program.run(points, backend)
            costs = stream_costs(program, _LINES, self.job.seed)
        found = point(candidate, result.metrics | costs, SELECTION, self.job.norm)
        self.job.progress(f"{candidate}: {found.errors.measured:.3e}")
        return found


def _faults_with(candidate: Candidate) -> AbstractContextManager[None]:
    return faults_of(candidate.family, candidate.pipeline)
