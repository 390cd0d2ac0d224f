"""One compilation: the model, what is asked of it, and the points it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from pinnir import pipelines
from pinnir.domain import Domain
from pinnir.evaluate import evaluate
from pinnir.frontend import Model
from pinnir.ir import Activation, Array, Graph, Input
from pinnir.layout import Layout, axes_of, layouts, to_grid
from pinnir.manager import Context, PassManager, PassObserver, parse_pipeline
from pinnir.metrics import SourceCost, relative_l2, source_cost
from pinnir.program import Points, run_source
from pinnir.target import Target

# Numbers of Sobol points. The search looks at the selection points only; what is reported is
# measured on the evaluation points. All three sets are different.
CALIBRATION_POINTS = 2048
FACE_POINTS = 128  # on each face of the domain, besides
SELECTION_POINTS = 4096
EVALUATION_POINTS = 4096
# Points that networks of several sample axes are compared on, all combinations of fewer samples:
# while the oracle searches, and when the program itself is measured.
GRID_POINTS, MEASURED_POINTS = 2**16, 2**21
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
    _known: dict[int | None, Array] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """The model's inputs as ``(name, columns)``."""
        return tuple(
            (node.name, node.op.width)
            for node in self.model.graph.inputs
            if isinstance(node.op, Input) and node.op.width is not None
        )

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """Layouts of all values of the network, by name."""
        return {node.name: layout for node, layout in layouts(self.model.graph).items()}

    def source(self, points: Points) -> Array:
        """The source network's outputs, by ONNX Runtime."""
        names = tuple(node.name for node in self.model.graph.outputs)
        return run_source(self.model.data, points, self.domain, self.inputs, self.layouts, names)

    def combined(self, points: Array, most: int = GRID_POINTS) -> Points:
        """Where the network is compared: the points, or combinations of some of their columns.

        A network of several sample axes is compared on a grid of up to ``most`` points, whose
        lines are the first samples of every axis.
        """
        axes = self.domain.axis_count
        if axes == 1:
            return points
        lines = round(most ** (1 / axes))
        return tuple(table[:lines] for table in self.domain.tables(points))

    def outputs_of(self, graph: Graph, points: Array) -> Array:
        """All outputs of a graph of any level side by side, on ``combined(points)``."""
        where = self.combined(points)
        tables = where if isinstance(where, tuple) else (where,)
        sizes = tuple(len(table) for table in tables)
        with threadpool_limits(1):  # one order of summation on every machine
            values = evaluate(graph, graph.bind(where))
        shapes = [self.layouts[node.name] for node in self.model.graph.outputs]
        grids = [to_grid(v, layout, sizes) for v, layout in zip(values, shapes, strict=True)]
        whole = [np.broadcast_to(grid, (*sizes, grid.shape[-1])) for grid in grids]
        return np.concatenate(whole, axis=-1).reshape(-1, sum(g.shape[-1] for g in grids))

    def truth(self, count: int | None = None) -> Array:
        """The source network's outputs on the first ``count`` selection points."""
        if count not in self._known:
            self._known[count] = self.source(self.combined(self.selection[:count]))
        return self._known[count]

    def error(self, graph: Graph, count: int | None = None) -> float:
        """Relative L2 error of a graph of any level on the first ``count`` selection points."""
        return relative_l2(self.outputs_of(graph, self.selection[:count]), self.truth(count))

    @cached_property
    def tidy(self) -> Graph:
        """The network with its cores gathered: what calibrating passes compare layers with."""
        return self._run(pipelines.TIDY, self.model.graph)

    @cached_property
    def split(self) -> Graph:
        """The network with its nodes labelled as parts of cores and host parts."""
        return self._run(pipelines.SPLIT, self.model.graph)

    @cached_property
    def cost(self) -> SourceCost:
        """What the network costs."""
        return source_cost(self.split)

    @cached_property
    def _fitting(self) -> Array:
        """Calibration points: fewer if neurons run at all combinations of several axes' samples."""
        known = layouts(self.split)
        spiking = [n for n in self.split.nodes if n.in_core and isinstance(n.op, Activation)]
        axes = max((len(axes_of(known[node])) for node in spiking), default=1)
        rows = len(self.calibration)
        kept = min(rows, round(GRID_POINTS ** (1 / axes))) if axes > 1 else rows
        thinned: Array = self.calibration[np.linspace(0, rows - 1, kept).astype(int)]
        return thinned

    def lower(self, pipeline: str, observers: Sequence[PassObserver] = ()) -> Graph:
        """The graph after a pipeline."""
        return self._run(pipeline, self.tidy, observers)

    def _run(self, pipeline: str, source: Graph, observers: Sequence[PassObserver] = ()) -> Graph:
        points = self.calibration if pipeline == pipelines.SPLIT else self._fitting
        context = Context(source, points, self.target, self.seed)
        manager = PassManager(parse_pipeline(pipeline), tuple(observers))
        with threadpool_limits(1):
            return manager.run(self.model.graph, context)
