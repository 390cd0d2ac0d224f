"""What a search may look at: errors and costs of candidates on the selection points."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pinnir.ir.graph import Graph, Staircase
from pinnir.passes.pipelines import staircase_of
from pinnir.passes.tidying.gather_synapses import GatherSynapses
from pinnir.pipeline.manager import Passes
from pinnir.points.held_out import SETS
from pinnir.program.frontier import SELECTION, Candidate, Errors, Point, point
from pinnir.program.line_costs import stream_costs
from pinnir.search.build import assemble
from pinnir.search.faults import faults_of
from pinnir.search.job import FEW_POINTS, Job

# That a delta program's costs are measured on.
_LINES = 16
# Boundaries of the staircase networks that are kept, in all: 9 bytes each.
_MOST_KEPT = 2**22


@dataclass(frozen=True)
class Measure:
    """Measures candidates of a compilation; several families may share a staircase network.

    Attributes:
        job: The compilation.
    """

    job: Job
    _graphs: dict[Passes, tuple[Graph, ...]] = field(default_factory=dict)
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
            if passes not in self._graphs:
                self._keep(passes, self.job.graphs(passes, begun=self._tidied(passes)))
            self._known[key] = self.job.errors(self._graphs[passes][-1], evaluation=evaluation)
        return self._known[key]

    def _tidied(self, passes: Passes) -> tuple[Graph, ...]:
        """The graphs of what pipelines begin with, which many share."""
        known = self._begun(passes)
        ends = [i for i, one in enumerate(passes, 1) if isinstance(one, GatherSynapses)]
        if known or not ends:
            return known
        tidy = passes[: ends[0]]
        self._graphs[tidy] = self.job.graphs(tidy)
        return self._graphs[tidy]

    def _keep(self, passes: Passes, graphs: tuple[Graph, ...]) -> None:
        """Keep the graphs of a staircase network: its program is made of them, if at all."""
        self._graphs[passes] = graphs
        while sum(map(_levels, self._graphs.values())) > _MOST_KEPT and len(self._graphs) > 1:
            self._graphs.pop(next(iter(self._graphs)))

    def few(self, candidate: Candidate) -> Point:
        """Error and costs of a candidate's program on a few selection points.

        On so few the oracle is done before the fast backend has made its tables.
        """
        return self._run(candidate, FEW_POINTS, "reference")

    def more(self, candidate: Candidate) -> Point:
        """The same on the first set of selection points, which is several times as many."""
        return self._run(candidate, len(self.job.selection) // SETS, "fast")

    def _run(self, candidate: Candidate, count: int, backend: str) -> Point:
        points = self.job.combined(self.job.selection[:count])
        with _faults_with(candidate):
            program = assemble(self.job, candidate, begun=self._begun(candidate.passes))
            result = program.run(points, backend)
            costs = stream_costs(program, _LINES, self.job.seed)
        found = point(candidate, result.metrics | costs, SELECTION, self.job.norm)
        self.job.progress(f"{candidate}: {found.errors.measured:.3e}")
        return found

    def _begun(self, passes: Passes) -> tuple[Graph, ...]:
        """The graphs of the longest known pipeline that this one begins with."""
        known = [one for one in self._graphs if passes[: len(one)] == one]
        return self._graphs[max(known, key=len)] if known else ()


def _faults_with(candidate: Candidate) -> AbstractContextManager[None]:
    return faults_of(candidate.family, candidate.pipeline)


def _levels(graphs: tuple[Graph, ...]) -> int:
    """Boundaries of a staircase network, which most of its memory is for."""
    ops = (node.op for node in graphs[-1].nodes)
    return sum(op.boundaries.size for op in ops if isinstance(op, Staircase))
