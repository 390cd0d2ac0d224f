"""Sums that are whole numbers of a unit, so that float64 adds them without rounding in any order.

A map that reads a staircase whose values are the level numbers 0 to L - 1 adds multiples of its
weights. If all weights and the bias of a row are multiples of one power of two, its *unit*, and
no sum reaches 2^53 of it, every order of adding gives the same number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Affine, Graph, Node, Staircase
from pinnir.numerics.matrix import Array, apply, dense, scaled

_MANTISSA = 53  # bits
# Bits of a unit whose multiples are to be exact.
_SHORT = 16
# Largest threshold of a neuron that counts: finer weights than that needs are of no use.
_MOST_COUNTED = 2**22


def reads_levels(node: Node) -> bool:
    """Whether a node is a map that reads a staircase."""
    return isinstance(node.op, Affine) and isinstance(node.operands[0].op, Staircase)


def numbered(op: Staircase) -> Staircase:
    """The staircase with its level numbers as values, counted from 0 or, if signed, around it."""
    ones = np.ones_like(op.base)
    return Staircase(op.boundaries, op.directions, op.start - zero_level(op), 0 * ones, ones)


def zero_level(op: Staircase) -> NDArray[np.int32]:
    """The level of each neuron that is called 0: the lowest, or what signed neurons call so."""
    levels = op.level_table
    return np.asarray(np.where(is_signed(op), 0, levels.min(axis=1)), np.int32)


def is_signed(op: Staircase) -> bool:
    """Whether levels are counted in both directions from the middle, as signed neurons do."""
    count = op.boundaries.shape[1]
    return count > 0 and bool(np.all(2 * op.start == -count))


def numbered_network(graph: Graph) -> Graph:
    """The staircase network whose staircases have their level numbers as values."""
    maps = {
        node.name: on_numbers(node.op_as(Affine), node.operands[0].op_as(Staircase))
        for node in graph.nodes
        if reads_levels(node)
    }

    def change(node: Node) -> Node:
        if isinstance(node.op, Staircase):
            return node.with_op(numbered(node.op))
        return node.with_op(maps.get(node.name, node.op))

    return graph.rewrite(change)


def on_numbers(map_: Affine, op: Staircase) -> Affine:
    """The map that reads ``numbered(op)`` in place of ``op``."""
    bias = map_.bias + apply(map_.weight, op.base + op.step * zero_level(op))
    weight = scaled(map_.weight, np.ones(map_.bias.size), op.step)
    return replace(map_, weight=weight, bias=bias)


def reach(map_: Affine, op: Staircase) -> Array:
    """A bound on every row's sums, whichever levels are called 0: ``(rows,)``."""
    levels = np.ptp(op.level_table, axis=1)
    bound: Array = np.abs(map_.bias) + np.abs(dense(map_.weight)) @ (2.0 * levels)
    return bound


def unit_for(bound: Array, bits: int) -> Array:
    """The smallest power of two of which integers of ``bits`` bits and a sign reach ``bound``."""
    exponents = np.frexp(bound)[1]  # bound < 2^exponent
    return np.where(bound > 0, np.ldexp(1.0, exponents - bits), 1.0)


def short(unit: Array) -> Array:
    """Units a little larger, of few bits, so that their multiples are exact numbers."""
    fraction, exponents = np.frexp(unit)
    found: Array = np.ldexp(np.ceil(np.ldexp(fraction, _SHORT)), exponents - _SHORT)
    return found


def in_units(op: Staircase, unit: Array) -> Staircase:
    """The staircase of pre-activations that are whole numbers of ``unit`` ``(neurons,)``."""
    return replace(op, boundaries=np.ceil(op.boundaries / unit[:, None]))


def countable_unit(unit: Array, stairs: Iterable[Node]) -> Array:
    """Units a little larger, of which levels of a neuron of one staircase are a whole number."""
    ops = [node.op for node in stairs]
    if len(ops) != 1 or not isinstance(ops[0], Staircase) or ops[0].base.size != unit.size:
        return unit  # several units a neuron: their levels have different heights
    height = spacing(ops[0])
    whole = np.clip(
        np.floor(height / unit), 1, max(1.0, _MOST_COUNTED // ops[0].boundaries.shape[1])
    )
    return np.asarray(height / whole)


def spacing(op: Staircase) -> Array:
    """Distance between the last two boundaries of each neuron, ``(neurons,)``."""
    return np.asarray(op.boundaries[:, -1] - op.boundaries[:, -2])


def counted_in(op: Staircase, unit: Array, steps: int) -> Staircase:
    """An evenly spaced staircase in whole numbers of ``unit``, for neurons that count ``steps``.

    Its boundaries lie in the middle between levels, or on them if it rounds towards zero.
    """
    height = np.maximum(np.rint(spacing(op) / unit), 1.0)
    if steps % 2:
        height += height % 2  # half a threshold is a whole number
    places = np.arange(op.boundaries.shape[1])
    if not is_signed(op):
        low = np.rint((op.boundaries[:, 0] - spacing(op) / 2) / unit)
        boundaries = low[:, None] + height[:, None] * (places + 0.5)
        return replace(op, boundaries=boundaries)
    ups = op.boundaries[:, steps:]
    middle = (op.boundaries[:, :steps][:, ::-1] + ups).mean(axis=1) / 2
    first = np.rint(2 * (ups[:, 0] - middle) / spacing(op)) / 2  # 1/2, or 1 towards zero
    ends = height[:, None] * (first[:, None] + np.arange(steps))
    middle = np.rint(middle / unit)[:, None]
    boundaries = np.concatenate(
        [np.nextafter(middle - ends[:, ::-1], np.inf), middle + ends], axis=1
    )
    return replace(op, boundaries=boundaries)


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
