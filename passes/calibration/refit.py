"""refit: fit every map of the cores anew to the neurons that feed it, in closed form.

Layer by layer, with all earlier layers already refitted and firing, weights and bias of each map
become the ridge regression of the source network's value on the values that really arrive
(Hoerl and Kennard, Technometrics 1970). Rounding errors of a layer that its other neurons can
foresee are so taken back by the next map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pinnir.ir.graph import Graph, Level, Node
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array
from pinnir.numerics.ridge import regression_by_blocks
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.spike_trains import SpikeTrains
from pinnir.passes.fitting.teaching import teacher_values
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
            hint = "leave steps out, or run quantise-activations before"
            raise self.refusal("only what is rounded is counted over steps", hint)
        for label in core_labels(graph):
            core = TrainableCore.of(graph, label, context.source, self.steps)
            entering, wanted = teacher_values(core, context, self.points)
            graph = with_parameters(graph, self._fitted(core, entering, wanted))
        return graph

    def _fitted(
        self, core: TrainableCore, entering: Mapping[Node, Array], wanted: Mapping[str, Array]
    ) -> Parameters:
        """The parameters, and what regression on what arrives adds to them, map after map."""
        parameters = core.parameters
        run = core.begun(parameters, entering)
        trains = SpikeTrains(core.steps)
        for node in core.nodes:
            fitted = node.name in parameters and any(o in core.nodes for o in node.operands)
            if core.steps and node not in run.maps:
                run.values[node] = trains.fire(run, node)
            else:
                core.go_on(run, node)
            if fitted:
                rest = wanted[node.name] - run.values[node]
                matrix = run.maps[node].weight
                slope, constant = regression_by_blocks(matrix, run.arriving(node), rest, self.ridge)
                weight, bias = parameters[node.name]
                parameters[node.name] = weight + slope, bias + constant
                run = run.with_parameters(node, parameters[node.name])
        return parameters
