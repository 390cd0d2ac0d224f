"""One compilation: the model, what is asked of it, and the points it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from pinnir.domain import Domain
from pinnir.evaluate import evaluate
from pinnir.frontend import Model
from pinnir.ir import Array, Graph, Input
from pinnir.manager import Context, PassManager, PassObserver, parse_pipeline
from pinnir.metrics import relative_l2
from pinnir.program import run_source
from pinnir.target import Target

# Numbers of Sobol points. The search looks at the selection points only; what is reported is
# measured on the evaluation points. All three sets are different.
CALIBRATION_POINTS = 2048
FACE_POINTS = 128  # on each face of the domain, besides
SELECTION_POINTS = 4096
EVALUATION_POINTS = 4096
# Of the selection points, those on which the pass log measures errors and rate programs, which
# take long to simulate, are searched.
FEW_POINTS = 256

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Job:
    """One compilation: the model and everything that is asked of it.

    Attributes:
        model: The source network.
        domain: Where it is to be accurate.
        target: What it is compiled for.
        seed: Of all points.
        calibration: Points to fit on.
        selection: Points that the search looks at.
        evaluation: Points that the result is measured on.
        progress: Told what is being done.
    """

    model: Model
    domain: Domain
    target: Target
    seed: int
    calibration: Array
    selection: Array
    evaluation: Array
    progress: Progress

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """The model's inputs as ``(name, columns)``."""
        return tuple(
            (node.name, node.op.width)
            for node in self.model.graph.inputs
            if isinstance(node.op, Input) and node.op.width is not None
        )

    def source(self, points: Array) -> Array:
        """The source network's outputs, by ONNX Runtime."""
        return run_source(self.model.data, points, self.inputs)

    @cached_property
    def selected(self) -> Array:
        """The source network's outputs on the selection points."""
        return self.source(self.selection)

    def error(self, graph: Graph, count: int | None = None) -> float:
        """Relative L2 error of a graph of any level on the first ``count`` selection points."""
        return relative_l2(outputs_of(graph, self.selection[:count]), self.selected[:count])

    def lower(self, pipeline: str, observers: Sequence[PassObserver] = ()) -> Graph:
        """The graph after a pipeline."""
        context = Context(self.model.graph, self.calibration, self.target, self.seed)
        manager = PassManager(parse_pipeline(pipeline), tuple(observers))
        with threadpool_limits(1):
            return manager.run(self.model.graph, context)


def outputs_of(graph: Graph, points: Array) -> Array:
    """All outputs of a graph of any level side by side, ``(samples, outputs)``."""
    with threadpool_limits(1):  # one order of summation on every machine
        return np.concatenate(evaluate(graph, graph.bind(points)), axis=1)
