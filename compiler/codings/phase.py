"""Phase coding: a neuron sends its level as signed binary digits, most significant first.

In a period of D steps a layer listens to the digits of the layer before it,

    z <- 2 z + W d_j    (so that digit j weighs 2^(D-1-j)),

and in the next period it sends the digits of ``level(z)``, while the layer before it is already
at the next point: the layers are a pipeline over points. Non-adjacent form needs about D / 3
digits that differ from zero. The level that counts as zero is chosen for each neuron so that the
mean number of its digits on the calibration points is least; the biases behind it make up for it.
All sums are whole numbers (``fixed-point``), so every level equals that of the staircase network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.codings.coding import Coding
from pinnir.codings.streamed import Levels, lower_streamed
from pinnir.ir.graph import Graph, Node, Staircase
from pinnir.metrics.spikes import depth
from pinnir.neurons import Phase
from pinnir.neurons.phase import needed_digits, weight
from pinnir.pipeline.context import Context


@dataclass(frozen=True)
class PhaseCoding(Coding):
    """Signed binary digits of a level; how many steps they take follows from the levels."""

    name = "phase"
    length = "its own number of steps"
    neurons_must = "read and send digits"

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """The population program of a staircase network with phase neurons as its streamed form.

        Raises:
            PipelineError: If the staircase network is not in fixed point.
        """
        lowered = lower_streamed(graph, context, cheapest_zeros, Phase)
        streamed = lowered.streamed
        assert streamed is not None
        neurons = [node.op for node in streamed.nodes if isinstance(node.op, Phase)]
        digits = max((needed_digits(op.staircase.level_table) for op in neurons), default=1)

        def change(node: Node) -> Node:
            if not isinstance(node.op, Phase):
                return node
            return node.with_op(replace(node.op, digits=digits))

        # A point takes a period in every layer; the next point follows one period behind it.
        timed = streamed.rewrite(change, steps=digits * max(1, depth(streamed)))
        return replace(lowered, streamed=timed)


def cheapest_zeros(op: Staircase, levels: Levels) -> Levels:
    """For each neuron the level that, called zero, makes the digits of all levels fewest.

    Args:
        op: A staircase whose levels count from 0.
        levels: Its levels on some points, ``(samples, neurons)``.
    """
    from scipy.signal import fftconvolve  # a second that other programs need not spend

    count = int(op.level_table.max(initial=0)) + 1
    digits = weight(np.arange(1 - count, count)).astype(np.float64)
    found = np.zeros(op.base.size, np.int32)
    for neuron in range(op.base.size):
        own = int(op.level_table[neuron].max()) + 1
        # k and -k have as many digits, so this is a convolution over all levels k - zero.
        often = np.bincount(levels[:, neuron], minlength=count).astype(np.float64)
        total = fftconvolve(often, digits)[count - 1 :]
        found[neuron] = int(np.argmin(np.rint(total[:own])))
    return found
