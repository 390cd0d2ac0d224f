"""Spend a number of units where they count: levels for every neuron.

Rounding neuron ``i`` to ``L_i`` levels over a height ``h_i`` moves the outputs by an error with
variance ``w_i^2 h_i^2 / (12 (L_i - 1)^2)`` (see ``sensitivity.py``), and costs about
``2 sqrt(L_i)`` units in population coding. For a given number of units the sum of the variances is
least for ``L_i`` proportional to ``(w_i h_i)^(4/5)``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pinnir.ir import Array

# Bank sizes go in ratios of sqrt(2), so that a layer falls into few groups of equal neurons, from
# a quarter to four times the even one.
_LADDER = 2.0 ** (np.arange(-4, 5) / 2)
_HALVINGS = 60


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
    share = np.concatenate([weights[name] * heights[name] for name in heights])
    even = np.sqrt(levels)
    sizes = np.unique(np.maximum(2, np.round(even * _LADDER)).astype(np.int64))
    edges = np.sqrt(sizes[1:] * sizes[:-1])  # nearest size, by ratio
    budget = len(share) * 2 * (even - 1)

    def chosen(factor: float) -> NDArray[np.int64]:
        return sizes[np.searchsorted(edges, factor * share**0.4)]

    positive = share[share > 0]
    low, high = 0.0, sizes[-1] / positive.min() ** 0.4 if positive.size else 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        units = 2 * (chosen(middle) - 1).sum()
        low, high = (middle, high) if units <= budget else (low, middle)
    ends = np.cumsum([weights[name].size for name in heights])
    parts = np.split(chosen(low) ** 2, ends[:-1])
    return dict(zip(heights, parts, strict=True))
