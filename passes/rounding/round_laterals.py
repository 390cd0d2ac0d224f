"""round-laterals: lateral synapses of population programs in few bits times a power of two.

Weights from coarse to fine units are differences of thresholds, and as wide as what they are
compared with. A chip whose synapses have few bits, but may shift their sum, takes them as whole
multiples of a power of two. A fine threshold so moves by a few of these multiples at most, a small
share of what its layer's sums range over; how far the program's levels move is measured as any
other error of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.graph import Affine, Graph, Level, Node
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import BlockDiagonal, entries
from pinnir.passes.fitting.operations import with_ops
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class RoundLaterals(Pass):
    """Round weights between units of one layer to few bits times a power of two.

    Attributes:
        bits: So that all of one sign that may reach a unit add up to less than ``2^bits`` times
            the power of two.
    """

    name = "round-laterals"
    accepts = (Level.SPIKING,)
    spelled = ("bits",)
    limits = (("bits", 2, 52),)

    bits: int = 14

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Round every lateral map that is wider."""
        laterals = {node.name: node for node in graph.nodes if _is_lateral(graph, node)}
        rounded = {name: self._rounded(node.op_as(Affine)) for name, node in laterals.items()}
        return with_ops(graph, rounded)

    def _rounded(self, op: Affine) -> Affine:
        blocks = entries(op.weight)
        sums = [np.maximum(sign * blocks, 0).sum(axis=2).max(initial=0) for sign in (1, -1)]
        # One bit more, since rounding may add to a sum.
        exponent = int(np.frexp(max(sums))[1]) - (self.bits - 1)
        if exponent <= 0:
            return op
        rounded = np.rint(blocks / 2.0**exponent) * 2.0**exponent
        return replace(op, weight=BlockDiagonal(rounded))


def _is_lateral(graph: Graph, node: Node) -> bool:
    """Whether a map goes from units straight to other units of the same neurons."""
    return (
        isinstance(node.op, Affine)
        and isinstance(node.op.weight, BlockDiagonal)
        and all(isinstance(operand.op, Threshold) for operand in node.operands)
        and all(isinstance(user.op, Threshold) for user in graph.users[node])
    )
