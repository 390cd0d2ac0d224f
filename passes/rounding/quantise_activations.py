"""quantise-activations: round every activation of the core to a staircase of levels."""

from __future__ import annotations

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
from pinnir.passes.rounding.staircases import build_staircase
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

_PERIODIC = ("sin", "cos")
_PERIODIC_MARGIN = 0.25


@dataclass(frozen=True)
class QuantiseActivations(Pass):
    """Round every activation of the core to a staircase of levels.

    Attributes:
        levels: Levels per neuron.
        range: Over which pre-activations: each ``neuron``'s own over the calibration points, or
            one for the whole ``layer``.
        margin: How far the range reaches beyond the calibration points, as a share of its width.
        rounding: To the ``nearest`` level, counted from the lowest; or, for ``clip`` activations,
            counted from the middle in both directions as signed integrate-and-fire neurons do, to
            the nearest (``signed``) or, where the middle is zero, towards ``zero``.
        allocation: The same number of levels for each (``even``); or more where the outputs
            depend on them more (``sensitivity``), for no more units and spikes.
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
        values = preactivations(graph, graph.bind(context.calibration))
        layers = {node.name: op for node, op in activations(graph).items()}
        found = {n: self._round(op, values[n], self.levels) for n, op in layers.items()}
        if self.allocation == "sensitivity":
            weights = sensitivities(graph, context.calibration)
            about: dict[str, Rounded] = {}
            for node, op in activations(graph).items():
                if op.function == "clip":
                    problem = "clipped ramps are counted over time, and all by the same number"
                    hint = "leave allocation=sensitivity to activations that were not split"
                    raise node.error(PipelineError, f"{problem} of steps", hint)
                rounded = found[node.name]
                heights = rounded.step * np.ptp(rounded.level_table, axis=1)
                spreads = spreads_of(apply_activation(op, values[node.name]))
                about[node.name] = Rounded(weights[node.name], heights, spreads)
            levels = allocate(about, self.levels)
            found = {n: self._round(op, values[n], levels[n]) for n, op in layers.items()}
        return with_ops(graph, found, level=Level.STAIRCASE)

    def _round(self, op: Activation, z: Array, levels: int | NDArray[np.int64]) -> Staircase:
        if op.function == "clip":
            assert isinstance(levels, int)
            return _clip_staircase(op, z.shape[1], levels, self.rounding)
        low, high = z.min(axis=0), z.max(axis=0)
        if self.range == "layer":
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        # The range of a periodic function does not grow with its argument's: reaching far costs no
        # accuracy, and deep sine networks amplify what is cut off.
        share = max(self.margin, _PERIODIC_MARGIN) if op.function in _PERIODIC else self.margin
        reach = share * (high - low)
        return build_staircase(op, low - reach, high + reach, levels)


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
