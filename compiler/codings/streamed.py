"""What the codings for programmable neurons share: a staircase network told to such neurons.

NIR has no word for these neurons. What they compute is a staircase network, and that NIR can say:
the graph is its population program, which gives equal values, and holds the network itself as its
streamed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import PipelineError
from pinnir.codings.population import PopulationCoding
from pinnir.ir.evaluate import preactivations
from pinnir.ir.exact_sums import is_whole, reads_levels
from pinnir.ir.graph import Affine, Graph, Level, Node, Staircase
from pinnir.neurons.programmable import LevelNeuron
from pinnir.numerics.matrix import dense
from pinnir.pipeline.context import Context

Levels = NDArray[np.int32]


def lower_streamed(
    graph: Graph,
    context: Context,
    zero: Callable[[Staircase, Levels], Levels],
    neuron: Callable[[Staircase], LevelNeuron],
) -> Graph:
    """The population program of a staircase network, with its streamed form.

    Args:
        graph: Staircase graph in fixed point.
        context: Its calibration points are what ``zero`` sees.
        zero: From a staircase and its levels ``(samples, neurons)`` to the level of each neuron
            that counts as zero.
        neuron: Makes the neurons of a staircase counted from there.

    Raises:
        PipelineError: If the staircase network is not in fixed point.
    """
    _check_whole(graph)
    zeros: dict[str, Levels] = {}
    for name, z in preactivations(graph, graph.bind(context.calibration)).items():
        op = graph.node(name).op_as(Staircase)
        zeros[name] = zero(op, op.levels(z))

    def change(node: Node) -> Node:
        op = node.op
        if isinstance(op, Staircase):
            moved = replace(op, start=op.start - zeros[node.name], base=op.base + zeros[node.name])
            return node.with_op(neuron(moved))
        if isinstance(op, Affine) and isinstance(node.operands[0].op, LevelNeuron):
            base = node.operands[0].op.staircase.base
            return node.with_op(replace(op, bias=op.bias + dense(op.weight) @ base))
        return node

    streamed = graph.rewrite(change, level=Level.SPIKING)
    return replace(PopulationCoding().lower(graph, context, 1), streamed=streamed)


def _check_whole(graph: Graph) -> None:
    for node in graph.nodes:
        if reads_levels(node):
            read = node.operands[0].op_as(Staircase)
            if not is_whole(node.op_as(Affine), read):
                problem = "its sums would be rounded, and rounding errors would add up"
                raise node.error(PipelineError, problem, "run the pass fixed-point before lower")
