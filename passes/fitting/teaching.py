"""What a core is to learn: the source network's values where the core ends, on some points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Graph, Node
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.trainable_core import Parameters, Run, Student

# Weight of directions that the outputs do not depend on, as a share of the mean one.
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class Lesson:
    """One core and what it is to learn.

    Attributes:
        student: The core.
        entering: Values that enter it, ``(samples, columns)``.
        wanted: What shall leave it, side by side, ``(samples, columns)``.
        root: ``R``, ``(columns, columns)``: ``R R^T`` is the metric of what leaves.
    """

    student: Student
    entering: Mapping[Node, Array]
    wanted: Array
    root: Array

    @classmethod
    def on(cls, points: Array, student: Student, source: Graph, root: Array) -> Lesson:
        """On points ``(samples, columns)``, with the source network as teacher."""
        points = student.thinned(points)
        seen = trace(source, source.bind(points), {node.name for node in student.leaving})
        wanted = np.concatenate([seen[node.name] for node in student.leaving], axis=1)
        return cls(student, student.entering_values(points), wanted, root)

    def batch(self, rows: NDArray[np.int64]) -> Lesson:
        """The lesson on some of its points."""
        entering = {node: value[rows] for node, value in self.entering.items()}
        return Lesson(self.student, entering, self.wanted[rows], self.root)

    def errors(self, run: Run) -> Array:
        """Errors in coordinates whose squares add up to the outputs', ``(samples, columns)``."""
        found: Array = (self.student.side_by_side(run.values) - self.wanted) @ self.root
        return found

    def loss(self, parameters: Parameters) -> float:
        """Mean square error of the outputs, relative to their mean square."""
        errors = self.errors(self.student.forward(parameters, self.entering))
        return float((errors**2).sum() / len(errors))

    def by_leaving(self, errors: Array) -> dict[Node, Array]:
        """Derivative of the loss by each value that leaves."""
        return self.student.apart(errors @ self.root.T * (2 / len(errors)))

    def gradient(self, parameters: Parameters) -> Parameters:
        """Derivatives of the loss, straight through what is rounded."""
        run = self.student.forward(parameters, self.entering)
        swept = self.student.sweep(run, self.by_leaving(self.errors(run)))
        return self.student.derivatives(run, swept)


def root_of(metric: Array) -> Array:
    """``R`` with ``R R^T`` the metric, ``(columns, columns)``.

    What the outputs hardly depend on is given some weight: if it moved far, first order in the
    errors of one core would no longer do, for another core's errors are multiplied by it.
    """
    values, vectors = np.linalg.eigh(metric)
    found: Array = vectors * np.sqrt(np.maximum(values, 0) + _LEAST_WEIGHT * values.mean())
    return found
