"""calibrate-light: correct biases so that every layer's mean matches the source network's.

The light calibration of Li et al. (ICML 2021) as used for PINNs by Zhang et al. (arXiv
2308.16372): layer by layer, with all earlier layers already corrected, the mean difference of the
pre-activations is subtracted from the bias. It runs on the staircase network, or on the spiking
graph itself, whose neurons it then sees as they really fire.
"""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.errors import PipelineError
from pinnir.evaluate import trace
from pinnir.ir import Affine, Array, Graph, Level, Node
from pinnir.manager import Context, Pass


@dataclass(frozen=True)
class CalibrateLight(Pass):
    """Correct the biases of the core to match the source layers' means.

    Attributes:
        points: How many of the calibration points to use.
    """

    name = "calibrate-light"
    accepts = (Level.STAIRCASE, Level.SPIKING)
    limits = (("points", 1, 2**30),)

    points: int = 1024

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Correct every affine map that has a counterpart of the same name in the source.

        Raises:
            PipelineError: For a lowered population program, whose maps are split over populations.
        """
        if graph.level is Level.SPIKING and graph.read_out == "last":
            raise PipelineError(
                "cannot correct a population program",
                node=self.name,
                op="pass",
                hint="run it before lower: the program equals its staircase network",
            )
        points = context.calibration[: self.points]
        wanted = {n.name for n in graph.nodes if n.in_core and isinstance(n.op, Affine)}
        target = trace(context.source, context.source.bind(points), wanted)
        for name in (node.name for node in graph.nodes):
            if name in target:
                now = trace(graph, graph.bind(points), {name})[name]
                graph = _shift(graph, name, (target[name] - now).mean(axis=0))
        return graph


def _shift(graph: Graph, name: str, amount: Array) -> Graph:
    def change(node: Node) -> Node:
        if node.name != name:
            return node
        assert isinstance(node.op, Affine)
        return node.with_op(Affine(node.op.weight, node.op.bias + amount))

    return graph.rewrite(change)
