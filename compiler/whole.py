"""Sums that are whole numbers of a unit, so that float64 adds them without rounding in any order.

A map that reads a staircase whose values are the level numbers 0 to L - 1 adds multiples of its
weights. If all weights and the bias of a row are multiples of one power of two, its *unit*, and
no sum reaches 2^53 of it, every order of adding gives the same number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.ir import Affine, Array, Node, Staircase
from pinnir.matrix import dense

_MANTISSA = 53  # bits


def reads_levels(node: Node) -> bool:
    """Whether a node is a map that reads a staircase."""
    return isinstance(node.op, Affine) and isinstance(node.operands[0].op, Staircase)


def numbered(op: Staircase) -> Staircase:
    """The staircase with its level numbers, counted from 0, as values."""
    ones = np.ones_like(op.base)
    return Staircase(op.boundaries, op.directions, op.start - lowest(op), 0 * ones, ones)


def lowest(op: Staircase) -> NDArray[np.int32]:
    """The lowest level of each neuron."""
    return np.asarray(op.level_table.min(axis=1), np.int32)


def on_numbers(map_: Affine, op: Staircase) -> Affine:
    """The map that reads ``numbered(op)`` in place of ``op``."""
    weight = dense(map_.weight)
    return Affine(weight * op.step, map_.bias + weight @ (op.base + op.step * lowest(op)))


def reach(map_: Affine, op: Staircase) -> Array:
    """A bound on every row's sums, whichever levels are called 0: ``(rows,)``."""
    levels = np.ptp(op.level_table, axis=1)
    bound: Array = np.abs(map_.bias) + np.abs(dense(map_.weight)) @ (2.0 * levels)
    return bound


def unit_for(bound: Array, bits: int) -> Array:
    """The smallest power of two of which integers of ``bits`` bits and a sign reach ``bound``."""
    exponents = np.frexp(bound)[1]  # bound < 2^exponent
    return np.where(bound > 0, np.ldexp(1.0, exponents - bits), 1.0)


def is_whole(map_: Affine, op: Staircase) -> bool:
    """Whether all sums of a map of level numbers add up without rounding."""
    if np.any(op.base != np.rint(op.base)) or np.any(op.step != 1):
        return False
    values = np.concatenate([dense(map_.weight), map_.bias[:, None]], axis=1)
    unit = np.ldexp(1.0, _last_bit(values).min(axis=1))
    return bool((reach(map_, op) < 2.0**_MANTISSA * unit).all())


def _last_bit(values: Array) -> NDArray[Any]:
    """Exponent of the last bit of each number that is set; very large for 0."""
    fraction, exponents = np.frexp(values)
    whole = np.ldexp(fraction, _MANTISSA).astype(np.int64)
    last = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return np.where(values == 0, 512, exponents - _MANTISSA + last)
