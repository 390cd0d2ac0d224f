"""Start units, which bring the initial potentials of rate programs in the first step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pinnir.ir.graph import Affine, Graph, Node
from pinnir.neurons import IF
from pinnir.numerics.matrix import Array, BlockDiagonal, dense

# What the name of a population's start synapses ends in.
START = "_start_out"


def potentials(node: Node) -> Array:
    """Initial potentials ``(units,)`` that a population's start unit gives it, or zeros."""
    for operand in node.operands:
        if operand.name == f"{node.name}{START}" and isinstance(operand.op, Affine):
            return dense(operand.op.weight)[:, 0]
    return np.zeros(node.op_as(IF).units)


def with_potentials(graph: Graph, name: str, values: Array) -> Graph:
    """A rate program with other initial potentials of one population.

    Its start unit's synapses get the new weights. A population without one, as signed neurons
    are, gets a start unit, unless all potentials are zero.

    Args:
        graph: Spiking graph that :func:`lower` made, before ``split-signs``.
        name: Of the population.
        values: Initial potentials ``(units,)``.
    """
    start = f"{name}{START}"
    known = any(node.name == start for node in graph.nodes)

    def change(node: Node) -> Node:
        if node.name == start:
            return node.with_op(Affine(values[:, None], np.zeros(values.size)))
        if node.name != name or known or not values.any():
            return node
        unit = start_synapses(node, node.operands[0], values, graph.steps)
        return node.with_operands(*node.operands, unit)

    return graph.rewrite(change)


def is_start(node: Node, users: Iterable[Node]) -> bool:
    """Whether a population only gives others their initial potential.

    Args:
        node: The population.
        users: Everything that reads it.
    """
    names = [user.name for user in users]
    return isinstance(node.op, IF) and bool(names) and all(n.endswith(START) for n in names)


def start_synapses(node: Node, source: Node, potential: Array, steps: int) -> Node:
    """Synapses that add ``potential`` to the layer's units in step 1, from a unit that fires then.

    The unit has threshold 1 and a constant input of 1, so it fires in step 1; its feedback then
    takes away more than the remaining steps can bring back.

    Args:
        node: The layer's population.
        source: A map of the layer, which says where the unit stands.
        potential: Initial potentials, ``(units,)``.
        steps: Time steps of the program.
    """
    constant = Affine(np.zeros((1, source.op_as(Affine).bias.size)), np.ones(1))
    entry = Node(f"{node.name}_start_in", constant, (source,), node.segment)
    unit = IF(np.ones(1), feedback=BlockDiagonal(np.full((1, 1, 1), -(steps + 1.0))))
    start = Node(f"{node.name}_start", unit, (entry,), node.segment)
    synapses = Affine(potential[:, None], np.zeros(potential.size))
    return Node(f"{node.name}{START}", synapses, (start,), node.segment)
