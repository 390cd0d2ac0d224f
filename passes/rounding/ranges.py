"""How far pre-activations reach between the calibration points.

A network may change within a strip that is narrower than the distance of two points: a
normalisation of two columns jumps where they are equal. What a neuron reaches there, few points see
or none, and a staircase that ends before it is wrong there by more than all its rounding. So the
neighbourhood of the points at which a neuron is lowest and highest is searched, closer and closer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    box = context.domain
    if box is None or box.axis_count > 1 or len(box.columns) > _MOST_COLUMNS or not seen:
        return {name: np.zeros((2, z.shape[1])) for name, z in seen.items()}
    points = context.calibration
    rng = np.random.default_rng(context.seed)
    chosen, best = _farthest(seen.values())
    at, first = points[chosen], best
    radius = len(points) ** (-1 / len(box.columns)) * (box.high - box.low)
    for _ in range(_ROUNDS):
        starts = np.unique(at, axis=0)
        if len(starts) > _STARTS:
            starts = starts[np.linspace(0, len(starts) - 1, _STARTS).astype(np.intp)]
        moves = radius * rng.standard_normal((_AROUND, *starts.shape))
        around = np.clip(starts + moves, box.low, box.high).reshape(-1, starts.shape[1])
        rows = max(1, 2 * _ENTRIES // best.size)
        for part in np.split(around, range(rows, len(around), rows)):
            with np.errstate(all="ignore"):  # the network need not be finite everywhere
                values = preactivations(graph, graph.bind(part))
            chosen, reached = _farthest(values.values())
            better = reached > best
            best = np.where(better, reached, best)
            at[better] = part[chosen[better]]
        radius = _CLOSER * radius
    widths = first.reshape(2, -1).sum(axis=0)
    far = np.minimum((best - first).reshape(2, -1), _FARTHEST * widths)
    ends = np.cumsum([z.shape[1] for z in seen.values()])[:-1]
    return dict(zip(seen, np.split(far, ends, axis=1), strict=True))


def _farthest(layers: Iterable[Array]) -> tuple[NDArray[np.intp], Array]:
    """Where every pre-activation is lowest and highest, and how far down and up it is there.

    Args:
        layers: Pre-activations, ``(samples, neurons)`` each.

    Returns:
        Both ``(2 neurons,)``: rows, and values with their sign turned in the first half, so that
        in both halves the largest is farthest.
    """
    found: list[tuple[NDArray[np.intp], Array]] = []
    values = list(layers)
    for sign in (-1.0, 1.0):
        for z in values:
            signed = np.where(np.isfinite(z), sign * z, -np.inf)
            chosen = signed.argmax(axis=0)
            found.append((chosen, signed[chosen, np.arange(chosen.size)]))
    rows, reached = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(reached)
