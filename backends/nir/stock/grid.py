"""Rounds a core's numbers to grids on which single precision sums exactly.

Readers of NIR compute in single precision, in an order of their own. If everything that a unit
sums is a multiple of one quantum, and no partial sum is beyond 2^24 quanta, then every order gives
the same sum, the one of the oracle. The quantum is a power of two, one for each row of a map. What
a map of the input brings is such a multiple if the input lies on a grid as well, and the weights
are multiples of the quantum divided by the input's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.backends.nir.stock.canonical import is_direct, reads
from pinnir.ir.graph import Affine, Graph, Input, Node
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import Array, BlockDiagonal, dense

# No sum is beyond 2^23 quanta, so that the difference of two is still exact: a memoryless unit of
# the readers takes its last input away from the new one.
_SUM_BITS = 23
# Of these the input takes so many; a map of the input has the others.
INPUT_BITS = 10
# Rounding to the grid may make a sum that much larger.
_SLACK = 1.001


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A canonical core whose sums single precision computes exactly.

    Attributes:
        graph: Its numbers are multiples of their quanta.
        quantum: Of every node's rows, by node: powers of two ``(rows,)``.
        input_step: The input's columns must be multiples of these powers of two.
        reach: The input's columns must not be larger than this.
    """

    graph: Graph
    quantum: dict[Node, Array]
    input_step: Array
    reach: Array

    def points(self, x: Array) -> Array:
        """The nearest inputs on the grid, ``(samples, columns)``."""
        limit = np.floor(self.reach / self.input_step) * self.input_step
        return np.clip(_nearest(x, self.input_step), -limit, limit)


def on_grid(core: Graph, reach: Array) -> OnGrid:
    """Round a canonical core.

    Args:
        core: From :func:`canonical`.
        reach: Largest size of every column of its input, ``(columns,)``.
    """
    largest = _power(np.where(reach > 0, reach, 1.0))
    step = largest * 2.0**-INPUT_BITS
    quantum = _quanta(core, _bounds(core, largest))
    new: dict[Node, Node] = {}
    for node in core.nodes:
        operands = tuple(new[operand] for operand in node.operands)
        new[node] = _rounded(node.with_operands(*operands), quantum[node], step)
    graph = replace(core, inputs=(new[core.inputs[0]],), outputs=(new[core.outputs[0]],))
    return OnGrid(graph, {new[n]: q for n, q in quantum.items()}, step, largest)


def _power(value: Array) -> Array:
    """The next power of two, exactly."""
    fraction, exponent = np.frexp(value)
    return np.asarray(np.ldexp(1.0, exponent - (fraction == 0.5)))


def _bounds(core: Graph, reach: Array) -> dict[Node, Array]:
    """For maps and the input, the largest value of every column; for units, of any of its sums."""
    found: dict[Node, Array] = {}
    for node in core.nodes:
        op = node.op
        if isinstance(op, Input):
            found[node] = reach
        elif isinstance(op, Affine):
            arriving = sum(_leaving(o, found) for o in node.operands)
            found[node] = np.abs(dense(op.weight)) @ arriving + np.abs(op.bias)
        else:
            current = np.sum([found[operand] for operand in node.operands], axis=0)
            found[node] = _unit_bound(node, current, core.steps)
    return found


def _leaving(node: Node, bounds: dict[Node, Array]) -> Array:
    return bounds[node] if isinstance(node.op, Affine | Input) else np.ones_like(bounds[node])


def _unit_bound(node: Node, current: Array, steps: int) -> Array:
    """Largest sum of a unit: its threshold and the bias that replaces it, its memory, its input.

    A membrane potential may run away from the threshold, and then is beyond the grid. With a
    constant input it never comes back, so that only sums around the threshold matter; with spikes
    it may, so all of the steps count.
    """
    op = node.op
    if not isinstance(op, IF):
        return 2.0 * current
    if op.feedback is not None:
        current = current + np.abs(dense(op.feedback)).sum(axis=1)
    driven = any(reads(source) for source in reads(node))
    counted = steps if driven else 2
    return counted * (current + op.threshold) + op.threshold


def _quanta(core: Graph, bounds: dict[Node, Array]) -> dict[Node, Array]:
    """The quantum of every row: one for all rows that are summed."""
    found: dict[Node, Array] = {}
    for node in core.nodes:
        own = not isinstance(node.op, Affine) or node is core.outputs[0]
        needed = _power(bounds[node] * _SLACK) * 2.0**-_SUM_BITS
        found[node] = needed if own else np.zeros_like(needed)
    before = -1.0
    while (total := sum(float(q.sum()) for q in found.values())) != before:
        before = total
        for node in reversed(core.nodes):
            _tie(node, found)
    return {node: np.where(q > 0, q, 1.0) for node, q in found.items()}


def _tie(node: Node, quanta: dict[Node, Array]) -> None:
    """Give what is summed at a node one quantum, the largest."""
    if isinstance(node.op, Input) or (isinstance(node.op, Affine) and is_direct(node)):
        return
    if not isinstance(node.op, Affine):
        largest = np.max([quanta[n] for n in (node, *node.operands)], axis=0)
        for one in (node, *node.operands):
            quanta[one] = largest
        return
    weight = dense(node.op.weight)
    rows, sources = np.nonzero(weight)
    for operand in node.operands:
        np.maximum.at(quanta[operand], sources, quanta[node][rows])
    for operand in node.operands:
        np.maximum.at(quanta[node], rows, quanta[operand][sources])


def _rounded(node: Node, quantum: Array, input_step: Array) -> Node:
    """A node whose numbers are multiples of its quanta."""
    op = node.op
    if isinstance(op, Affine):
        grid = quantum[:, None]
        if any(isinstance(operand.op, Input) for operand in node.operands):
            grid = grid / input_step
        # Copying maps hold signs, which are no multiples of anything, and exact as they are.
        weight = _nearest(dense(op.weight), grid) if is_direct(node) else op.weight
        return node.with_op(replace(op, weight=weight, bias=_nearest(op.bias, quantum)))
    if isinstance(op, Threshold):
        return node.with_op(replace(op, threshold=_next_threshold(op.threshold, quantum)))
    if isinstance(op, IF):
        feedback = op.feedback
        if feedback is not None:
            rows = quantum.reshape(len(feedback.blocks), -1, 1)
            feedback = BlockDiagonal(_nearest(feedback.blocks, rows))
        threshold = np.maximum(_nearest(op.threshold, quantum), quantum)
        return node.with_op(replace(op, threshold=threshold, feedback=feedback))
    return node


def _nearest(value: Array, grid: Array) -> Array:
    return np.asarray(np.round(value / grid) * grid)


def _next_threshold(threshold: Array, quantum: Array) -> Array:
    """The least multiple from which on a unit fires; those out of reach stay out of reach.

    Rounding up keeps pairs of units that fire on either side of one threshold apart.
    """
    half = 2.0 ** (_SUM_BITS - 1)
    return np.asarray(np.clip(np.ceil(threshold / quantum), -half, half) * quantum)
