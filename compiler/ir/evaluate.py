"""The oracle: what a graph of any level means, in float64.

One walk serves all levels. Segments run one after the other. A segment with spiking neurons runs
``graph.steps`` time steps, all its nodes in topological order within a step, so a feed-forward
spike arrives in the step it was fired in; what leaves it is the mean over the steps or the last
step's value. Everything else is one ordinary forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pinnir.base.errors import GraphError
from pinnir.base.registry import look_up
from pinnir.ir.graph import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Neuron,
    Node,
    Primitive,
    Scheduled,
    Staircase,
)
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array, apply
from pinnir.numerics.operators import OPERATORS, Tensor

Observer = Callable[[int, Node, Array], None]


def evaluate(
    graph: Graph, inputs: Mapping[str, Array], observe: Observer | None = None
) -> list[Array]:
    """Values of the graph's outputs.

    Args:
        graph: A graph of any level.
        inputs: Value of each input, ``(samples, width)``, by name.
        observe: Called with ``(step, node, value)`` for every computed value; ``step`` counts
            from 0, and is 0 for what is computed once.

    Returns:
        One array per output, ``(samples, columns)``.

    Raises:
        GraphError: If an input is missing or shapes do not fit.
    """
    graph = graph.meaning
    values: dict[Node, Array] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            if node.name not in inputs:
                raise node.error(GraphError, "no value was given")
            values[node] = np.asarray(inputs[node.name], np.float64)
        elif isinstance(node.op, Constant):
            values[node] = node.op.value
    for nodes in graph.segments.values():
        if any(isinstance(node.op, Neuron) for node in nodes):
            _simulate(graph, nodes, values, observe)
        else:
            for node in nodes:
                values[node] = compute_node(node, values)
                if observe is not None:
                    observe(0, node, values[node])
    return [values[output] for output in graph.outputs]


def compute_node(node: Node, values: Mapping[Node, Array]) -> Array:
    """Value of a node that has no state, from the values of its operands."""
    op = node.op
    operands = [values[operand] for operand in node.operands]
    if isinstance(op, Primitive):
        return compute(op.kind, op.attributes, operands, node.name)
    total = add(operands)
    if isinstance(op, Affine):
        return _affine(op, total, node.name)
    if isinstance(op, Activation):
        return apply_activation(op, total)
    if isinstance(op, Staircase):
        return op(total)
    raise node.error(GraphError, "has no value outside a simulation")


def _affine(op: Affine, x: Array, name: str) -> Array:
    columns = op.weight.shape[1]
    if x.shape[-1:] != (columns,):
        raise GraphError(
            f"takes {columns} columns, but its operand has shape {x.shape}", node=name, op="Affine"
        )
    return apply(op.weight, x) + op.bias


def apply_activation(op: Activation, z: Array) -> Array:
    """Value of an activation for ``z`` of shape ``(samples, arguments x neurons)``."""
    if op.body is None:
        return look_up(ACTIVATIONS, op.function, "activation").function(z, *op.parameters)
    names = [node.name for node in op.body.inputs]
    parts = [z] if op.arguments == 1 else np.split(z, op.arguments, axis=1)
    (value,) = evaluate(op.body, dict(zip(names, parts, strict=True)))
    return value


def add(operands: list[Array]) -> Array:
    """Sum of several in-edges, in their order."""
    total = operands[0]
    for operand in operands[1:]:
        total = total + operand
    return total


def _simulate(
    graph: Graph, nodes: tuple[Node, ...], values: dict[Node, Array], observe: Observer | None
) -> None:
    """Run one spiking core over time; ``values`` receives what leaves it."""
    inside = set(nodes)
    samples = next(
        len(values[operand]) for node in nodes for operand in node.operands if operand in values
    )
    state = {node: node.op.initial_state(samples) for node in nodes if isinstance(node.op, Neuron)}
    constant = _constant_nodes(nodes, inside)
    leaving = [node for node in nodes if graph.leaves(node)]
    total: dict[Node, Array] = {}
    for step in range(graph.steps):
        for node in nodes:
            if isinstance(node.op, Neuron):
                current = add([values[operand] for operand in node.operands])
                values[node], state[node] = node.op.step(state[node], current)
            elif isinstance(node.op, Scheduled):
                values[node] = _scheduled(node, values, step)
            elif step == 0 or node not in constant:
                values[node] = compute_node(node, values)
            if observe is not None:
                observe(step, node, values[node])
        if graph.read_out == "mean":
            for node in leaving:
                total[node] = total[node] + values[node] if step else values[node]
    for node, sums in total.items():
        values[node] = sums / graph.steps


def _scheduled(node: Node, values: Mapping[Node, Array], step: int) -> Array:
    op = node.op_as(Scheduled)
    total = add([values[operand] for operand in node.operands])
    gain = float(op.gains[step])
    if gain == 0:  # before its layer starts, or after an input arrived: most steps of a deep core
        return np.zeros((len(total), op.bias.size)) + op.bias
    return gain * apply(op.weight, total - op.centre) + op.bias


def _constant_nodes(nodes: tuple[Node, ...], inside: set[Node]) -> set[Node]:
    """Nodes that neither spikes nor schedules reach: their value is the same in every step."""
    constant: set[Node] = set()
    for node in nodes:
        quiet = all(o not in inside or o in constant for o in node.operands)
        if quiet and not isinstance(node.op, Neuron | Scheduled):
            constant.add(node)
    return constant


def trace(graph: Graph, inputs: Mapping[str, Array], names: Container[str]) -> dict[str, Array]:
    """Values of the named nodes, averaged over the time steps; nothing else is computed.

    Args:
        graph: A graph of any level.
        inputs: Value of each input, by name.
        names: Which nodes to keep.

    Returns:
        ``(samples, columns)`` for each name that the graph holds.
    """
    sums: dict[str, Array] = {}
    counts: dict[str, int] = {}

    def keep(step: int, node: Node, value: Array) -> None:
        if node.name in names:
            sums[node.name] = sums[node.name] + value if node.name in sums else value
            counts[node.name] = counts.get(node.name, 0) + 1

    graph = graph.meaning
    wanted = tuple(node for node in graph.nodes if node.name in names)
    evaluate(replace(graph, outputs=wanted), inputs, keep)
    return {name: value / counts[name] for name, value in sums.items()}


def preactivations(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Input of every activation or staircase of the cores, by its name.

    Args:
        graph: A tensor or staircase graph.
        inputs: Value of each input, by name.

    Returns:
        ``(samples, neurons)`` for each.
    """
    layers = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation | Staircase)]
    values = trace(graph, inputs, {operand.name for node in layers for operand in node.operands})
    return {node.name: add([values[o.name] for o in node.operands]) for node in layers}


def compute(kind: str, attributes: Any, operands: list[Tensor], name: str = "") -> Tensor:
    """Value of one primitive.

    Args:
        kind: ONNX operator.
        attributes: Its attributes.
        operands: Values of its operands, in order.
        name: Of the node, for the error.

    Raises:
        GraphError: If the operands do not fit the operator.
    """
    try:
        # As in ONNX, a value out of range is infinite or NaN, often in a branch that Where drops.
        with np.errstate(all="ignore"):
            return OPERATORS[kind].value(operands, attributes)
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise GraphError(
            f"cannot be computed: {error}",
            node=name,
            op=kind,
            hint="check the shapes in the ONNX model",
        ) from error
