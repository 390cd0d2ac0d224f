"""What arrives at units without shared dendrites: fitted to spikes, and in whole numbers.

A pass that changes neurons layer by layer knows the spikes that really arrive at each layer. Here
is what it does with them: the sums that units get in every step, the ridge regression that makes
their means what they should be, and the whole numbers that a chip has for weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Node
from pinnir.numerics.integer_weights import Moments, fitted_integers
from pinnir.numerics.matrix import Array
from pinnir.numerics.ridge import regression

# What arrives, by the node that it comes from: values that stay, (samples, columns), or spikes,
# (steps, samples, units).
Arriving = Mapping[Node, NDArray[Any]]


def mean_over_steps(values: NDArray[Any]) -> Array:
    """Mean of what arrives, ``(samples, columns)``."""
    return values if values.ndim == 2 else np.asarray(values.mean(axis=0))


@dataclass(frozen=True, eq=False)
class SpikeSum:
    """A sum of maps, of spikes and of values that enter the core.

    Attributes:
        weights: ``(rows, columns)`` by source.
        bias: ``(rows,)``.
    """

    weights: Mapping[Node, Array]
    bias: Array

    def mean(self, arriving: Arriving) -> Array:
        """Mean over the steps, ``(samples, rows)``."""
        parts = [mean_over_steps(arriving[source]) @ w.T for source, w in self.weights.items()]
        return np.asarray(np.sum(parts, axis=0) + self.bias)

    def by_step(self, arriving: Arriving, steps: int) -> Array:
        """In every step, ``(steps, samples, rows)``."""
        total = np.zeros((steps, 1, 1)) + self.bias
        for source, weight in self.weights.items():
            total = total + arriving[source].astype(np.float64) @ weight.T
        return total

    def scaled(self, factors: Array) -> SpikeSum:
        """The same with rows times ``factors`` ``(rows,)``."""
        weights = {source: w * factors[:, None] for source, w in self.weights.items()}
        return SpikeSum(weights, self.bias * factors)

    def fitted(self, arriving: Arriving, wanted: Array, ridge: float) -> SpikeSum:
        """With the change of weights that brings the mean to ``wanted``, by ridge regression.

        What arrives and stays, such as the input, has no error to make up for.

        Args:
            arriving: By source.
            wanted: ``(samples, rows)``.
            ridge: Weight of a weight's change, relative to its input's variance.
        """
        if all(arriving[source].ndim == 2 for source in self.weights):
            return self
        x = np.concatenate([mean_over_steps(arriving[source]) for source in self.weights], axis=1)
        slope, constant = regression(x, wanted - self.mean(arriving), ridge)
        ends = np.cumsum([w.shape[1] for w in self.weights.values()])[:-1]
        changes = zip(self.weights.items(), np.split(slope, ends, axis=1), strict=True)
        return SpikeSum({s: w + change for (s, w), change in changes}, self.bias + constant)

    def whole(self, arriving: Arriving, bits: int, ridge: float) -> SpikeSum:
        """In whole numbers, every map's of ``bits`` bits times a power of two.

        Weights are rounded so that sums stay (``integer_weights.py``); what a map lost, those after
        it make up for, and at last the bias.
        """
        limit = 2 ** (bits - 1) - 1
        found: dict[Node, Array] = {}
        lost = np.zeros(1)
        for source, weight in self.weights.items():
            x = mean_over_steps(arriving[source])
            if found:
                weight = weight + regression(x, lost, ridge)[0]
            unit = _unit(weight, limit)
            whole = unit * fitted_integers(weight, Moments.of(x), np.full(len(weight), unit), limit)
            lost = lost + x @ (self.weights[source] - whole).T
            found[source] = whole
        return SpikeSum(found, np.rint(self.bias + lost.mean(axis=0)))


def _unit(weight: Array, limit: int) -> float:
    """The power of two, 1 at least, of which ``limit`` is no less than the largest weight."""
    most = float(np.abs(weight).max(initial=0.0)) / limit
    return float(2.0 ** max(0, int(np.ceil(np.log2(most))))) if most > 1 else 1.0
