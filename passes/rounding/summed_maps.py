"""The layers of a core by their sums: what has to be counted in one unit, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Node, Staircase
from pinnir.numerics.matrix import BlockDiagonal, entries
from pinnir.passes.fitting.trainable_core import TrainableCore

_HINT = "run gather-synapses first"


@dataclass(frozen=True, eq=False)
class SumLayer:
    """Maps that add up to pre-activations or to what leaves, and what reads the sums.

    Attributes:
        maps: Names of maps of values that enter or of level numbers; equally many rows each.
        joins: Maps of maps: copies for several units a neuron, or a sum that leaves.
        stairs: Staircases that read maps or copies; none where the sums leave.
    """

    maps: frozenset[str]
    joins: tuple[Node, ...]
    stairs: tuple[Node, ...]


def sum_layers(core: TrainableCore) -> list[SumLayer]:
    """The layers of a core in running order.

    Raises:
        LegalizeError: If a map of maps has weights of its own, or leaves beside neurons.
    """
    import networkx

    reads = networkx.Graph()
    for node in core.nodes:
        reads.add_node(node)
        reads.add_edges_from(
            (o, node) for o in node.operands if isinstance(o.op, Affine) and o in core.nodes
        )
    place = {node: number for number, node in enumerate(core.nodes)}
    groups = [sorted(g, key=place.__getitem__) for g in networkx.connected_components(reads)]
    return [_layer(core, group) for group in sorted(groups, key=lambda g: place[g[0]])]


def _layer(core: TrainableCore, nodes: list[Node]) -> SumLayer:
    stairs = tuple(node for node in nodes if isinstance(node.op, Staircase))
    joins = tuple(n for n in nodes if n not in stairs and isinstance(n.operands[0].op, Affine))
    for node in joins:
        op = node.op_as(Affine)
        copies = isinstance(op.weight, BlockDiagonal) and np.all(entries(op.weight) == 1)
        if not copies or op.bias.any():
            problem = "is a map of a map, and integers have no scale for its weights"
            raise node.error(LegalizeError, problem, _HINT)
    for node in nodes:
        if stairs and core.graph.leaves(node):
            problem = "leaves the core in the units of the neurons that read it"
            raise node.error(LegalizeError, problem, _HINT)
    maps = frozenset(node.name for node in nodes if node not in (*stairs, *joins))
    return SumLayer(maps, joins, stairs)
