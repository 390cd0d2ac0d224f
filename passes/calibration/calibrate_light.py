"""calibrate-light: correct biases so that every layer's mean matches the source network's.

The light calibration of Li et al. (ICML 2021) as used for PINNs by Zhang et al. (arXiv
2308.16372): layer by layer, with all earlier layers already corrected,

1. the mean difference of the pre-activations is subtracted from the bias;
2. what then remains of the mean difference of a layer's values, times the number of steps, is
   added to the initial potentials, of those neurons whose mean so comes closer.

It runs on the spiking graph, whose neurons it sees as they really fire, or on the staircase
network, which has no initial potentials: there it is case 1 alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Affine, Graph, Level
from pinnir.neurons import IF
from pinnir.neurons.start_units import with_potentials
from pinnir.numerics.matrix import Array, entries
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.rate_layer import check_rate_program, spiking_layer
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class CalibrateLight(Pass):
    """Correct biases and initial potentials of the core to match the source layers' means.

    Attributes:
        points: How many of the calibration points to use.
        potentials: Whether initial potentials are corrected, or biases only.
    """

    name = "calibrate-light"
    accepts = (Level.STAIRCASE, Level.SPIKING)
    limits = (("points", 1, 2**30),)

    points: int = 1024
    potentials: bool = True

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Correct every map and population that has a counterpart of its name in the source.

        Raises:
            PipelineError: For a lowered population program, and behind ``split-signs``.
        """
        if graph.level is Level.SPIKING:
            check_rate_program(self, graph, context.source)
        points = context.calibration[: self.points]
        wanted = {n.name for n in context.source.nodes if n.in_core and isinstance(n.op, Affine)}
        wanted &= {n.name for n in graph.nodes if n.in_core and isinstance(n.op, Affine)}
        target = trace(context.source, context.source.bind(points), wanted)
        for node in graph.nodes:
            if node.name in target:
                now = trace(graph, graph.bind(points), {node.name})[node.name]
                op = node.op_as(Affine)
                bias = op.bias + (target[node.name] - now).mean(axis=0)
                changed = {node.name: (entries(op.weight), bias)}
                graph = with_parameters(graph, changed)
            elif self.potentials and isinstance(node.op, IF):
                graph = _with_mean(graph, node.name, context.source, points)
        return graph


def _with_mean(graph: Graph, name: str, source: Graph, points: Array) -> Graph:
    """Case 2."""
    layer = spiking_layer(graph, name, source)
    if layer is None:
        return graph
    arriving, wanted = layer.arriving(points), layer.wanted(source, points)

    def mean_difference(errors: Array) -> Array:
        return np.asarray(np.abs(errors.mean(axis=0)))

    found = layer.corrected_potentials(layer.parameters, arriving, wanted, mean_difference)
    return with_potentials(graph, name, found)
