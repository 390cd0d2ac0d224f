"""How far pre-activations reach between the calibration points.

A network may change within a strip that is narrower than the distance of two points: a
normalisation of two columns jumps where they are equal. What a neuron reaches there, few points see
or none, and a staircase that ends before it is wrong there by more than all its rounding. So the
neighbourhood of the points at which a neuron is lowest and highest is searched, closer and closer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import preactivations
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context

# Rounds of the search, points around each start in a round, and by how much rounds get closer.
_ROUNDS, _AROUND, _CLOSER = 8, 4, 1 / 3
# Starts of a round at most: neurons of very wide networks share them.
_STARTS = 2048
# Beyond a singularity of the network there is no end: no range grows by more than this share.
_FARTHEST = 0.25
# Pre-activations that are computed at once.
_ENTRIES = 2**23
# In boxes of more columns the calibration points are data rather than a cover of the box.
_MOST_COLUMNS = 16


def found_beyond(graph: Graph, context: Context, seen: Mapping[str, Array]) -> dict[str, Array]:
    """How far each neuron reaches beyond what the calibration points show.

    Args:
        graph: A tensor graph.
        context: Of its compilation. Without a domain, and where the network runs along several
            sample axes, the calibration points are all that is known.
        seen: Pre-activations on the calibration points, ``(samples, neurons)`` of each activation.

    Returns:
        ``(2, neurons)`` for each activation: how far below the lowest and above the highest, at
        most a quarter of the range.
    """
    ends = {name: np.stack([z.min(axis=0), z.max(axis=0)]) for name, z in seen.items()}
    box = context.domain
    if box is None or box.axis_count > 1 or len(box.columns) > _MOST_COLUMNS or not seen:
        return {name: np.zeros_like(end) for name, end in ends.items()}
    points = context.calibration
    rng = np.random.default_rng(context.seed)
    lowest = np.concatenate([z.argmin(axis=0) for z in seen.values()])
    highest = np.concatenate([z.argmax(axis=0) for z in seen.values()])
    # Signs turn both searches into one for the highest values.
    sign = np.repeat([-1.0, 1.0], lowest.size)
    at = points[np.concatenate([lowest, highest])]
    best = sign * np.concatenate([end[side] for side in (0, 1) for end in ends.values()])
    seen_first = best.copy()
    radius = len(points) ** (-1 / len(box.columns)) * (box.high - box.low)
    for _ in range(_ROUNDS):
        starts = np.unique(at, axis=0)
        if len(starts) > _STARTS:
            starts = starts[np.linspace(0, len(starts) - 1, _STARTS).astype(np.intp)]
        moves = radius * rng.standard_normal((_AROUND, *starts.shape))
        around = np.clip(starts + moves, box.low, box.high).reshape(-1, starts.shape[1])
        rows = max(1, _ENTRIES // lowest.size)
        for part in (around[first : first + rows] for first in range(0, len(around), rows)):
            chosen, reached = _farthest(graph, part)
            better = reached > best
            best = np.where(better, reached, best)
            at[better] = part[chosen[better]]
        radius = _CLOSER * radius
    beyond = np.split((best - seen_first).reshape(2, -1), _ends(ends), axis=1)
    return {
        name: np.minimum(far, _FARTHEST * np.ptp(end, axis=0))
        for (name, end), far in zip(ends.items(), beyond, strict=True)
    }


def _farthest(graph: Graph, points: Array) -> tuple[NDArray[np.intp], Array]:
    """Where every pre-activation is lowest and highest, and how far down and up it is there.

    Args:
        graph: A tensor graph.
        points: ``(samples, columns)``.

    Returns:
        Both ``(2 neurons,)``: rows of points, and values with their sign turned in the first half.
    """
    found: list[tuple[NDArray[np.intp], Array]] = []
    with np.errstate(all="ignore"):  # the network need not be finite everywhere
        layers = list(preactivations(graph, graph.bind(points)).values())
    for sign in (-1.0, 1.0):
        for z in layers:
            values = np.where(np.isfinite(z), sign * z, -np.inf)
            chosen = values.argmax(axis=0)
            found.append((chosen, values[chosen, np.arange(chosen.size)]))
    rows, reached = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(reached)


def _ends(layers: dict[str, Array]) -> list[int]:
    return list(np.cumsum([end.shape[1] for end in layers.values()])[:-1])
