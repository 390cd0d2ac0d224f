"""Round an activation function to levels: where are the boundaries?

A staircase has levels ``y_k = base + step * k`` and boundaries where ``f`` crosses
``y_k - step / 2`` upwards (level ``k`` begins) or downwards (level ``k`` ends). ``f`` is cut at its
turning points into monotone pieces, and each piece is inverted by bisection, or in closed form
where the function has one. A function that rounds is its own staircase, of as many levels as it has
(``quanta.py``), if it is given as many.

All neurons are treated at once: arrays are ``(points, neurons)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation, Staircase
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array
from pinnir.passes.rounding.quanta import quantum_of

# Halvings of the bracket; 60 take any float64 bracket of ordinary width to its last bit.
_BISECTIONS = 60
# Points per neuron on which turning points are looked for; a function that turns twice between
# two of them is taken as monotone there.
_GRID = 1025
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_GOLDEN_STEPS = 60

Function = Callable[[Array], Array]
# (values, start of piece, end of piece, +1 rising or -1 falling) -> where they are reached
Inverse = Callable[[Array, Array, Array, NDArray[np.int64]], Array]


def build_staircase(
    op: Activation, low: Array, high: Array, levels: int | NDArray[np.int64]
) -> Staircase:
    """Round ``op`` to ``levels`` levels per neuron over its own range of pre-activations.

    Outside ``[low, high]`` the staircase keeps its end levels.

    Args:
        op: The activation.
        low: Lowest pre-activation of each neuron, ``(neurons,)``.
        high: Highest pre-activation of each neuron, ``(neurons,)``.
        levels: Number of levels ``L >= 2``, for all neurons or for each, ``(neurons,)``; a neuron
            whose activation is constant gets one, and none gets more than its function has.
    """

    def f(z: Array) -> Array:
        return apply_activation(op, z)

    # Ends of the monotone pieces, (pieces + 1, neurons); padding pieces have no length.
    knots = np.concatenate([low[None], turning_points(f, low, high), high[None]])
    ends = f(knots)
    bottom, top = ends.min(axis=0), ends.max(axis=0)
    step = (top - bottom) / (levels - 1)
    quantum = quantum_of(op)
    if quantum is not None:  # no neuron gets more levels than its function has
        own = np.rint((top - bottom) / quantum)
        step = np.where((own > 0) & (own < levels), quantum, step)
    # Levels closer than rounding errors are one level: a saturated neuron is constant.
    step[step <= 4 * np.finfo(np.float64).eps * np.maximum(np.abs(bottom), np.abs(top))] = 0.0
    invert = _inverse(op, f)
    reached = _levels_at(ends, bottom, step)
    pieces = [
        _crossings(invert, knots[p], knots[p + 1], reached[p], reached[p + 1], bottom, step)
        for p in range(len(knots) - 1)
    ]
    boundaries = np.concatenate([piece[0] for piece in pieces])
    directions = np.concatenate([piece[1] for piece in pieces])
    return _packed(boundaries, directions, reached[0], bottom, step)


def turning_points(f: Function, low: Array, high: Array) -> Array:
    """Where ``f`` turns between rising and falling, ``(turns, neurons)``, padded with ``high``."""
    grid = low + np.linspace(0.0, 1.0, _GRID)[:, None] * (high - low)
    values = f(grid)
    change = np.diff(values, axis=0)
    noise = 1e-12 * np.maximum(np.ptp(values, axis=0), np.abs(values).max(axis=0))
    sign = _carried(np.where(np.abs(change) <= noise, 0, np.sign(change)))
    turns = sign[1:] * sign[:-1] < 0
    count = int(turns.sum(axis=0).max(initial=0))
    # Row t holds the t-th turn of each neuron; where there are fewer, the row is padding.
    order = np.argsort(~turns, axis=0, kind="stable")[:count]
    real = np.take_along_axis(turns, order, axis=0)
    left = np.take_along_axis(grid, order, axis=0)
    right = np.take_along_axis(grid, np.minimum(order + 2, _GRID - 1), axis=0)
    peak = np.take_along_axis(sign[:-1], order, axis=0)
    found = _extremum(lambda z: peak * f(z), left, right) if count else left
    return np.where(real, found, high)


def _carried(sign: Array) -> Array:
    """Signs where a zero, a flat stretch, takes the sign before it."""
    rows = np.where(sign != 0, np.arange(len(sign))[:, None], 0)
    last = np.maximum.accumulate(rows, axis=0)
    return np.take_along_axis(sign, last, axis=0)


def _extremum(f: Function, left: Array, right: Array) -> Array:
    """Where a function with one peak between ``left`` and ``right`` is highest: golden section.

    A peak may be a jump's upper side, to the last bit, so the highest point that was seen counts.
    """
    best = 0.5 * (left + right)
    most = f(best)
    for _ in range(_GOLDEN_STEPS):
        inner, outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        nearer, farther = f(inner), f(outer)
        higher = nearer >= farther
        value, at = np.where(higher, nearer, farther), np.where(higher, inner, outer)
        best, most = np.where(value > most, at, best), np.maximum(most, value)
        left, right = np.where(higher, left, inner), np.where(higher, outer, right)
    return best


def _levels_at(values: Array, bottom: Array, step: Array) -> NDArray[np.int64]:
    safe = np.where(step > 0, step, 1.0)
    return np.where(step > 0, np.floor((values - bottom) / safe + 0.5), 0).astype(np.int64)


def _crossings(
    invert: Inverse,
    a: Array,
    b: Array,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    bottom: Array,
    step: Array,
) -> tuple[Array, Array]:
    """Boundaries and directions in one monotone piece, ``(crossings, neurons)``, inf and 0 padded.

    Level ``k`` begins where ``f`` rises through ``y_k - step / 2`` and ends where it falls through.
    """
    sign = np.where(last > first, 1, -1)
    count = np.abs(last - first)
    index = np.arange(count.max(initial=0))[:, None]
    real = index < count
    # Padding repeats the first crossing of its neuron, so that it stays in the function's range.
    passed = first + sign * np.where(real, index, 0) + (sign > 0)
    crossing = np.clip(invert(bottom + step * (passed - 0.5), a, b, sign), a, b)
    return np.where(real, crossing, np.inf), np.where(real, sign, 0)


def _inverse(op: Activation, f: Function) -> Inverse:
    """How to invert an activation in a monotone piece."""
    closed = ACTIVATIONS[op.function].inverse if op.body is None else None

    def by_formula(target: Array, a: Array, b: Array, sign: NDArray[np.int64]) -> Array:
        assert closed is not None
        with np.errstate(all="ignore"):  # neurons without a crossing here may be out of range
            return np.nan_to_num(closed(target, 0.5 * (a + b)))

    def by_bisection(target: Array, a: Array, b: Array, sign: NDArray[np.int64]) -> Array:
        low, high = np.broadcast_to(a, target.shape), np.broadcast_to(b, target.shape)
        for _ in range(_BISECTIONS if len(target) else 0):
            middle = 0.5 * (low + high)
            beyond = sign * (f(middle) - target) >= 0
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return high

    return by_bisection if closed is None else by_formula


def _packed(
    boundaries: Array, directions: Array, start: NDArray[np.int64], bottom: Array, step: Array
) -> Staircase:
    """A staircase from the boundaries of all pieces: padding moves to the end of each row."""
    order = np.argsort(directions == 0, axis=0, kind="stable")
    longest = int(np.count_nonzero(directions, axis=0).max(initial=0))
    rows = np.take_along_axis(boundaries, order, axis=0)[:longest].T
    signs = np.take_along_axis(directions, order, axis=0)[:longest].T
    return Staircase(
        np.ascontiguousarray(rows),
        np.ascontiguousarray(signs, np.int8),
        start.astype(np.int32),
        bottom,
        step,
    )
