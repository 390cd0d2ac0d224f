"""How far pre-activations reach between the calibration points.

A network may change within a strip that is narrower than the distance of two points: a
normalisation of two columns jumps where they are equal. What a neuron reaches there, few points see
or none, and a staircase that ends before it is wrong there by more than all its rounding. So the
neighbourhood of the points at which a neuron is lowest and highest is searched, closer and closer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pinnir.ir.evaluate import preactivations
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context

# Rounds of the search, points around each start in a round, and by how much rounds get closer.
_ROUNDS, _AROUND, _CLOSER = 8, 4, 1 / 3
# Beyond a singularity of the network there is no end: no range grows by more than this share.
_FARTHEST = 0.25
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
    first = best.copy()
    radius = len(points) ** (-1 / len(box.columns)) * (box.high - box.low)
    for _ in range(_ROUNDS):
        starts = np.unique(at, axis=0)
        moves = radius * rng.standard_normal((_AROUND, *starts.shape))
        around = np.clip(starts + moves, box.low, box.high).reshape(-1, starts.shape[1])
        with np.errstate(all="ignore"):  # the network need not be finite everywhere
            values = np.concatenate([*preactivations(graph, graph.bind(around)).values()], axis=1)
        values = sign * np.concatenate([values, values], axis=1)
        values[~np.isfinite(values)] = -np.inf
        chosen = values.argmax(axis=0)
        reached = values[chosen, np.arange(sign.size)]
        better = reached > best
        best = np.where(better, reached, best)
        at[better] = around[chosen[better]]
        radius = _CLOSER * radius
    beyond = np.split((best - first).reshape(2, -1), _ends(ends), axis=1)
    return {
        name: np.minimum(far, _FARTHEST * np.ptp(end, axis=0))
        for (name, end), far in zip(ends.items(), beyond, strict=True)
    }


def _ends(layers: dict[str, Array]) -> list[int]:
    return list(np.cumsum([end.shape[1] for end in layers.values()])[:-1])
