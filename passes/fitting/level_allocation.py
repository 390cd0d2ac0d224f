"""Spend units and spikes where they count: levels for every neuron.

Rounding neuron ``i`` to ``L_i`` levels over a height ``h_i`` moves the outputs by an error with
variance ``w_i^2 h_i^2 / (12 (L_i - 1)^2)`` (see ``sensitivity.py``). In population coding it takes
two banks of about ``sqrt(L_i)`` units, each of which may be inverted: coarse ones, at whose
thresholds the neuron's value spends on average a share ``m_i / h_i`` of the time on the rarer side
(``m_i`` is the mean distance from its median), and fine ones, for which that share is about 1/4.
So it spikes about ``c_i sqrt(L_i)`` times, ``c_i = 1/4 + m_i / h_i``, and for a given number of
spikes the sum of the variances is least for ``L_i`` proportional to
``(w_i h_i)^(4/5) c_i^(-2/5)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics.matrix import Array

# Bank sizes go in ratios of sqrt(2), so that a layer falls into few groups of equal neurons, from
# a quarter to four times the even one.
_LADDER = 2.0 ** (np.arange(-4, 5) / 2)
_HALVINGS = 60
_TINY = np.finfo(np.float64).tiny
# How often a unit spikes whose threshold lies anywhere in an evenly spread value's range, if the
# rarer side is the one that spikes.
_EVEN_RATE = 0.25


@dataclass(frozen=True, eq=False)
class Rounded:
    """Neurons that are to be rounded, ``(neurons,)`` each.

    Attributes:
        weights: ``w``, what an error of each moves the outputs by.
        heights: ``h``, largest minus smallest value.
        spreads: ``m``, mean distance of the values from their median.
    """

    weights: Array
    heights: Array
    spreads: Array


def spreads_of(values: Array) -> Array:
    """Mean distance from the median of each neuron's values ``(samples, neurons)``."""
    return np.asarray(np.abs(values - np.median(values, axis=0)).mean(axis=0))


def allocate(layers: Mapping[str, Rounded], levels: int) -> dict[str, NDArray[np.int64]]:
    """Levels of every neuron.

    There are no more units than ``levels`` for each would take, and no more spikes than these
    units would fire if the neurons' values were evenly spread.

    Args:
        layers: The neurons of each layer.
        levels: For each neuron, if they were spent evenly.

    Returns:
        Squares of bank sizes, ``(neurons,)`` for each layer.
    """
    if levels < 3:  # there is nothing to take from any
        return {name: np.full(one.heights.shape, levels) for name, one in layers.items()}
    share = np.concatenate([one.weights * one.heights for one in layers.values()])
    costs = np.concatenate([_spikes_by_bank(one) for one in layers.values()])
    sizes = np.unique(np.maximum(2, np.round(np.sqrt(levels) * _LADDER)).astype(np.int64))
    edges = np.log(sizes[1:] * sizes[:-1]) / 2  # nearest size, by ratio
    wanted = 0.4 * np.log(np.maximum(share, _TINY)) - 0.2 * np.log(costs)
    most_units = len(share) * units_of(levels)
    most_spikes = most_units * _EVEN_RATE

    def chosen(factor: float) -> NDArray[np.int64]:
        found: NDArray[np.int64] = sizes[np.searchsorted(edges, factor + wanted)]
        return found

    low, high = edges[0] - wanted.max(), edges[-1] - wanted.min() + 1
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        bank = chosen(middle) - 1
        enough = 2 * bank.sum() <= most_units and (costs * bank).sum() <= most_spikes
        low, high = (middle, high) if enough else (low, middle)
    ends = np.cumsum([one.heights.size for one in layers.values()])
    parts = np.split(chosen(low) ** 2, ends[:-1])
    return dict(zip(layers, parts, strict=True))


def _spikes_by_bank(layer: Rounded) -> Array:
    """``c``: spikes of a neuron by the size of its banks."""
    moving = layer.heights > _TINY
    share = np.divide(layer.spreads, layer.heights, out=np.zeros(moving.shape), where=moving)
    return _EVEN_RATE + share


def units_of(levels: int) -> int:
    """Units of population coding for a monotone neuron: a bank of fine ones, and coarse ones."""
    size = max(2, isqrt(levels - 1) + 1)
    return size - 1 + max(0, -(-(levels - size) // size))
