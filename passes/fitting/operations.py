"""Which operations the nodes of a graph have, and the graph with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pinnir.ir.graph import Activation, Affine, Graph, Node, Op
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, with_entries


def activations(graph: Graph) -> dict[Node, Activation]:
    """The activations of the cores, in running order."""
    return {n: n.op for n in graph.nodes if n.in_core and isinstance(n.op, Activation)}


def with_ops(graph: Graph, ops: Mapping[str, Op], **fields: Any) -> Graph:
    """The graph with other operations, by the names of their nodes.

    Args:
        graph: Of any level.
        ops: The new operations.
        **fields: Attributes of the graph to set, such as ``level``.
    """
    return graph.rewrite(
        lambda node: node.with_op(ops[node.name]) if node.name in ops else node, **fields
    )


def with_values(node: Node, values: tuple[Array, Array]) -> Affine:
    """A node's map with other entries of its weight, and another bias."""
    weight, bias = values
    op = node.op_as(Affine)
    return replace(op, weight=with_entries(op.weight, weight), bias=bias)


def with_parameters(graph: Graph, parameters: Parameters) -> Graph:
    """The graph with other weights and biases of the maps of these names."""
    own = [node for node in graph.nodes if node.name in parameters]
    return with_ops(graph, {node.name: with_values(node, parameters[node.name]) for node in own})
