"""fuse-activations: any element-wise function of one affine map is one activation.

Exporters spell activations out: SiLU as ``Mul(z, Sigmoid(z))``, GELU through ``Erf`` or ``Tanh``
and ``Pow``, softplus through ``Exp``, ``Log``, ``Greater`` and ``Where``, wavelets as a sum of
sines and cosines. Instead of a pattern for each spelling, the pass takes every maximal group of
element-wise operators that, besides constants, depends on one affine map only; the group is the
activation's body, and its name is found by its values.

A constant may be a scalar or one number a column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.activations import name_of
from pinnir.evaluate import evaluate
from pinnir.ir import (
    Activation,
    Affine,
    Array,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    columns_of,
)
from pinnir.manager import Context, Pass
from pinnir.primitives import ELEMENTWISE


@dataclass(frozen=True)
class FuseActivations(Pass):
    """Gather element-wise operators on one affine map into one activation."""

    name = "fuse-activations"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fuse every group at the node where its value leaves it."""
        roots = _roots(graph)
        sinks = {node for node in roots if _leaves(graph, node, roots)}
        bodies = {node.name: (_body(node, roots[node]), roots[node].name)
                  for node in sinks if _is_group(node, roots[node])}  # fmt: skip
        built: dict[str, Node] = {}

        def change(node: Node) -> Node:
            if node.name in bodies:
                body, root = bodies[node.name]
                name = name_of(lambda z: _values(body, z)) if _is_plain(body) else "unary"
                node = Node(node.name, Activation(name, body=body), (built[root],))
            built[node.name] = node
            return node

        return graph.rewrite(change)


def _roots(graph: Graph) -> dict[Node, Node]:
    """For each element-wise node that depends on one affine map only: that map."""
    roots: dict[Node, Node] = {}
    for node in graph.nodes:
        if not _is_elementwise(node):
            continue
        inner = [o for o in node.operands if not isinstance(o.op, Constant)]
        found = {roots.get(o, o) for o in inner}
        root = found.pop() if len(found) == 1 else None
        if root is not None and isinstance(root.op, Affine) and _constants_fit(node, root):
            roots[node] = root
    return roots


def _is_elementwise(node: Node) -> bool:
    op = node.op
    return isinstance(op, Activation) or (isinstance(op, Primitive) and op.kind in ELEMENTWISE)


def _constants_fit(node: Node, root: Node) -> bool:
    columns = columns_of(root)
    values = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    return all(v.size == 1 or (v.ndim <= 2 and v.shape[-1] == v.size == columns) for v in values)


def _leaves(graph: Graph, node: Node, roots: dict[Node, Node]) -> bool:
    return node in graph.outputs or any(
        roots.get(user) is not roots[node] for user in graph.users[node]
    )


def _is_group(node: Node, root: Node) -> bool:
    """Whether there is something to fuse: a single named activation already is one."""
    return not (isinstance(node.op, Activation) and node.operands == (root,))


def _body(sink: Node, root: Node) -> Graph:
    """The group that ends in ``sink`` as a graph of one input."""
    entry = Node("z", Input(columns_of(root)))
    new: dict[Node, Node] = {root: entry}

    def build(node: Node) -> Node:
        if node not in new:
            operands = (o if isinstance(o.op, Constant) else build(o) for o in node.operands)
            new[node] = node.with_operands(*operands)
        return new[node]

    return Graph(Level.TENSOR, (entry,), (build(sink),))


def _is_plain(body: Graph) -> bool:
    """Whether all columns have the same function."""
    return all(n.op.value.size == 1 for n in body.nodes if isinstance(n.op, Constant))


def _values(body: Graph, z: Array) -> Array:
    with np.errstate(all="ignore"):
        (values,) = evaluate(body, {"z": z[:, None]})
    return np.broadcast_to(values, (len(z), 1))[:, 0]
