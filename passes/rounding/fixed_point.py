"""fixed-point: write the staircase network so that its sums between layers never round.

1. A staircase's values become its level numbers, 0 to L - 1; the maps that read it take over its
   base and step.
2. Every such map is rounded to whole numbers of a unit, row by row. The unit of a neuron is as
   small as integers of ``bits`` bits and a sign allow that hold any sum of its inputs.

Such sums are exact in any order (``exact_sums.py``). The levels are then the same whether a sum is
computed anew, accumulated from changes over millions of points, or built up digit by digit, in
floating point or in a chip's integers. Analog input stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.exact_sums import numbered_network, reach, reads_levels, unit_for
from pinnir.ir.graph import Affine, Graph, Level, Node, Staircase
from pinnir.numerics.matrix import Array, entries, scaled, with_entries
from pinnir.passes.fitting.operations import with_ops
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FixedPoint(Pass):
    """Write the staircase network so that its sums between layers never round.

    Attributes:
        bits: Of the integers that hold sums, besides the sign.
    """

    name = "fixed-point"
    accepts = (Level.STAIRCASE,)
    limits = (("bits", 8, 52),)

    bits: int = 52

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Apply cases 1 and 2 to every staircase and every map that reads one."""
        graph = numbered_network(graph)
        bounds: dict[Node, Array] = {}
        for node in graph.nodes:
            if reads_levels(node):
                read = node.operands[0].op_as(Staircase)
                bounds[node] = reach(node.op_as(Affine), read)
        units = {node: unit_for(_together(node, graph, bounds), self.bits) for node in bounds}
        rounded = {node.name: _rounded(node.op_as(Affine), unit) for node, unit in units.items()}
        return with_ops(graph, rounded)


def _together(node: Node, graph: Graph, bounds: Mapping[Node, Array]) -> Array:
    """A bound on the sums that a map is part of."""
    found = bounds[node]
    for user in graph.users[node]:
        terms = [bounds[one] for one in user.operands if one in bounds]
        if isinstance(user.op, Staircase):
            found = np.maximum(found, np.sum(terms, axis=0))
    return found


def _rounded(map_: Affine, unit: Array) -> Affine:
    """The nearest map of whole numbers of the units ``(rows,)``."""
    every = np.ones(map_.weight.shape[1])
    counts = scaled(map_.weight, 1 / unit, every)  # of powers of two: nothing is rounded yet
    weight = scaled(with_entries(counts, np.rint(entries(counts))), unit, every)
    return replace(map_, weight=weight, bias=np.rint(map_.bias / unit) * unit)
