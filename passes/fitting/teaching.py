"""The source network as the teacher of a core: what it is to give, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Graph, Node
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.runs import Run
from pinnir.passes.fitting.trainable_core import TrainableCore
from pinnir.pipeline.context import Context
from pinnir.pipeline.remembered import once_for_each_graph

# Weight of directions that the outputs do not depend on, as a share of the mean one.
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class TeacherLoss:
    """Mean square error of one core, against the source network as the teacher.

    Attributes:
        core: The core.
        entering: Values that enter it, ``(samples, columns)``.
        wanted: What shall leave it, side by side, ``(samples, columns)``.
        root: ``R``, ``(columns, columns)``: ``R R^T`` is the metric of what leaves.
    """

    core: TrainableCore
    entering: Mapping[Node, Array]
    wanted: Array
    root: Array

    @classmethod
    def on(cls, points: Array, core: TrainableCore, source: Graph, root: Array) -> TeacherLoss:
        """On points ``(samples, columns)``, with the source network as teacher."""
        points = core.thinned(points)
        seen = trace(source, source.bind(points), {node.name for node in core.leaving})
        wanted = np.concatenate([seen[node.name] for node in core.leaving], axis=1)
        return cls(core, core.entering_values(points), wanted, root)

    def batch(self, rows: NDArray[np.int64]) -> TeacherLoss:
        """The loss on some of the points."""
        entering = {node: value[rows] for node, value in self.entering.items()}
        return TeacherLoss(self.core, entering, self.wanted[rows], self.root)

    def single(self) -> TeacherLoss:
        """The loss in single precision, of parameters in single precision."""
        entering = {node: in_single(value) for node, value in self.entering.items()}
        return TeacherLoss(self.core, entering, in_single(self.wanted), in_single(self.root))

    def errors(self, run: Run) -> Array:
        """Errors in coordinates whose squares add up to the outputs', ``(samples, columns)``."""
        return np.asarray((self.core.side_by_side(run.values) - self.wanted) @ self.root)

    def loss(self, parameters: Parameters) -> float:
        """Mean square error of the outputs, relative to their mean square."""
        errors = self.errors(self.core.forward(parameters, self.entering))
        return float((errors**2).sum() / len(errors))

    def by_leaving(self, errors: Array) -> dict[Node, Array]:
        """Derivative of the loss by each value that leaves."""
        return self.core.apart(errors @ self.root.T * (2 / len(errors)))

    def gradient(self, parameters: Parameters) -> Parameters:
        """Derivatives of the loss, straight through what is rounded."""
        run = self.core.forward(parameters, self.entering)
        return run.derivatives(run.sweep(self.by_leaving(self.errors(run))), self.core.names)


def in_single(values: Array) -> Array:
    """Values in single precision, which training on batches can do with."""
    kind: DTypeLike = np.float32
    return np.asarray(values, kind)


def teacher_values(
    core: TrainableCore, context: Context, count: int
) -> tuple[dict[Node, Array], dict[str, Array]]:
    """What enters a core on so many new points, and what its maps are to give there, by name.

    That is what they give in the network that layers are compared with; in the source network,
    where the core ends.
    """
    points = core.thinned(context.fresh(count, 0))
    given = count, len(points)
    inside = _values_on(context.layers, context, *given, core.names)
    ends = _values_on(
        context.source, context, *given, frozenset(node.name for node in core.leaving)
    )
    return core.entering_values(points), {**inside, **ends}


@once_for_each_graph
def _values_on(
    graph: Graph, context: Context, drawn: int, rows: int, names: frozenset[str]
) -> Mapping[str, Array]:
    """Values of these nodes on the first rows of so many new points."""
    return trace(graph, graph.bind(context.fresh(drawn, 0)[:rows]), names)


def root_of(metric: Array) -> Array:
    """``R`` with ``R R^T`` the metric, ``(columns, columns)``.

    What the outputs hardly depend on is given some weight: if it moved far, first order in the
    errors of one core would no longer do, for another core's errors are multiplied by it.
    """
    values, vectors = np.linalg.eigh(metric)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0) + _LEAST_WEIGHT * values.mean()))
