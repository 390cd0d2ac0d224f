"""balance-thresholds: one signed (or rectified) IF neuron per source neuron, its threshold fitted.

This is the published converter's step (Li et al., "A Free Lunch From ANN", ICML 2021; Zhang et
al., arXiv 2308.16372): ``f(z)`` becomes ``clip(z, -theta, theta)``, or ``clip(z, 0, theta)`` for
ReLU. ``theta`` is the largest activation seen (``max``), a ``percentile``, or the one of 95
candidates with the least mean square error of the quantised clip (``mmse``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import apply_activation, preactivations
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.operations import activations, with_ops
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

_CANDIDATES = 95
# Lower end of the clip as a multiple of theta; the slope of the function at zero is one.
_SHAPES = {"tanh": -1.0, "sin": -1.0, "relu": 0.0}


@dataclass(frozen=True)
class BalanceThresholds(Pass):
    """Replace every activation of the core by a clip with a fitted threshold.

    Attributes:
        method: ``max``, ``percentile`` or ``mmse``.
        per: One threshold a ``layer`` or a ``channel``.
        percentile: Of the absolute activations, for the method of that name.
        steps: Time steps whose quantisation ``mmse`` accounts for.
    """

    name = "balance-thresholds"
    accepts = (Level.TENSOR,)
    spelled = ("method", "per", "steps")
    limits = (("percentile", 0, 100), ("steps", 1, 2**20))

    method: Literal["max", "percentile", "mmse"] = "mmse"
    per: Literal["layer", "channel"] = "layer"
    percentile: float = 99.9
    steps: int = 32

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fit the thresholds on the calibration points.

        Raises:
            LegalizeError: If an activation is not close to a clip of its input.
        """
        values = preactivations(graph, graph.bind(context.calibration))
        clips: dict[str, Activation] = {}
        for node, op in activations(graph).items():
            if op.function not in _SHAPES:
                problem = f"one integrate-and-fire neuron cannot stand for {op.function}"
                raise node.error(LegalizeError, problem, "use split-thresholds")
            z, lower = values[node.name], _SHAPES[op.function]
            theta = self._thresholds(z, apply_activation(op, z), lower)
            clips[node.name] = Activation("clip", (lower * theta, theta))
        return with_ops(graph, clips)

    def _thresholds(self, z: Array, y: Array, lower: float) -> Array:
        """Thresholds ``(neurons,)`` for pre-activations ``z`` and activations ``y``."""
        size = np.abs(y)
        axis = None if self.per == "layer" else 0
        if self.method == "percentile":
            theta = np.percentile(size, self.percentile, axis=axis)
        else:
            theta = size.max(axis=axis)
        theta = np.maximum(theta, 1e-9)
        if self.method == "mmse":
            theta = self._least_error(z, y, theta, lower)
        return np.broadcast_to(theta, (z.shape[1],)).astype(np.float64)

    def _least_error(self, z: Array, y: Array, largest: Array, lower: float) -> Array:
        candidates = np.multiply.outer(np.linspace(0.05, 1.0, _CANDIDATES), largest)
        errors = []
        for theta in candidates:
            step = theta / self.steps
            counted = np.trunc(z / step) if lower < 0 else np.floor(z / step + 0.5)
            clipped = np.clip(counted, np.sign(lower) * self.steps, self.steps) * step
            errors.append(((clipped - y) ** 2).mean(axis=None if self.per == "layer" else 0))
        best = np.argmin(errors, axis=0)
        if self.per == "layer":
            return np.asarray(candidates[best])
        return np.asarray(np.take_along_axis(candidates, best[None], axis=0)[0])
