"""What the source network costs, and the part of it that spikes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from pinnir.base.bounds import Count, Natural
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Node, Primitive, is_elementwise
from pinnir.ir.sample_axes import Layout, columns_in, layouts
from pinnir.numerics.matrix import entries, nonzeros


class SourceCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the source network costs, per point: for one sample along every axis.

    Attributes:
        macs: Multiply-accumulates of all its affine maps, but for rows that copy a column, and of
            products of computed values.
        core_macs: Those in the spiking core.
        activations: Activations in the core.
    """

    macs: Natural
    core_macs: Natural
    activations: Count

    def __post_init__(self) -> None:
        if self.core_macs > self.macs:
            raise ValueError("the core costs more than the network")

    @property
    def core_mac_share(self) -> float:
        """Share of the multiply-accumulates that spikes take over; 0 where there are none."""
        return self.core_macs / self.macs if self.macs else 0.0


def source_cost(graph: Graph, original: Graph | None = None) -> SourceCost:
    """Cost of a tensor graph after ``split-host``, for one sample along every axis.

    Products of two computed values (a gate, the merge of a separable network) count as
    multiply-accumulates of the host; the other element-wise work does not.

    Args:
        graph: After ``split-host``.
        original: As it was imported, if ``flatten-features`` turned what is no product into maps;
            products are then counted there, and all but the host's maps are the core's.
    """
    known = layouts(graph)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    activations = sum(columns_in(known[node]) for node in spiking)
    maps = [node for node in graph.nodes if isinstance(node.op, Affine)]
    if original is None:
        sizes = {node: _products(node.op_as(Affine)) for node in maps}
        products = sum(_multiplications(n, known) for n in graph.nodes if _computed(n) > 1)
        core = sum(size for node, size in sizes.items() if node.in_core)
        macs = sum(sizes.values()) + products
        return SourceCost(macs=macs, core_macs=core, activations=activations)
    # Element-wise products are not told from those that spell an activation out, and left out.
    own = layouts(original)
    counted = [n for n in original.nodes if _computed(n) and not is_elementwise(n)]
    macs = sum(_multiplications(node, own) for node in counted)
    host = sum(node_synapses(node) for node in maps if not node.in_core)
    return SourceCost(macs=macs, core_macs=max(0, macs - host), activations=activations)


def _products(op: Affine) -> int:
    """What a map multiplies: all its entries, but for rows that copy a column as it is."""
    rows = entries(op.weight)
    copies = (np.count_nonzero(rows, axis=-1) == 1) & (rows.sum(axis=-1) == 1)
    return int(rows.shape[-1] * np.count_nonzero(~copies))


def _computed(node: Node) -> int:
    """How many operands are no constants."""
    return sum(not isinstance(operand.op, Constant) for operand in node.operands)


def _multiplications(node: Node, known: Mapping[Node, Layout]) -> int:
    """What a primitive multiplies for one sample an axis."""
    op = node.op
    if not isinstance(op, Primitive) or op.operator.multiplications is None:
        return 0
    values = [known[one] for one in (node, *node.operands)]
    shapes = [tuple(d if isinstance(d, int) else 1 for d in layout) for layout in values]
    return op.operator.multiplications(*shapes, **op.attributes)


def node_synapses(node: Node) -> int:
    """Non-zero weights of a node: of its map, or of its feedback."""
    if isinstance(node.op, Affine):
        return nonzeros(node.op.weight)
    feedback = getattr(node.op, "feedback", None)
    return 0 if feedback is None else nonzeros(feedback)
