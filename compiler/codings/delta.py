"""Delta coding: points are streamed along lines, and a neuron sends what its level changed by.

Physics-informed networks are evaluated on fields, and fields are smooth: from one point of a line
to the next most levels stay. A neuron keeps its membrane potential ``z`` and its level ``k``,

    z <- z + W (change of the levels before it),    k' = level(z),    send k' - k,

so a layer costs as much as its levels change, not as much as there are points. The sums are whole
numbers (``fixed-point``), so nothing drifts, and every level of every neuron at every point equals
that of the staircase network. Level zero of a neuron is its median level on the calibration
points, because the first point of a line costs the way from zero to its level.
"""

from __future__ import annotations

import numpy as np

from pinnir.codings.streamed import Levels, lower_streamed
from pinnir.ir.graph import Graph, Staircase
from pinnir.neurons import Delta
from pinnir.pipeline.context import Context


def lower(
    graph: Graph, context: Context, steps: int, hysteresis: float = 0.0, events: str = "unit"
) -> Graph:
    """The population program of a staircase network with delta neurons as its streamed form.

    Args:
        graph: Staircase graph in fixed point.
        context: Its calibration points say which levels are in the middle.
        steps: Not used: a point takes one step.
        hysteresis: Of every neuron, in levels.
        events: ``unit`` or ``graded``.

    Raises:
        PipelineError: If the staircase network is not in fixed point.
    """

    def zero(op: Staircase, levels: Levels) -> Levels:
        return np.asarray(np.median(levels, axis=0), np.int32)

    return lower_streamed(
        graph, context, zero, lambda op: Delta(op, hysteresis, events == "graded")
    )
