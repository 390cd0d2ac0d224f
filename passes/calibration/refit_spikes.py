"""refit-spikes: fit every map of a rate program to the spikes that arrive in the simulation.

As ``refit``, layer by layer, by ridge regression of the source network's value on what arrives,
but what arrives is simulated through the neurons' real dynamics: their transients, and currents
that come as pulses instead of constants, are taken back by the next map as far as it can.
"""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Affine, Graph, Level, Neuron, Node
from pinnir.numerics.matrix import entries
from pinnir.numerics.ridge import regression_by_blocks
from pinnir.passes.fitting.operations import with_parameters
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class RefitSpikes(Pass):
    """Fit the maps that read spikes to the spikes that arrive, by ridge regression.

    Attributes:
        points: How many points to fit on.
        ridge: Weight of the change of a weight, relative to its input's variance.
    """

    name = "refit-spikes"
    accepts = (Level.SPIKING,)
    limits = (("points", 16, 2**20), ("ridge", 0, 1))

    points: int = 1024
    ridge: float = 1e-4

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Refit the maps that the source network has under the same name.

        Raises:
            PipelineError: If the program is not read out as a mean over its steps.
        """
        if graph.read_out != "mean":
            problem = "only rates are fitted, and this program is read in its last step"
            raise self.refusal(problem, "run it behind lower{coding=rate}")
        points = context.fresh(self.points, 0)
        names = {node.name for node in graph.nodes if _reads_spikes(node)}
        wanted = trace(context.source, context.source.bind(points), names)
        for node in graph.nodes:
            if node.name in wanted:
                source = node.operands[0].name
                found = trace(graph, graph.bind(points), {source, node.name})
                rest = wanted[node.name] - found[node.name]
                op, x = node.op_as(Affine), found[source]
                slope, constant = regression_by_blocks(op.weight, x, rest, self.ridge)
                changed = {node.name: (entries(op.weight) + slope, op.bias + constant)}
                graph = with_parameters(graph, changed)
        return graph


def _reads_spikes(node: Node) -> bool:
    return (
        isinstance(node.op, Affine)
        and len(node.operands) == 1
        and isinstance(node.operands[0].op, Neuron)
    )
