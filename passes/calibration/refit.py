"""refit: fit every map of the cores anew to the neurons that feed it, in closed form.

Layer by layer, with all earlier layers already refitted and firing, weights and bias of each map
become the ridge regression of the source network's value on the values that really arrive
(Hoerl and Kennard, Technometrics 1970). Rounding errors of a layer that its other neurons can
foresee are so taken back by the next map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnir.base.errors import PipelineError
from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Affine, Graph, Level, Node
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, BlockDiagonal
from pinnir.numerics.ridge import regression
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class Refit(Pass):
    """Fit every map of the cores to the values that arrive, by ridge regression.

    Attributes:
        steps: Time steps of the integrate-and-fire neurons that the staircases stand for, where
            rate coding follows; 0 is the staircases themselves. Before the rounding there is only
            0: the activations as they are, such as the clips that ``balance-thresholds`` puts in
            the place of others.
        points: How many points to fit on.
        ridge: Weight of the change of a weight, relative to its input's variance.
    """

    name = "refit"
    accepts = (Level.TENSOR, Level.STAIRCASE)
    limits = (("steps", 0, 2**20), ("points", 16, 2**20), ("ridge", 0, 1))

    steps: int = 0
    points: int = 8192
    ridge: float = 1e-7

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Refit the maps that the source network has under the same name.

        Raises:
            PipelineError: If ``steps`` are given, but nothing is rounded that they could count.
        """
        if self.steps and graph.level is Level.TENSOR:
            raise PipelineError(
                "only what is rounded is counted over steps",
                node=self.name,
                op="pass",
                hint="leave steps out, or run quantise-activations before",
            )
        for label in core_labels(graph):
            core = TrainableCore.of(graph, label, context.source, self.steps)
            points = core.thinned(context.fresh(self.points, 0))
            wanted = wanted_values(core, context, points)
            entering = core.entering_values(points)
            graph = core.with_parameters(self._fitted(core, entering, wanted))
        return graph

    def _fitted(
        self, core: TrainableCore, entering: Mapping[Node, Array], wanted: Mapping[str, Array]
    ) -> Parameters:
        parameters = core.parameters
        for node in core.nodes:
            if node.name in parameters and any(o in core.nodes for o in node.operands):
                run = core.forward(parameters, entering, until=node)
                x = run.arriving(node)
                rest = wanted[node.name] - run.values[node]
                parameters |= {node.name: self._change(node, parameters[node.name], x, rest)}
        return parameters

    def _change(
        self, node: Node, parameters: tuple[Array, Array], x: Array, rest: Array
    ) -> tuple[Array, Array]:
        """New parameters: the old ones and what the regression of ``rest`` on ``x`` adds."""
        assert isinstance(node.op, Affine)
        weight, bias = parameters
        if not isinstance(node.op.weight, BlockDiagonal):
            slope, constant = regression(x, rest, self.ridge)
            return weight + slope, bias + constant
        parts = np.split(x, len(weight), axis=1), np.split(rest, len(weight), axis=1)
        found = [regression(*pair, self.ridge) for pair in zip(*parts, strict=True)]
        slopes, constants = zip(*found, strict=True)
        return weight + np.stack(slopes), bias + np.concatenate(constants)


def wanted_values(core: TrainableCore, context: Context, points: Array) -> dict[str, Array]:
    """Values of the maps: of the retrained network's, of the source network's where a core ends."""
    inside = trace(context.layers, context.layers.bind(points), core.names)
    leaving = {node.name for node in core.leaving}
    return inside | trace(context.source, context.source.bind(points), leaving)
