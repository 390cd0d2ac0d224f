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

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from pinnir.codings.coding import Coding
from pinnir.codings.streamed import Levels, lower_streamed
from pinnir.ir.graph import Graph, Staircase
from pinnir.neurons import Delta
from pinnir.neurons.delta import MOST_HYSTERESIS
from pinnir.pipeline.context import Context


@dataclass(frozen=True)
class DeltaCoding(Coding):
    """Changes of levels while points are streamed; a point takes one step.

    Attributes:
        hysteresis: Levels by which a potential must leave its level's interval before the level
            changes.
        events: Whether a change of level is ``unit`` events or one ``graded`` event.
    """

    name = "delta"
    neurons_must = "keep state while points are streamed"
    limits = (("hysteresis", 0, MOST_HYSTERESIS),)

    hysteresis: float = 0.0
    events: Literal["unit", "graded"] = "unit"

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """The population program of a staircase network with delta neurons as its streamed form.

        Raises:
            PipelineError: If the staircase network is not in fixed point.
        """
        neurons = partial(Delta, hysteresis=self.hysteresis, graded=self.events == "graded")
        return lower_streamed(graph, context, _median, neurons)


def _median(op: Staircase, levels: Levels) -> Levels:
    return np.asarray(np.median(levels, axis=0), np.int32)
