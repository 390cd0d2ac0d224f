"""What the source network costs, and the part of it that spikes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import msgspec
import numpy as np

from pinnir.base.bounds import Count
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Node, Primitive, kind_of
from pinnir.ir.sample_axes import Layout, columns_in, layouts
from pinnir.numerics.matrix import nonzeros


class SourceCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the source network costs, per point: for one sample along every axis.

    Attributes:
        macs: Multiply-accumulates of all its affine maps, and of products of computed values.
        core_macs: Those in the spiking core.
        activations: Activations in the core.
    """

    macs: Count
    core_macs: Count
    activations: Count

    def __post_init__(self) -> None:
        if self.core_macs > self.macs:
            raise ValueError("the core costs more than the network")

    @property
    def core_mac_share(self) -> float:
        """Share of the multiply-accumulates that spikes take over."""
        return self.core_macs / self.macs


def source_cost(graph: Graph, original: Graph | None = None) -> SourceCost:
    """Cost of a tensor graph after ``split-host``, for one sample along every axis.

    Products of two computed values (a gate, the merge of a separable network) count as
    multiply-accumulates of the host; the other element-wise work does not.

    Args:
        graph: After ``split-host``.
        original: As it was imported, if ``flatten-features`` turned what is no product into maps;
            products are then counted there, and all but the host's maps are the core's.
    """
    if original is not None:
        return _cost_of_features(graph, original)
    known = layouts(graph)
    maps = {n: int(np.prod(n.op.weight.shape)) for n in graph.nodes if isinstance(n.op, Affine)}
    products = sum(_product_macs(node, known) for node in graph.nodes)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    return SourceCost(
        macs=sum(maps.values()) + products,
        core_macs=sum(size for node, size in maps.items() if node.in_core),
        activations=sum(columns_in(known[node]) for node in spiking),
    )


def _cost_of_features(graph: Graph, original: Graph) -> SourceCost:
    known = layouts(original)
    # Element-wise products are not told from those that spell an activation out, and left out.
    products = [node for node in original.nodes if kind_of(node) != "Mul"]
    macs = sum(_map_macs(node, known) + _product_macs(node, known) for node in products)
    host = [n for n in graph.nodes if isinstance(n.op, Affine) and not n.in_core]
    flat = layouts(graph)
    spiking = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation)]
    return SourceCost(
        macs=macs,
        core_macs=max(0, macs - sum(node_synapses(node) for node in host)),
        activations=sum(columns_in(flat[node]) for node in spiking),
    )


def _map_macs(node: Node, known: Mapping[Node, Layout]) -> int:
    """Multiplications of a computed value by fixed weights that an operator makes."""
    fixed = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    kind = node.op.kind if isinstance(node.op, Primitive) else ""
    if not fixed or len(fixed) == len(node.operands):
        return 0
    if kind == "Conv":
        return columns_in(known[node]) * prod(fixed[0].shape[1:])
    if kind in ("MatMul", "Gemm"):
        moving = next(o for o in node.operands if not isinstance(o.op, Constant))
        inner = known[moving][-1 if moving is node.operands[0] else -2]
        return columns_in(known[node]) * (inner if isinstance(inner, int) else 1)
    return 0


def _product_macs(node: Node, known: Mapping[Node, Layout]) -> int:
    """Multiplications of two computed values that a primitive makes for one sample an axis."""
    moving = [operand for operand in node.operands if not isinstance(operand.op, Constant)]
    if not isinstance(node.op, Primitive) or len(moving) < 2:
        return 0
    if node.op.kind == "Mul":
        return columns_in(known[node])
    if node.op.kind in ("MatMul", "Gemm"):
        inner = known[node.operands[0]][0 if node.op.attributes.get("transA") else -1]
        return columns_in(known[node]) * (inner if isinstance(inner, int) else 1)
    if node.op.kind == "Einsum":
        terms = node.op.attributes["equation"].replace(" ", "").partition("->")[0].split(",")
        lengths: dict[str, int] = {}
        for term, operand in zip(terms, node.operands, strict=True):
            for letter, dim in zip(term.replace("...", ""), known[operand], strict=False):
                lengths[letter] = dim if isinstance(dim, int) else 1
        return prod(lengths.values())
    return 0


def node_synapses(node: Node) -> int:
    """Non-zero weights of a node: of its map, or of its feedback."""
    if isinstance(node.op, Affine):
        return nonzeros(node.op.weight)
    feedback = getattr(node.op, "feedback", None)
    return 0 if feedback is None else nonzeros(feedback)
