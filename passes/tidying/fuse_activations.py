"""fuse-activations: any element-wise function of one column is one activation.

Exporters spell activations out: SiLU as ``Mul(z, Sigmoid(z))``, GELU through ``Erf`` or ``Tanh``
and ``Pow``, softplus through ``Exp``, ``Log``, ``Greater`` and ``Where``, wavelets as a sum of
sines and cosines. Instead of a pattern for each spelling, the pass takes every maximal group of
element-wise operators that, besides constants, depends on one affine map only; the group is the
activation's body, and its name is found by its values. A sum of several values (a residual
connection) may stand for the affine map.

A constant may be a scalar or one number a column. What only scales and shifts the map, or an
activation that is needed as well (the ``1 - tanh`` of a gate), is left as it is: it needs no
neurons of its own. A group that ends in integers or truth values is left alone as well: an
activation has real values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pinnir.ir.graph import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    is_elementwise,
)
from pinnir.ir.sample_axes import tables
from pinnir.ir.value_types import is_floating
from pinnir.passes.tidying.bodies import activation_of
from pinnir.passes.tidying.fuse_affine import scale_and_shift
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class FuseActivations(Pass):
    """Gather element-wise operators on one affine map into one activation."""

    name = "fuse-activations"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Fuse every group at the node where its value leaves it."""
        columns = _columns(graph)
        roots = _roots(graph, columns)
        groups = {n.name: n for n in _sinks(graph, roots) if _is_group(n, roots[n])}
        built: dict[str, Node] = {}

        def change(node: Node) -> Node:
            if node.name in groups:
                sink = groups[node.name]
                root = roots[sink]
                op = activation_of(_body(sink, roots, columns[root]))
                node = Node(node.name, op, (built[root.name],))
            built[node.name] = node
            return node

        return graph.rewrite(change)


def _columns(graph: Graph) -> dict[Node, int]:
    """Columns of everything that may stand before an activation."""
    found = {n: n.op.bias.size for n in graph.nodes if isinstance(n.op, Affine)}
    if any(_is_sum(node) for node in graph.nodes):
        found |= {node: size for node, size in tables(graph).items() if _is_sum(node)}
    return found


def _is_sum(node: Node) -> bool:
    """Whether several real numbers, none of them fixed, are added."""
    if not isinstance(node.op, Primitive) or len(node.operands) < 2 or not is_floating(node):
        return False
    row = node.op.operator
    fixed = any(isinstance(operand.op, Constant) for operand in node.operands)
    return row.elementwise and row.linear == "all" and not fixed


def _roots(graph: Graph, columns: Mapping[Node, int]) -> dict[Node, Node]:
    """For each element-wise node that depends on one root only: the root."""
    roots: dict[Node, Node] = {}
    for node in graph.nodes:
        if not is_elementwise(node):
            continue
        inner = [o for o in node.operands if not isinstance(o.op, Constant)]
        found = list(dict.fromkeys(roots.get(o, o) for o in inner))
        if len(found) == 1 and found[0] in columns and _constants_fit(node, columns[found[0]]):
            roots[node] = found[0]
    return roots


def _constants_fit(node: Node, columns: int) -> bool:
    values = [o.op.value for o in node.operands if isinstance(o.op, Constant)]
    # A constant of more dimensions, even of one number, would give its operand more.
    return all(v.ndim <= 2 and (v.size == 1 or v.shape[-1] == v.size == columns) for v in values)


def _sinks(graph: Graph, roots: Mapping[Node, Node]) -> set[Node]:
    """Where groups end: at nodes that others need, but for those that only scale and shift."""
    sinks = {node for node in roots if _leaves(graph, node, roots)}
    for node in graph.nodes:  # operands first
        inner = node
        while node in sinks and (found := scale_and_shift(inner)) is not None:
            inner = found[0]
            if inner in sinks or inner is roots[node]:
                sinks.remove(node)
    return sinks


def _leaves(graph: Graph, node: Node, roots: Mapping[Node, Node]) -> bool:
    elsewhere = any(roots.get(user) is not roots[node] for user in graph.users[node])
    return node in graph.outputs or elsewhere


def _is_group(node: Node, root: Node) -> bool:
    """Whether there is something to fuse: a single named activation already is one."""
    return is_floating(node) and not (isinstance(node.op, Activation) and node.operands == (root,))


def _body(sink: Node, roots: Mapping[Node, Node], columns: int) -> Graph:
    """The group that ends in ``sink`` as a graph of one input."""
    entry = Node("z", Input(columns))
    new: dict[Node, Node] = {roots[sink]: entry}
    for node, own in roots.items():  # operands first
        if own is roots[sink]:
            new[node] = node.with_operands(*(new.get(one, one) for one in node.operands))
    return Graph(Level.TENSOR, (entry,), (new[sink],))
