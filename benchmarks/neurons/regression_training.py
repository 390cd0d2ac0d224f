"""Training of a regression layer by surrogate gradient.

All units of a layer are one membrane under constant currents, so what training must know of the
dynamics is a function of the current: the rate, and its surrogate derivative. Both are simulated
once, on a fine grid of currents (``current_curve.py``); then iterations cost next to nothing, even
of Hodgkin-Huxley neurons. Only the encoder is moved, by Adam: the best read-out for an encoder is
known in closed form. The read-out of the trained layer is fitted to the spikes of the oracle.

Nothing but the data given decides: part of it is held back, and chooses the ridge of the read-out
and the iteration that is kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.neurons.current_curve import curve
from benchmarks.neurons.regression import RIDGES, RegressionLayer, held_back
from pinnir.ir.graph import Affine
from pinnir.neurons import LIF
from pinnir.numerics.adam import unbiased, with_gradient
from pinnir.numerics.matrix import Array, dense
from pinnir.numerics.ridge import regression

# LIF neurons take currents beyond the model's range, up to a spike in every step; by so many ranges
# above it all of them do.
_BEYOND = 4.0


def train(
    layer: RegressionLayer,
    points: Array,
    values: Array,
    *,
    iterations: int = 100,
    rate: float = 1e-2,
) -> RegressionLayer:
    """The layer trained on data.

    Args:
        layer: Where training starts.
        points: ``(samples, inputs)``, at least eight.
        values: ``(samples, outputs)``.
        iterations: Of Adam on all points that are not held back; 0 fits the read-out only.
        rate: Of learning, in units of the model's range of currents.

    Returns:
        The layer with the encoder that was best on the held-back points, which may be the first,
        and its read-out fitted to all points.
    """
    if iterations:
        training = _Training(layer, points, values)
        for number in range(1, iterations + 1):
            training.step(number, rate)
        layer = replace(layer, encoder=training.best)
    return layer.with_decoder_fitted(points, values)


class _Training:
    """An encoder in training: the one thing here that changes."""

    def __init__(self, layer: RegressionLayer, points: Array, values: Array) -> None:
        low, high = layer.model.drive
        self.range = high - low
        if isinstance(layer.model, LIF):
            high += _BEYOND * self.range
        self.curve = curve(layer.model, layer.scheme, layer.steps, low, high)
        self.values, self.held = values, held_back(len(points))
        self.inputs = np.column_stack([points, np.ones(len(points))])
        # One row a unit: its weights and its bias.
        self.rows = np.column_stack([dense(layer.encoder.weight), layer.encoder.bias])
        self.means = np.zeros_like(self.rows), np.zeros_like(self.rows)
        self.best, self.least = layer.encoder, np.inf
        self._judge()

    def step(self, number: int, rate: float) -> None:
        """The iteration of that number, from 1, of Adam, and the best read-out behind it."""
        self.means = with_gradient(*self.means, self._gradient())
        mean, root = unbiased(*self.means, number)
        self.rows = self.rows - rate * self.range * mean / root
        self._judge()

    def _judge(self) -> None:
        """Fit the read-out to the encoder as it is, and keep that if it is the best so far."""
        rates, self.slopes = self.curve.at(self.inputs @ self.rows.T)
        fit, losses = ~self.held, {}
        for ridge in RIDGES:
            weight, bias = regression(rates[fit], self.values[fit], ridge)
            errors = rates @ weight.T + bias - self.values
            losses[ridge] = float((errors[self.held] ** 2).mean()), weight, errors
        loss, self.weight, self.errors = min(losses.values(), key=lambda one: one[0])
        if loss < self.least:
            self.least, self.best = loss, Affine(self.rows[:, :-1], self.rows[:, -1])

    def _gradient(self) -> Array:
        """Of the mean square error on the points that are not held back, by the rows.

        The read-out stays: it is the best there is, so to first order its change changes nothing.
        """
        fit = ~self.held
        by_rate = 2 / fit.sum() * self.errors[fit] @ self.weight
        found: Array = (by_rate * self.slopes[fit]).T @ self.inputs[fit]
        return found
