"""Functions that round have a grid of values of their own.

The activations of a quantised network take few values, ``offset + quantum k`` with whole ``k``. A
staircase of them needs no more levels than they have, and with as many it is the function itself.
Which grid it is follows from the operators that spell the function out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pinnir.ir.graph import Activation, Constant, Node, Primitive, kind_of
from pinnir.numerics.matrix import Array
from pinnir.passes.tidying.fuse_affine import scale_and_shift

_ROUNDING = ("Ceil", "Floor", "Round", "Sign")
_BOUNDING = ("Clip", "Max", "Min")


class Grid(NamedTuple):
    """Values ``offset + quantum k``.

    Attributes:
        quantum: For all neurons, or ``(neurons,)``.
        offset: Likewise.
    """

    quantum: Array
    offset: Array


def quantum_of(op: Activation) -> Array | None:
    """What the values of an activation are multiples of, up to an offset; None if of nothing."""
    if op.body is None:
        return None
    found: dict[Node, Grid | None] = {}
    for node in op.body.nodes:
        found[node] = _grid(node, [found[operand] for operand in node.operands])
    grid = found[op.body.outputs[0]]
    return None if grid is None else grid.quantum


def _grid(node: Node, operands: list[Grid | None]) -> Grid | None:
    """The grid of one operator's values, from those of its operands."""
    op = node.op
    if isinstance(op, Primitive) and op.kind in _ROUNDING:
        return Grid(np.ones(()), np.zeros(()))
    given = [grid for grid in operands if grid is not None]
    if len(given) != 1:
        return None
    (grid,) = given
    if isinstance(op, Activation) and op.function == "relu" and op.body is None:
        return grid if _lies_on(grid, np.zeros(())) else None
    if kind_of(node) == "Neg":
        return Grid(grid.quantum, -grid.offset)
    found = scale_and_shift(node)
    if found is not None:
        _, scale, shift = (found[0], *(value.reshape(-1) for value in found[1:]))
        return Grid(np.abs(scale) * grid.quantum, scale * grid.offset + shift)
    bounds = [o.op.value.reshape(-1) for o in node.operands if isinstance(o.op, Constant)]
    if kind_of(node) in _BOUNDING and all(_lies_on(grid, bound) for bound in bounds):
        return grid
    return None


def _lies_on(grid: Grid, bound: Array) -> bool:
    """Whether a bound cuts a grid at one of its values, or not at all."""
    steps = (bound - grid.offset) / grid.quantum
    steps = steps[np.isfinite(steps)]
    return bool(np.allclose(steps, np.rint(steps), rtol=0, atol=1e-6))
