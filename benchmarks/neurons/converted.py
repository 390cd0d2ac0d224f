"""Conversion: rate programs of every neuron model, of one size and one number of steps.

Maps are fitted to the spikes that arrive, those of integrate-and-fire neurons as well, so that
models alone are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.common import ROOT
from pinnir.base.threads import one_thread
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph
from pinnir.metrics.field_errors import relative_l2
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import Integrated
from pinnir.passes import pipelines
from pinnir.passes.calibration.refit_spikes import RefitSpikes
from pinnir.pipeline.manager import Passes
from pinnir.search.compile import prepare
from pinnir.search.job import Job

PROBLEMS = {"function_regression": "x=-1:1", "poisson": "x=-1:1,y=-1:1", "burgers": "x=-1:1,t=0:1"}
STEPS, UNITS = 64, 4
_MANY = 4096
# Points that maps are fitted to spikes on, and points that are measured, by neuron, cheap ones
# first. On many points little ridge is needed. ``if-counted`` is fitted to counts under constant
# currents instead, which only integrate-and-fire neurons have a closed form of.
POINTS = {
    "if": (8192, 256),
    "if-counted": (0, 256),
    "lif": (8192, 256),
    "izhikevich": (512, 256),
    "izhikevich-fast": (512, 256),
    "fitzhugh-nagumo": (512, 256),
    "hodgkin-huxley": (256, 128),
}


@dataclass(frozen=True)
class Cell:
    """One program."""

    neuron: str
    problem: str

    @property
    def key(self) -> str:
        """In the results."""
        return f"converted/{self.problem}/{self.neuron}"

    @property
    def pipeline(self) -> Passes:
        """Passes."""
        if self.neuron == "if-counted":
            return pipelines.rate_refitted(STEPS, UNITS)
        points = POINTS[self.neuron][0]
        fitted = RefitSpikes(points=points)
        fitted = replace(fitted, ridge=1e-5) if points > _MANY else fitted
        if self.neuron == "if":
            return pipelines.rate(STEPS, UNITS, fitted)
        return pipelines.membranes(self.neuron, STEPS, UNITS, fitted)


def cells(neuron: str) -> Iterator[Cell]:
    """Programs of a neuron; none if it is not converted."""
    if neuron in POINTS:
        yield from (Cell(neuron, problem) for problem in PROBLEMS)


@cache
def _job(problem: str) -> Job:
    model = ROOT / "ir_examples" / problem / "model.onnx"
    return prepare(model, PROBLEMS[problem], target="programmable")


def measure(cell: Cell) -> dict[str, Any]:
    """Compile and run a program.

    Returns:
        ``rel_l2`` against the network on evaluation points, ``spikes`` and ``evaluations`` of the
        right-hand side, of all units, an inference, and ``seconds`` of everything.
    """
    started = perf_counter()
    job = _job(cell.problem)
    graph = job.lower(cell.pipeline)
    # The first of this order served to choose FitzHugh-Nagumo's step.
    points = np.random.default_rng(0).permutation(job.evaluation)[-POINTS[cell.neuron][1] :]
    counter = SpikeCounter()
    with one_thread():
        (outputs,) = evaluate(graph, graph.bind(points), counter)
    return {
        "rel_l2": relative_l2(outputs, job.source(points)),
        "spikes": float(sum(count.sum() for count in counter.spikes.values()) / len(points)),
        "evaluations": _evaluations(graph),
        "seconds": perf_counter() - started,
    }


def _evaluations(graph: Graph) -> int:
    membranes = (n.op for n in graph.executed.nodes if isinstance(n.op, Integrated))
    return STEPS * sum(op.units * op.scheme.evaluations for op in membranes)
