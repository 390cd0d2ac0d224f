"""gather-synapses: inside a core, everything between neurons becomes synapses.

The linear operators of a core (sums of residual connections, scalings, joins and cuts of columns)
disappear: the input of every activation, and every value that leaves the core, becomes a sum of
affine maps, each of one layer or of one value that enters. A residual connection so becomes skip
synapses, and parallel networks become a core of several strands. A sum that keeps the members of a
stack apart is block-diagonal, as their own maps are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pinnir.ir.graph import Activation, Affine, Graph, Level, Node
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import Layout, layouts
from pinnir.numerics.matrix import Array, BlockDiagonal, Matrix
from pinnir.passes.tidying.linear_chains import Combination, Combiner
from pinnir.passes.tidying.tables import summands
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class GatherSynapses(Pass):
    """Turn every linear chain of a core into a sum of affine maps, each of one layer."""

    name = "gather-synapses"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Rebuild the cores; a map of one layer stays as it is."""
        gathering = _Gathering(graph, layouts(graph), Names.of(graph))
        for node in graph.nodes:
            gathering.visit(node)
        return graph.replaced(gathering.outside)


@dataclass(frozen=True, eq=False)
class _Gathering:
    """A new graph in the making.

    Attributes:
        graph: The old graph.
        layouts: Of its nodes.
        names: Of new nodes.
        inside: The new node of every spiking activation.
        outside: The new node that everybody else takes an old node's value from.
        entering: The new maps behind an old operand of an activation.
        combiners: One a core.
    """

    graph: Graph
    layouts: Mapping[Node, Layout]
    names: Names
    inside: dict[Node, Node] = field(default_factory=dict)
    outside: dict[Node, Node] = field(default_factory=dict)
    entering: dict[Node, tuple[Node, ...]] = field(default_factory=dict)
    combiners: dict[str, Combiner] = field(default_factory=dict)

    def visit(self, node: Node) -> None:
        """Put new nodes in the place of ``node``, whose operands have been visited."""
        if not node.in_core:
            self.outside[node] = node.with_operands(*(self.outside[o] for o in node.operands))
            return
        self._combination(node)  # in this order no chain is longer than one step
        leaves = self.graph.leaves(node)
        if isinstance(node.op, Activation):
            maps = [one for source in node.operands for one in self._entering(source)]
            self.inside[node] = node.with_operands(*maps)
            if leaves:
                self.outside[node] = self._leaving(node, self.names.fresh(f"{node.name}:out"))
        elif leaves:
            self.outside[node] = self._leaving(node, node.name)

    def _entering(self, source: Node) -> tuple[Node, ...]:
        """The maps behind an activation's operand; other activations of it share them."""
        if source not in self.entering:
            alone = not self.graph.leaves(source)
            name = source.name if alone else self.names.fresh(f"{source.name}:in")
            self.entering[source] = self._maps(source, name)
        return self.entering[source]

    def _combination(self, node: Node) -> Combination:
        def begins(one: Node) -> bool:
            return one.segment != node.segment or isinstance(one.op, Activation)

        combiner = Combiner(self.layouts, begins)
        return self.combiners.setdefault(node.segment, combiner).of(node)

    def _maps(self, node: Node, name: str) -> tuple[Node, ...]:
        """Affine maps that add up to the value of a linear node."""
        weights, bias = self._combination(node)
        if isinstance(node.op, Affine) and set(weights) == set(node.operands):
            (operand,) = node.operands  # already a map of one layer
            return (Node(name, node.op, (self._source(operand, node),), node.segment),)
        found = summands(weights, bias)
        maps: list[Node] = []
        for source, op in found:
            own = name if len(found) == 1 else self.names.fresh(f"{name}:{source.name}")
            op = Affine(self._apart(weights[source]), op.bias)
            maps.append(Node(own, op, (self._source(source, node),), node.segment))
        return tuple(maps)

    @cached_property
    def _members(self) -> set[int]:
        """How many blocks the maps of the graph have."""
        ops = (node.op for node in self.graph.nodes if isinstance(node.op, Affine))
        return {len(op.weight.blocks) for op in ops if isinstance(op.weight, BlockDiagonal)}

    def _apart(self, weight: Array) -> Matrix:
        """A weight, in blocks if it maps each member on its own."""
        for count in sorted(self._members, reverse=True):
            if not any(size % count for size in weight.shape):
                blocks = BlockDiagonal.diagonal_of(weight, count)
                if np.count_nonzero(blocks.blocks) == np.count_nonzero(weight):
                    return blocks
        return weight

    def _source(self, source: Node, user: Node) -> Node:
        return self.inside[source] if source.segment == user.segment else self.outside[source]

    def _leaving(self, node: Node, name: str) -> Node:
        maps = self._maps(node, name)
        if len(maps) == 1:
            return maps[0]
        columns = maps[0].op_as(Affine).bias.size
        join = Affine(BlockDiagonal(np.ones((columns, 1, 1))), np.zeros(columns))
        return Node(name, join, maps, node.segment)
