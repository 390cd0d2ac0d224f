"""split-host: decide which part of the network spikes.

The core is the chain ``affine, activation, affine, ..., affine`` with the most
multiply-accumulates; a value inside the chain is used by the chain alone. What the chain needs is
the host part before it, the rest is the host part after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pinnir.activations import ACTIVATIONS
from pinnir.errors import LegalizeError
from pinnir.ir import CORE, HOST, Activation, Affine, Constant, Graph, Input, Level, Node
from pinnir.manager import Context, Pass


@dataclass(frozen=True)
class SplitHost(Pass):
    """Label every node as part of the spiking core or of a host part."""

    name = "split-host"
    accepts = (Level.TENSOR,)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Label the nodes.

        Raises:
            LegalizeError: If no chain with an activation exists.
        """
        found = chains(graph)
        if not found:
            raise LegalizeError(
                "the network has no chain of affine maps and activations, so nothing can spike",
                hint="pinnir compiles multilayer perceptrons with the activations "
                + ", ".join(sorted(set(ACTIVATIONS) - {"clip"})),
            )
        core = max(found, key=_multiply_accumulates)
        before = _ancestors(core[0])
        label = {node.name: f"{HOST}.0" for node in before}
        label |= {node.name: f"{CORE}.1" for node in core}
        return graph.rewrite(lambda node: _label(node, label.get(node.name, f"{HOST}.2")))


def _label(node: Node, segment: str) -> Node:
    return node if isinstance(node.op, Input | Constant) else replace(node, segment=segment)


def chains(graph: Graph) -> list[tuple[Node, ...]]:
    """Every maximal chain that starts and ends with an affine map and holds an activation."""
    found: list[tuple[Node, ...]] = []
    taken: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, Affine) and node not in taken:
            chain = _follow(graph, node)
            taken.update(chain)
            if len(chain) >= 3:
                found.append(chain)
    return found


def _follow(graph: Graph, first: Node) -> tuple[Node, ...]:
    chain = [first]
    while True:
        act = _only_user(graph, chain[-1], Activation)
        following = _only_user(graph, act, Affine) if act else None
        if act is None or following is None:
            return tuple(chain)
        chain += [act, following]


def _only_user(graph: Graph, node: Node, kind: type[Activation] | type[Affine]) -> Node | None:
    users = graph.users[node]
    alone = len(users) == 1 and node not in graph.outputs
    return users[0] if alone and isinstance(users[0].op, kind) else None


def _multiply_accumulates(chain: tuple[Node, ...]) -> int:
    sizes = [node.op.weight.shape for node in chain if isinstance(node.op, Affine)]
    return sum(rows * columns for rows, columns in sizes)


def _ancestors(node: Node) -> set[Node]:
    found: set[Node] = set()
    waiting = list(node.operands)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(current.operands)
    return found
