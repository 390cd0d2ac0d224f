"""quantise-activations: round every activation of the core to a staircase of levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import PipelineError
from pinnir.diagnosis.sensitivity import sensitivities
from pinnir.ir.evaluate import apply_activation, preactivations
from pinnir.ir.graph import Activation, Graph, Level, Staircase
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.level_allocation import Rounded, allocate, spreads_of
from pinnir.passes.fitting.operations import activations, with_ops
from pinnir.passes.rounding.ranges import found_beyond
from pinnir.passes.rounding.staircases import build_staircase
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass
from pinnir.pipeline.remembered import once_for_each_graph

_PERIODIC = ("sin", "cos")
_PERIODIC_MARGIN = 0.25


@dataclass(frozen=True)
class QuantiseActivations(Pass):
    """Round every activation of the core to a staircase of levels.

    Attributes:
        levels: Levels per neuron.
        range: Over which pre-activations: each ``neuron``'s own over the calibration points, or
            one for the whole ``layer``.
        margin: How far the range reaches beyond the calibration points, as a share of its width;
            further where the network is found to reach further (``ranges.py``).
        rounding: To the ``nearest`` level, counted from the lowest; or, for ``clip`` activations,
            counted from the middle in both directions as signed integrate-and-fire neurons do, to
            the nearest (``signed``) or, where the middle is zero, towards ``zero``.
        allocation: The same number of levels for each (``even``); or more where the outputs
            depend on them more (``sensitivity``), each output relative to its own variation, for no
            more units and spikes.
    """

    name = "quantise-activations"
    accepts = (Level.TENSOR,)
    spelled = ("levels",)
    limits = (("levels", 2, 2**20), ("margin", 0, 10))

    levels: int = 256
    range: Literal["neuron", "layer"] = "neuron"
    margin: float = 0.01
    rounding: Literal["nearest", "signed", "zero"] = "nearest"
    allocation: Literal["even", "sensitivity"] = "even"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Replace the activations; ranges come from the calibration points."""
        values = _values(graph, context)
        layers = {node.name: op for node, op in activations(graph).items()}

        def rounded(name: str, levels: int | NDArray[np.int64]) -> Staircase:
            op = layers[name]
            if op.function == "clip":
                assert isinstance(levels, int)
                return _clip_staircase(op, values[name].shape[1], levels, self.rounding)
            return self._round(op, values[name], _beyond(graph, context)[name], levels)

        found = {name: rounded(name, self.levels) for name in layers}
        if self.allocation == "sensitivity":
            weights = _weights(graph, context)
            about: dict[str, Rounded] = {}
            for node, op in activations(graph).items():
                if op.function == "clip":
                    problem = "clipped ramps are counted over time, and all by the same number"
                    hint = "leave allocation=sensitivity to activations that were not split"
                    raise node.error(PipelineError, f"{problem} of steps", hint)
                even = found[node.name]
                heights = even.step * np.ptp(even.level_table, axis=1)
                spreads = spreads_of(apply_activation(op, values[node.name]))
                about[node.name] = Rounded(weights[node.name], heights, spreads)
            levels = allocate(about, self.levels)
            found = {name: rounded(name, levels[name]) for name in layers}
        return with_ops(graph, found, level=Level.STAIRCASE)

    def _round(
        self, op: Activation, z: Array, beyond: Array, levels: int | NDArray[np.int64]
    ) -> Staircase:
        low, high = z.min(axis=0), z.max(axis=0)
        lowest, highest = low - beyond[0], high + beyond[1]
        if self.range == "layer":
            low, lowest = (np.full_like(end, end.min()) for end in (low, lowest))
            high, highest = (np.full_like(end, end.max()) for end in (high, highest))
        # The range of a periodic function does not grow with its argument's: reaching far costs no
        # accuracy, and deep sine networks amplify what is cut off.
        share = max(self.margin, _PERIODIC_MARGIN) if op.function in _PERIODIC else self.margin
        reach = share * (high - low)
        ends = np.minimum(low - reach, lowest), np.maximum(high + reach, highest)
        return build_staircase(op, *ends, levels)


@once_for_each_graph
def _values(graph: Graph, context: Context) -> Mapping[str, Array]:
    return preactivations(graph, graph.bind(context.calibration))


@once_for_each_graph
def _beyond(graph: Graph, context: Context) -> Mapping[str, Array]:
    return found_beyond(graph, context, _values(graph, context))


@once_for_each_graph
def _weights(graph: Graph, context: Context) -> Mapping[str, Array]:
    return sensitivities(graph, context.calibration, of_each_output=True)


def _clip_staircase(op: Activation, neurons: int, levels: int, rounding: str) -> Staircase:
    """A clip is bounded by itself; its levels are the spike counts of an IF neuron."""
    low, high = (np.broadcast_to(value, (neurons,)) for value in op.parameters)
    if rounding == "nearest" or (rounding == "zero" and np.any(low != -high)):
        step = (high - low) / (levels - 1)
        boundaries = low[:, None] + step[:, None] * (np.arange(1, levels) - 0.5)
        start, base = np.zeros(neurons, np.int32), low
    else:
        count = levels // 2
        step = (high - low) / (2 * count)
        base = np.where(low == -high, 0.0, low + step * count)
        ends = step[:, None] * (np.arange(1, count + 1) - (0.5 if rounding == "signed" else 0.0))
        # A neuron that fires at a level's end is there: level -k begins at the next float above.
        falling = np.nextafter(base[:, None] - ends[:, ::-1], np.inf)
        boundaries = np.concatenate([falling, base[:, None] + ends], axis=1)
        start = np.full(neurons, -count, np.int32)
    return Staircase(boundaries, np.ones(boundaries.shape, np.int8), start, base, step)
