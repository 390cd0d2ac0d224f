"""Expansions: functions of one column each are activations, whatever dimensions they fill.

A Kolmogorov-Arnold layer expands every column into basis functions (splines, Chebyshev polynomials,
radial functions, sines) and maps them linearly. Networks spell that in values of several feature
dimensions, ``(samples, columns, functions)``, of grids, comparisons, recursions and slices. It is
recognised by what depends on one column alone (``followed_columns.py``), not by names:

1. Neurons give the values behind which all is linear as far as the next table, where they are
   fewest: basis functions before they are scaled and summed, but a spline rather than the two terms
   that its recursion adds up.
2. That table becomes a sum of affine maps of neurons and of other tables.
3. The neurons are an activation behind a map that copies columns; its body holds one number a
   neuron wherever the network has one an entry.

``fuse-activations`` does all this where no value has more dimensions than a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np

from pinnir.base.errors import PinnirError
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Constant, Graph, Input, Node, Primitive, width
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import Layout, axes_of, columns_in, is_table, layouts
from pinnir.ir.shape_values import made_of_shapes
from pinnir.ir.value_types import is_floating
from pinnir.numerics.matrix import Array
from pinnir.passes.tidying.bodies import activation_of
from pinnir.passes.tidying.followed_columns import FollowedColumns
from pinnir.passes.tidying.tables import from_table, picking, summands

# Entries of a value between neurons and a table that are computed at once.
_ENTRIES = 2**22


def with_expansions(graph: Graph) -> Graph:
    """A tensor graph with neurons wherever values of more dimensions than tables follow columns."""
    try:
        known = layouts(graph)
        if all(is_table(known[node]) for node in graph.nodes if _is_computed(node)):
            return graph
        followed = FollowedColumns(graph, known)
    except PinnirError:  # it is for one number of samples, or for several: no table can be told
        return graph
    return _Rebuilding(graph, known, followed).graph_of_neurons()


def _is_computed(node: Node) -> bool:
    return not isinstance(node.op, Constant) and is_floating(node)


@dataclass(frozen=True)
class _Chain:
    """A chain of linear operators.

    Attributes:
        ends: Where it begins.
        wide: Whether a value of it has other dimensions than a table.
    """

    ends: tuple[Node, ...]
    wide: bool


@dataclass(eq=False)
class _Rebuilding:
    """A graph whose expansions become neurons.

    Attributes:
        graph: The old graph.
        layouts: Of its nodes.
        followed: What follows columns.
        counts: What is made of shapes.
        names: Of new nodes.
        new: The new node of every old one so far.
        neurons: The activation for every value that is to be neurons' so far.
    """

    graph: Graph
    layouts: Mapping[Node, Layout]
    followed: FollowedColumns
    counts: set[Node] = field(init=False)
    names: Names = field(init=False)
    new: dict[Node, Node] = field(default_factory=dict)
    neurons: dict[Node, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts = made_of_shapes(self.graph)
        self.names = Names.of(self.graph)

    def graph_of_neurons(self) -> Graph:
        """The new graph."""
        found = self._linear_tables()
        for node in self.graph.nodes:
            if node in found:
                self.new[node] = self._map(node, found[node])
            else:
                operands = (self.new[operand] for operand in node.operands)
                self.new[node] = node.with_operands(*operands)
        return self.graph.replaced(self.new)

    def _linear_tables(self) -> dict[Node, tuple[Node, ...]]:
        """Tables to rebuild, and what they are linear in: neurons, and other tables.

        Those are all that are linear in neurons of an expanded table; and if there are such, those
        that are linear in something by way of values of more dimensions.
        """
        found: dict[Node, _Chain] = {}
        chains: dict[Node, _Chain] = {}
        for node in self.graph.nodes:
            if not _is_computed(node) or len(axes_of(self.layouts[node])) != 1:
                continue
            chain, begun = self._chain(node, chains), _Chain((node,), wide=False)
            if node in self.followed:
                ends_here = not chain or self._neurons(chain.ends) > self._neurons(begun.ends)
            else:
                ends_here = is_table(self.layouts[node])
                if ends_here and chain:
                    found[node] = chain
            if ends_here:
                chains[node] = begun
            elif chain:
                chains[node] = chain
        neurons = {end for chain in found.values() for end in chain.ends if end in self.followed}
        expanded = {self.followed[end].table for end in neurons if self.followed[end].wide}

        def is_rebuilt(chain: _Chain) -> bool:
            own = neurons.intersection(chain.ends)
            return any(self.followed[one].table in expanded for one in own)

        return {
            node: chain.ends
            for node, chain in found.items()
            if is_rebuilt(chain) or (expanded and chain.wide)
        }

    def _neurons(self, ends: tuple[Node, ...]) -> int:
        return sum(self.followed[one].columns.size for one in ends if one in self.followed)

    def _chain(self, node: Node, chains: Mapping[Node, _Chain]) -> _Chain | None:
        """The linear chain that ends in a node, if it is linear in what has such or begins one."""
        moving = [_is_computed(operand) for operand in node.operands]
        inner = [chains.get(operand) for operand in compress(node.operands, moving)]
        if isinstance(node.op, Primitive):
            linear = node.op.operator.is_linear_in(moving)
        else:
            linear = isinstance(node.op, Affine)
        known = [chain for chain in inner if chain is not None]
        others = [one for one, moves in zip(node.operands, moving, strict=True) if not moves]
        fixed = all(isinstance(one.op, Constant) or one in self.counts for one in others)
        if not (linear and fixed and known and len(known) == len(inner)):
            return None
        ends = dict.fromkeys(end for chain in known for end in chain.ends)
        wide = not is_table(self.layouts[node]) or any(chain.wide for chain in known)
        return _Chain(tuple(ends), wide)

    def _map(self, node: Node, sources: tuple[Node, ...]) -> Node:
        """Case 2."""
        maps = summands(*self._linear(node, sources))
        parts: list[Node] = []
        for source, op in maps:
            name = node.name if len(maps) == 1 else self.names.fresh(f"{node.name}:part")
            operand = self._activation(source) if source in self.followed else self.new[source]
            parts.append(Node(name, op, (operand,)))
        return parts[0] if len(parts) == 1 else Node(node.name, Primitive("Sum"), tuple(parts))

    def _linear(self, node: Node, sources: tuple[Node, ...]) -> tuple[dict[Node, Array], Array]:
        """A table's weight for each source, found by giving each column alone, and its bias."""
        cut: dict[Node, Node] = {}
        for one in self.graph.nodes:
            operands = (cut[operand] for operand in one.operands)
            width_of = columns_in(self.layouts[one])
            cut[one] = (
                Node(one.name, Input(width_of)) if one in sources else one.with_operands(*operands)
            )
        inputs = tuple(dict.fromkeys(cut[one] for one in (*self.graph.inputs, *sources)))
        chain = replace(self.graph, inputs=inputs, outputs=(cut[node],))
        largest = max(columns_in(self.layouts[one]) for one in self.graph.nodes)

        def values(given: Node, rows: Array) -> Array:
            told = {one.name: np.zeros((len(rows), width(one))) for one in inputs}
            for one in sources:
                own = rows if one is given else told[one.name]
                told[one.name] = from_table(own, self.layouts[one])
            return evaluate(chain, told)[0]

        bias = values(sources[0], np.zeros((1, columns_in(self.layouts[sources[0]]))))[0]
        weights: dict[Node, Array] = {}
        for one in sources:
            rows = np.eye(columns_in(self.layouts[one]))
            parts = np.array_split(rows, 1 + rows.size * largest // _ENTRIES)
            found = np.concatenate([values(one, part) for part in parts if len(part)])
            weights[one] = np.ascontiguousarray((found - bias).T)
        return weights, bias

    def _activation(self, value: Node) -> Node:
        """Case 3."""
        if value not in self.neurons:
            told = self.followed[value]
            body = self.followed.function(value, np.arange(told.columns.size))
            table = self.new[told.table]
            copies = picking(np.maximum(told.columns, 0), columns_in(self.layouts[told.table]))
            copied = Node(self.names.fresh(f"{value.name}:columns"), copies, (table,))
            name = self.names.fresh(f"{value.name}:neurons")
            self.neurons[value] = Node(name, activation_of(body), (copied,))
        return self.neurons[value]
