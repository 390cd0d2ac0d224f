"""join-arguments: an element-wise operator of several computed values is one activation of them.

A sign-gradient neuron follows a function of several values as it follows one of one value. So

1. every product, quotient, maximum and so on of several computed values, behind which a matrix
   product comes, becomes an activation with as many arguments, each brought to its place among the
   activation's columns by a map of zeros and ones;
2. an activation of one value that only such an operator reads becomes part of its function:
   ``x / sqrt(v + eps)`` is one function of two arguments;
3. what is left of element-wise operators of one such activation's value is an activation as well,
   behind synapses of weight one.

Sums and scalings are no such operators: synapses add and scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import columns_in, layouts
from pinnir.ir.value_types import is_floating
from pinnir.passes.tidying.linear_chains import followed, is_linear
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class JoinArguments(Pass):
    """Turn products, quotients and maxima of computed values into activations of several values."""

    name = "join-arguments"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Rewrite every such operator."""
        known = layouts(graph)
        columns = {
            node.name: columns_in(known[node])
            for node in followed(graph)
            if _is_elementwise(node) and not is_linear(node, known)
        }
        users = {node.name: len(found) for node, found in graph.users.items()}
        names = Names.of(graph)

        def change(node: Node) -> Node:
            if node.name in columns:
                return _joined(node, columns[node.name], users, names)
            if isinstance(node.op, Activation) and isinstance(node.operands[0].op, Activation):
                width = columns_in(known[graph.node(node.name)])
                return node.with_operands(_place(names, node, node.operands[0], 0, 1, width))
            return node

        return graph.rewrite(change)


def _is_elementwise(node: Node) -> bool:
    op = node.op
    moving = any(not isinstance(operand.op, Constant) for operand in node.operands)
    return isinstance(op, Primitive) and op.operator.elementwise and moving and is_floating(node)


def _joined(node: Node, columns: int, users: dict[str, int], names: Names) -> Node:
    """The activation in place of an operator."""
    sources: dict[Node, Node] = {}  # argument: its node in the body
    new: dict[Node, Node] = {}
    for operand in node.operands:
        if isinstance(operand.op, Constant):
            new[operand] = operand
            continue
        inner = _absorbed(operand, users)
        source = operand if inner is None else inner.operands[0]
        if source not in sources:
            sources[source] = Node(f"z{len(sources)}", Input(columns))
        entry = sources[source]
        new[operand] = entry if inner is None else _applied(inner, entry)
    value = Node("f", node.op, tuple(new[operand] for operand in node.operands))
    body, count = Graph(Level.TENSOR, tuple(sources.values()), (value,)), len(sources)
    op = Activation(node.op_as(Primitive).kind.lower(), body=body, arguments=count)
    places = (_place(names, node, source, i, count, columns) for i, source in enumerate(sources))
    return Node(node.name, op, tuple(places))


def _applied(inner: Node, entry: Node) -> Node:
    """An activation of an argument, its body spelled out."""
    body = inner.op_as(Activation).body
    if body is None:
        return inner.with_operands(entry)

    def change(node: Node) -> Node:
        is_argument = isinstance(node.op, Input)
        return entry if is_argument else replace(node, name=f"{entry.name}:{node.name}")

    return body.rewrite(change).outputs[0]


def _absorbed(operand: Node, users: dict[str, int]) -> Node | None:
    """Case 2: the activation, whose value nobody else needs."""
    op = operand.op
    alone = isinstance(op, Activation) and op.arguments == 1 and users[operand.name] == 1
    return operand if alone and len(operand.operands) == 1 else None


def _place(
    names: Names, node: Node, source: Node, number: int, arguments: int, columns: int
) -> Node:
    """From a value to its columns among those of all arguments of an activation."""
    rows = arguments * columns
    op = Affine(np.eye(rows, columns, -number * columns), np.zeros(rows))
    return Node(names.fresh(f"{node.name}:argument{number}"), op, (source,))
