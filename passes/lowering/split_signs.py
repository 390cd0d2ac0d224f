"""split-signs: a signed IF neuron as two unsigned ones.

The pair gets inputs ``x`` and ``-x``; when one fires, the other's potential is raised by the
threshold one step later, before its next input. So at every comparison the two potentials are
exact negatives of each other, and the pair fires exactly when the signed neuron does: the first
for +1, the second for -1. Units are interleaved: ``+, -, +, -, ...``. Centred neurons, which start
at half their threshold, become pairs that both start there; their potentials are mirror images
around that half, to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.graph import Affine, Graph, Level, Node
from pinnir.ir.names import Names
from pinnir.neurons import IF
from pinnir.neurons.start_units import START, potentials
from pinnir.numerics.matrix import BlockDiagonal, dense
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class SplitSigns(Pass):
    """Replace every signed IF neuron by two unsigned ones with cross feedback."""

    name = "split-signs"
    accepts = (Level.SPIKING,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Double the populations, their inputs and the columns of what reads them."""
        split: set[str] = set()
        names = Names.of(graph)

        def change(node: Node) -> Node:
            op = node.op
            if isinstance(op, IF) and op.signed:
                split.add(node.name)
                return Node(node.name, _pair(op), _entries(node, op, names), node.segment)
            if isinstance(op, Affine) and any(o.name in split for o in node.operands):
                columns = np.repeat(dense(op.weight), 2, axis=1)
                columns[:, 1::2] *= -1.0
                return node.with_op(replace(op, weight=columns))
            return node

        return graph.rewrite(change)


def _entries(node: Node, op: IF, names: Names) -> tuple[Node, ...]:
    if not op.centred:
        return (_mirror(node.operands, names.fresh(f"{node.name}_in")),)
    (start,) = (operand for operand in node.operands if operand.name == f"{node.name}{START}")
    others = tuple(operand for operand in node.operands if operand is not start)
    potential = potentials(node)
    both = np.column_stack([potential, op.threshold - potential]).reshape(-1, 1)
    synapses = start.with_op(Affine(both, np.zeros(len(both))))
    return _mirror(others, names.fresh(f"{node.name}_in")), synapses


def _pair(op: IF) -> IF:
    threshold = np.repeat(op.threshold, 2)
    cross = op.threshold[:, None, None] * np.array([[0.0, 1.0], [1.0, 0.0]])
    bias = np.broadcast_to(op.bias, op.threshold.shape)
    both = np.column_stack([bias, -bias]).reshape(-1)
    return IF(threshold, bias=both, feedback=BlockDiagonal(cross))


def _mirror(entries: tuple[Node, ...], name: str) -> Node:
    """Give both signs of the sum of ``entries`` to the pairs."""
    rows = entries[0].op_as(Affine).bias.size
    signs = BlockDiagonal(np.tile([[1.0], [-1.0]], (rows, 1, 1)))
    return Node(name, Affine(signs, np.zeros(2 * rows)), entries, entries[0].segment)
