"""One compilation: the model, what is asked of it, and the points it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pinnir.base.targets import Target
from pinnir.base.threads import one_thread
from pinnir.diagnosis.error_budget import Budget
from pinnir.diagnosis.local_errors import error_budget
from pinnir.diagnosis.observed_layers import ObservedLayers
from pinnir.frontend import Model
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.ir.sample_axes import Layout, axes_of, columns_in, layouts, side_by_side
from pinnir.metrics.field_errors import errors_on_sets
from pinnir.metrics.output_scales import OutputScale, column_names, output_scales
from pinnir.metrics.source_cost import SourceCost, source_cost
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.pipeline.checkpoints import Checkpoints
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass, Passes, PassManager, PassObserver
from pinnir.points.domain import Domain
from pinnir.points.held_out import SETS, Labels
from pinnir.program.execute import Points
from pinnir.program.frontier import DEFAULT_NORM, Errors
from pinnir.program.running import SourceNetwork
from pinnir.search.pass_runs import PassRuns, Ran

# Numbers of Sobol points. The search looks at the selection points only; what is reported is
# measured on the evaluation points. All of them are different points.
CALIBRATION_POINTS = 2048
FACE_POINTS = 128  # on each face of the domain, besides
SELECTION_POINTS = 2048  # of each set, inside
EVALUATION_POINTS = 2048  # of each set, inside
# One point on the faces for so many inside, as on a uniform grid of 64 by 64 points.
_INSIDE_PER_FACE_POINT = 16
# Points that networks of several sample axes are compared on, all combinations of fewer samples:
# while the oracle searches, and when the program itself is measured. In all sets together.
GRID_POINTS, MEASURED_POINTS = 2**16, 2**21
# Of the selection points, those on which the pass log measures errors and rate programs, which
# take long to simulate, are searched.
FEW_POINTS = 256
# Those that the error budget of a program is computed on: of one that equals a staircase network,
# and of one that has to be simulated.
BUDGET_POINTS, SIMULATED_BUDGET_POINTS = 2048, 512

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
        selection: Points that the search looks at, SETS sets of as many.
        evaluation: Points that the result is measured on, SETS sets of as many.
        progress: Told what is being done.
        checkpoints: Where passes that train keep their state.
        features: Whether the network is one of images and patches, and is to be compiled as such.
        labels: Class of each evaluation point, of a classifier.
        left_out: How many points were left out because the network is not finite there, by
            what they were for: ``calibration``, ``evaluation``.
        norm: What errors are compared with a tolerance, of NORMS.
        runs: What pipelines gave.
    """

    model: Model
    domain: Domain
    target: Target
    seed: int
    calibration: Array
    selection: Array
    evaluation: Array
    progress: Progress
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    features: bool = False
    labels: Labels | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    norm: str = DEFAULT_NORM
    runs: PassRuns = field(default_factory=PassRuns)

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """The model's inputs as ``(name, columns)``."""
        told = self.model.graph.model_inputs
        return tuple((name, columns) for name, columns, _ in told if columns is not None)

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """Layouts of all values of the network, by name."""
        return {node.name: layout for node, layout in layouts(self.model.graph).items()}

    def source(self, points: Points) -> Array:
        """The source network's outputs, by ONNX Runtime."""
        return self._network(points)

    @property
    def _network(self) -> SourceNetwork:
        names = tuple(node.name for node in self.model.graph.outputs)
        return SourceNetwork(self.model.data, self.domain, self.inputs, self.layouts, names)

    def where_finite(self) -> Job:
        """The same without points on which the network is not finite.

        Sets stay equally large: of each as many are kept as the smallest has left. Points of a
        network of several sample axes stand for combinations, and all stay. So do all where it is
        not finite on more than half: the domain is wrong, and measuring there says so.
        """
        if self.domain.axis_count > 1:
            return self
        drawn = (self.calibration, self.selection, self.evaluation)
        _, known = self._network.values(np.concatenate(drawn))
        finite = np.split(known, np.cumsum([len(points) for points in drawn])[:-1])
        if known.all() or any(one.mean() < 0.5 for one in finite):
            return self
        fitted, searched, measured = (np.flatnonzero(one) for one in finite)
        if not finite[1].all():
            searched = _evenly(finite[1])
        if not finite[2].all():
            measured = _evenly(finite[2])
        left_out = {"calibration": finite[0], "evaluation": finite[2]}
        return replace(
            self,
            calibration=self.calibration[fitted],
            selection=self.selection[searched],
            evaluation=self.evaluation[measured],
            labels=None if self.labels is None else self.labels[measured],
            left_out={name: int((~one).sum()) for name, one in left_out.items()},
        )

    def sets(self, points: Array, most: int) -> list[Points]:
        """Selection or evaluation points as their sets, ready to run on.

        Args:
            points: ``selection`` or ``evaluation``.
            most: Points of the grids that stand for a network of several sample axes, in all.
        """
        return [self.combined(part, most // SETS) for part in np.array_split(points, SETS)]

    def combined(self, points: Array, most: int = GRID_POINTS) -> Points:
        """Where the network is compared: the points, or combinations of some of their columns.

        A network of several sample axes is compared on a grid of up to ``most`` points, whose
        lines are the first samples of every axis, the very first ones moved onto the faces: a
        uniform grid over the domain has such lines as well.
        """
        axes = self.domain.axis_count
        if axes == 1:
            return points
        lines = round(most ** (1 / axes))
        tables = [table[:lines].copy() for table in self.domain.tables(points)]
        for axis, table in enumerate(tables):
            part = self.domain.part(axis)
            on_faces = face_points(part, len(table))
            table[:on_faces] = part.onto_faces(table[:on_faces])
        return tuple(tables)

    def outputs_of(self, graph: Graph, points: Array) -> Array:
        """All outputs of a graph of any level side by side, on ``combined(points)``."""
        return self._values(graph, self.combined(points))

    def _values(self, graph: Graph, where: Points) -> Array:
        tables = where if isinstance(where, tuple) else (where,)
        sizes = tuple(len(table) for table in tables)
        with one_thread():
            values = evaluate(graph, graph.bind(where))
        shapes = [self.layouts[node.name] for node in self.model.graph.outputs]
        grid = side_by_side(values, shapes, sizes)
        return grid.reshape(-1, grid.shape[-1])

    @cached_property
    def few_truths(self) -> Array:
        """The source network's outputs on the first FEW_POINTS selection points."""
        return self.source(self.combined(self.selection[:FEW_POINTS]))

    @cached_property
    def _selection_sets(self) -> list[tuple[Points, Array]]:
        return [(points, self.source(points)) for points in self.sets(self.selection, GRID_POINTS)]

    @cached_property
    def _evaluation_sets(self) -> list[tuple[Points, Array]]:
        sets = self.sets(self.evaluation, MEASURED_POINTS)
        return [(points, self.source(points)) for points in sets]

    @cached_property
    def scales(self) -> tuple[OutputScale, ...]:
        """What the error of every output is measured against."""
        truths = np.concatenate([truth for _, truth in self._evaluation_sets])
        named = [
            (node.name, columns_in(self.layouts[node.name])) for node in self.model.graph.outputs
        ]
        return output_scales(truths, column_names(named), self.model.dtype)

    def errors(self, graph: Graph, *, evaluation: bool = False) -> Errors:
        """Errors of a graph of any level on the sets of points.

        Args:
            graph: The graph.
            evaluation: Whether on the evaluation points instead of the selection points. Of a
                network of several sample axes these are too many for the oracle.
        """
        sets = self._evaluation_sets if evaluation else self._selection_sets
        found = [(self._values(graph, points), truth) for points, truth in sets]
        told = errors_on_sets(found, self.scales)
        return Errors(sum(len(truth) for _, truth in found), self.norm, told)

    @cached_property
    def tidy(self) -> Graph:
        """The network with its cores gathered: what calibrating passes compare layers with."""
        context = self._context(self.model.graph, self._fitting)
        return _run(pipelines.GATHER, self.split, context)

    @cached_property
    def split(self) -> Graph:
        """The network with its nodes labelled as parts of cores and host parts."""
        context = self._context(self.model.graph, self.calibration)
        passes = pipelines.SPLIT_FEATURES if self.features else pipelines.SPLIT
        return _run(passes, self.model.graph, context)

    @cached_property
    def cost(self) -> SourceCost:
        """What the network costs."""
        return self.cost_of(self.split)

    def cost_of(self, split: Graph) -> SourceCost:
        """What the network costs with this part of it in the core: a graph after ``split-host``."""
        return source_cost(split, self.model.graph if self.features else None)

    @cached_property
    def _fitting(self) -> Array:
        """Calibration points: fewer if neurons run at all combinations of several axes' samples."""
        known = layouts(self.split)
        spiking = [n for n in self.split.nodes if n.in_core and isinstance(n.op, Activation)]
        axes = max((len(axes_of(known[node])) for node in spiking), default=1)
        rows = len(self.calibration)
        kept = min(rows, round(GRID_POINTS ** (1 / axes))) if axes > 1 else rows
        return self.calibration[_spread_out(rows, kept)]

    def lower(self, passes: Passes, observers: Sequence[PassObserver] = ()) -> Graph:
        """The graph after a pipeline."""
        return self.graphs(passes, observers)[-1]

    def graphs(self, passes: Passes, observers: Sequence[PassObserver] = ()) -> tuple[Graph, ...]:
        """The graph before a pipeline and after each of its passes.

        Passes that an earlier pipeline began with are not run again.

        Args:
            passes: The pipeline.
            observers: Called after every pass.
        """
        context, before = self.context, self.model.graph
        runs = list(self.runs.begun(passes))
        for one, (after, seconds) in zip(passes, runs, strict=False):
            context = replace(context, retrained=after) if one.retrains else context
            for observe in observers:
                observe(one, before, after, seconds)
            before = after

        def keep(one: Pass, before: Graph, after: Graph, seconds: float) -> None:
            runs.append(Ran(after, seconds))

        _run(passes[len(runs) :], before, context, [keep, *observers])
        self.runs.keep(passes, runs)
        return (self.model.graph, *(one.graph for one in runs))

    @property
    def context(self) -> Context:
        """What the passes of a pipeline may look at."""
        return self._context(self.tidy, self._fitting)

    def budget(self, observed: ObservedLayers) -> Budget:
        """The error budget of a compilation, on some of the selection points."""
        simulated = observed.converted.level is Level.SPIKING
        count = SIMULATED_BUDGET_POINTS if simulated else BUDGET_POINTS
        where = self.combined(self.selection[:count])
        with one_thread():
            return error_budget(observed, self.tidy, where)

    def _context(self, source: Graph, points: Array) -> Context:
        return Context(
            source,
            points,
            self.target,
            self.seed,
            self.domain,
            progress=self.progress,
            checkpoints=self.checkpoints,
        )


def _evenly(finite: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows where the network is finite, equally many of each set."""
    sets = [rows[finite[rows]] for rows in np.array_split(np.arange(len(finite)), SETS)]
    least = min(map(len, sets))
    return np.concatenate([rows[_spread_out(len(rows), least)] for rows in sets])


def _spread_out(count: int, kept: int) -> NDArray[np.intp]:
    """``kept`` of ``count`` rows, evenly from the first to the last."""
    return np.linspace(0, count - 1, kept).astype(np.intp)


def face_points(box: Domain, count: int) -> int:
    """How many of about ``count`` points should lie on the faces of a box."""
    return min(count, 2) if len(box.columns) == 1 else count // _INSIDE_PER_FACE_POINT


def covering(box: Domain, inside: int, seed: int) -> Array:
    """Sobol points inside a box, then some on its faces: ``(samples, columns)``.

    Args:
        box: The domain.
        inside: How many lie inside; a power of two.
        seed: Different seeds give different points; only the two ends of a box of one column
            are the same in every set.
    """
    drawn = box.sample(2 * inside, seed)
    faces = drawn[inside : inside + face_points(box, inside)]
    return np.concatenate([drawn[:inside], box.onto_faces(faces)])


def _run(
    passes: Passes, graph: Graph, context: Context, observers: Sequence[PassObserver] = ()
) -> Graph:
    manager = PassManager(passes, tuple(observers))
    with one_thread():
        return manager.run(graph, context)
