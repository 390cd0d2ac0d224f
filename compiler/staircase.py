"""Round an activation function to levels: where are the boundaries?

A staircase has levels ``y_k = base + step * k`` and boundaries where ``f`` crosses
``y_k - step / 2`` upwards (level ``k`` begins) or downwards (level ``k`` ends).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinnir.activations import ActivationSpec, activation
from pinnir.ir import Activation, Staircase
from pinnir.matrix import Array

# Halvings of the bracket; 60 take any float64 bracket of ordinary width to its last bit.
_BISECTIONS = 60


def build_staircase(op: Activation, low: Array, high: Array, levels: int) -> Staircase:
    """Round ``op`` to ``levels`` levels per neuron over its own range of pre-activations.

    Outside ``[low, high]`` the staircase keeps its end levels.

    Args:
        op: The activation.
        low: Lowest pre-activation of each neuron, ``(neurons,)``.
        high: Highest pre-activation of each neuron, ``(neurons,)``.
        levels: Number of levels ``L >= 2``; a neuron whose activation is constant gets one.
    """
    spec = activation(op.function)

    def f(z: Array) -> Array:
        return spec.function(z, *op.parameters)

    pieces = [_pieces(spec, op, a, b) for a, b in zip(low, high, strict=True)]
    ends = [f(knots) for knots in pieces]
    bottom = np.array([e.min() for e in ends])
    top = np.array([e.max() for e in ends])
    step = (top - bottom) / (levels - 1)
    # Levels closer than rounding errors are one level: a saturated neuron is constant.
    step[step <= 4 * np.finfo(np.float64).eps * np.maximum(np.abs(bottom), np.abs(top))] = 0.0
    if spec.inverse is not None and all(len(knots) == 2 for knots in pieces):
        return _monotone_staircase(spec, op, bottom, step, levels)
    rows = [_crossings(f, *row) for row in zip(pieces, ends, bottom, step, strict=True)]
    start = np.array(
        [_level(e[0], y, q) for e, y, q in zip(ends, bottom, step, strict=True)], np.int32
    )
    return _pad(rows, start, bottom, step)


def _pieces(spec: ActivationSpec, op: Activation, low: float, high: float) -> Array:
    turns = spec.turning_points(low, high, *op.parameters)
    inside = turns[(turns > low) & (turns < high)]
    return np.concatenate([[low], inside, [high]])


def _monotone_staircase(
    spec: ActivationSpec, op: Activation, bottom: Array, step: Array, levels: int
) -> Staircase:
    assert spec.inverse is not None
    crossing = bottom[:, None] + step[:, None] * (np.arange(1, levels) - 0.5)
    live = step > 0
    boundaries = np.full(crossing.shape, np.inf)
    boundaries[live] = spec.inverse(crossing[live], *op.parameters)
    directions = np.where(live[:, None], np.int8(1), np.int8(0)) * np.ones((1, levels - 1), np.int8)
    start = np.zeros(len(bottom), np.int32)
    return Staircase(boundaries, directions.astype(np.int8), start, bottom, step)


def _level(value: float, bottom: float, step: float) -> int:
    return int(np.floor((value - bottom) / step + 0.5)) if step > 0 else 0


def _crossings(
    f: Callable[[Array], Array], knots: Array, ends: Array, bottom: float, step: float
) -> tuple[Array, Array]:
    """Boundaries and directions of one neuron, piece by monotone piece."""
    boundaries, directions = [np.empty(0)], [np.empty(0)]
    for a, b, ya, yb in zip(knots[:-1], knots[1:], ends[:-1], ends[1:], strict=True):
        first, last = _level(ya, bottom, step), _level(yb, bottom, step)
        sign = 1 if last > first else -1
        passed = np.arange(first, last, sign, dtype=np.float64) + max(sign, 0)
        boundaries.append(_bisect(f, a, b, bottom + step * (passed - 0.5), sign))
        directions.append(np.full(passed.size, sign))
    return np.concatenate(boundaries), np.concatenate(directions)


def _bisect(f: Callable[[Array], Array], a: float, b: float, target: Array, sign: int) -> Array:
    low, high = np.full(target.shape, a), np.full(target.shape, b)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = sign * (f(middle) - target) >= 0
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return high


def _pad(
    rows: list[tuple[Array, Array]], start: np.ndarray, bottom: Array, step: Array
) -> Staircase:
    longest = max(len(boundaries) for boundaries, _ in rows)
    boundaries = np.full((len(rows), longest), np.inf)
    directions = np.zeros((len(rows), longest), np.int8)
    for i, (found, signs) in enumerate(rows):
        boundaries[i, : len(found)] = found
        directions[i, : len(found)] = signs
    return Staircase(boundaries, directions, start, bottom, step)
