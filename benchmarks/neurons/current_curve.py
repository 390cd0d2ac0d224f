"""Rate of a membrane by its current, and a slope of it that training can follow.

A count of spikes is a staircase: its derivative is zero almost everywhere. The surrogate is the
derivative of the rate averaged over currents nearby, as it would be if the current were noisy
(J. Gygax and F. Zenke, "Elucidating the theoretical underpinnings of surrogate gradient learning
in spiking neural networks", Neural Computation 37, 2025: surrogate gradients are those of the
expected output under noise). It comes from the simulated membrane alone, and stays finite however
long the simulation is, which products of derivatives along all its steps do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pinnir.neurons.membranes.integrators import Scheme
from pinnir.neurons.membranes.membrane import Membrane
from pinnir.neurons.membranes.response import counts
from pinnir.numerics.matrix import Array

# Currents of a curve.
_CURRENTS = 4001
# Standard deviation of the noise that the slope belongs to, as a share of the currents' range.
_NOISE = 0.02


@dataclass(frozen=True, eq=False)
class Curve:
    """Rate and surrogate slope on an even grid of currents.

    Attributes:
        low: First current.
        high: Last current.
        rates: Spikes a step, ``(currents,)``.
        slopes: Surrogate derivatives of the rates by the current, same shape.
    """

    low: float
    high: float
    rates: Array
    slopes: Array

    def at(self, currents: Array) -> tuple[Array, Array]:
        """Rates and slopes at currents of any shape: those of the nearest current of the grid.

        Outside of the grid the rate is that at its end and the slope zero.
        """
        last = len(self.rates) - 1
        places = np.rint((currents - self.low) / (self.high - self.low) * last)
        inside = (places >= 0) & (places <= last)
        near = places.clip(0, last).astype(int)
        return self.rates[near], self.slopes[near] * inside


@cache
def curve(model: Membrane, scheme: Scheme, steps: int, low: float, high: float) -> Curve:
    """The curve of a membrane from rest, for so many steps, between two currents."""
    currents = np.linspace(low, high, _CURRENTS)
    rates = counts(model, scheme, currents, steps) / steps
    width = _NOISE * _CURRENTS
    offsets = np.arange(-round(4 * width), round(4 * width) + 1)
    kernel = np.exp(-((offsets / width) ** 2) / 2)
    padded = np.pad(rates, offsets[-1], mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return Curve(low, high, rates, np.gradient(smooth, currents))
