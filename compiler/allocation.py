"""Spend a number of units where they count: levels for every neuron.

Rounding neuron ``i`` to ``L_i`` levels over a height ``h_i`` moves the outputs by an error with
variance ``w_i^2 h_i^2 / (12 (L_i - 1)^2)`` (see ``sensitivity.py``), and costs about
``2 sqrt(L_i)`` units in population coding. For a given number of units the sum of the variances is
least for ``L_i`` proportional to ``(w_i h_i)^(4/5)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from pinnir.ir import Array

# Bank sizes go in ratios of sqrt(2), so that a layer falls into few groups of equal neurons, from
# a quarter to four times the even one.
_LADDER = 2.0 ** (np.arange(-4, 5) / 2)
_HALVINGS = 60
_TINY = np.finfo(np.float64).tiny


def allocate(
    weights: Mapping[str, Array], heights: Mapping[str, Array], levels: int
) -> dict[str, NDArray[np.int64]]:
    """Levels of every neuron, with no more units than ``levels`` for each would take.

    Args:
        weights: ``w`` of the neurons of each layer, ``(neurons,)``.
        heights: Largest minus smallest value of each neuron, ``(neurons,)``.
        levels: For each neuron, if they were spent evenly.

    Returns:
        Squares of bank sizes, ``(neurons,)`` for each layer.
    """
    if levels < 3:  # there is nothing to take from any
        return {name: np.full(height.shape, levels) for name, height in heights.items()}
    share = np.concatenate([weights[name] * heights[name] for name in heights])
    sizes = np.unique(np.maximum(2, np.round(np.sqrt(levels) * _LADDER)).astype(np.int64))
    edges = np.log(sizes[1:] * sizes[:-1]) / 2  # nearest size, by ratio
    wanted = 0.4 * np.log(np.maximum(share, _TINY))
    budget = len(share) * units_of(levels)

    def chosen(factor: float) -> NDArray[np.int64]:
        found: NDArray[np.int64] = sizes[np.searchsorted(edges, factor + wanted)]
        return found

    low, high = edges[0] - wanted.max(), edges[-1] - wanted.min() + 1
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        units = 2 * (chosen(middle) - 1).sum()
        low, high = (middle, high) if units <= budget else (low, middle)
    ends = np.cumsum([weights[name].size for name in heights])
    parts = np.split(chosen(low) ** 2, ends[:-1])
    return dict(zip(heights, parts, strict=True))


def units_of(levels: int) -> int:
    """Units of population coding for a monotone neuron: a bank of fine ones, and coarse ones."""
    size = max(2, isqrt(levels - 1) + 1)
    return size - 1 + max(0, -(-(levels - size) // size))
