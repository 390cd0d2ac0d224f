"""split-host: decide which part of the network spikes.

1. An activation spikes if its input is a matrix product of ``(samples, columns)`` values and some
   matrix product follows. So what only prepares the inputs or transforms the outputs stays on the
   host, and so do Fourier features: a sine *and* a cosine of one map of the inputs; unless
   ``features=core`` asks for them as neurons.
2. Linear operators between spiking activations belong to the core, and so do those before them
   from the last matrix product or from the model's inputs on, and a matrix product behind.
3. Where a core's value goes through something else (the product of a gate) and comes back, another
   core begins. Cores of one stage that share a sample axis are one core, side by side.
4. Everything else runs on the host, as late as it may.

Segments are numbered in running order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import (
    CORE,
    HOST,
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    kind_of,
)
from pinnir.ir.sample_axes import Layout, axes_of, has_features, layouts
from pinnir.ir.value_types import is_floating
from pinnir.passes.tidying.linear_chains import followed, is_linear, starts
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True)
class SplitHost(Pass):
    """Label every node as part of a spiking core or of a host part.

    Attributes:
        features: Where Fourier features are computed. On the ``host`` they are exact, and a core
            multiplies all of them at every point. As neurons of the ``core`` they are rounded,
            and a delta program multiplies what changes.
    """

    name = "split-host"
    accepts = (Level.TENSOR,)

    features: Literal["host", "core"] = "host"

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Label the nodes.

        Raises:
            LegalizeError: If nothing can spike.
        """
        labels = _Split(graph, layouts(graph), self.features == "host").labels()
        _refuse_crossing(graph, labels)
        if not any(label.startswith(CORE) for label in labels.values()):
            raise LegalizeError(
                "the network has no activation between two matrix products, so nothing can spike"
                + _listing(graph),
                hint=_FEATURES if has_features(graph) else _LAYERS,
            )
        return graph.rewrite(
            lambda node: replace(node, segment=labels[node.name]) if node.name in labels else node
        )


_LAYERS = (
    "pinnir compiles networks of layers: matrix product, activation, matrix product, with "
    "(samples, columns) values"
)
_FEATURES = f"{_LAYERS}; networks of images and patches compile with --coding signgd"


def _listing(graph: Graph) -> str:
    """What the network holds instead: every node, by its kind."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Input | Constant):
            found.setdefault(kind_of(node), []).append(f"'{node.name}'")
    return "".join(f"\n  {kind}: {', '.join(names)}" for kind, names in sorted(found.items()))


def _refuse_crossing(graph: Graph, labels: dict[str, str]) -> None:
    """Parts hand floating point numbers to each other, nothing else."""
    for node in graph.nodes:
        users = {labels[user.name] for user in graph.users[node]}
        crosses = node in graph.outputs or users - {labels.get(node.name)}
        if node.name in labels and crosses and not is_floating(node):
            raise node.error(
                LegalizeError,
                "its truth values or whole numbers would have to leave their part of the program",
                "turn them into floating point numbers where they are made",
            )


# When a part runs: stage, host before core, sample axes.
_Key = tuple[int, bool, tuple[int, ...]]


@dataclass(eq=False)
class _Split:
    """One graph on its way to labels."""

    graph: Graph
    layouts: dict[Node, Layout]
    features_on_host: bool = True
    # Each node's stage, and whether a core of that stage must run before it is known.
    reached: dict[Node, tuple[int, bool]] = field(init=False)
    core: set[Node] = field(init=False)

    def __post_init__(self) -> None:
        """Find stages and cores.

        A map that is there for the neurons behind it and that the host needs as well holds the
        host up until its core has run; so stages are found again until no more such maps appear.
        """
        held: dict[Node, int] = {}
        while True:
            self.reached = self._stages(held)
            self.core = self._inside()
            more = self._held()
            if not more:
                break
            held |= more

    def labels(self) -> dict[str, str]:
        """Label of every node but inputs and constants, by name."""
        keys: dict[Node, _Key] = {}
        for node in reversed(self.graph.nodes):
            if node in self.core:
                keys[node] = self._core_key(node, keys)
            elif not isinstance(node.op, Input | Constant):
                keys[node] = self._host_key(node, keys)
        order = sorted(set(keys.values()), key=lambda key: (*key[:2], len(key[2]), key[2]))
        first = 1 if order and order[0][1] else 0  # host.0 prepares, whether there is one or not
        number = {key: i for i, key in enumerate(order, first)}
        return {
            node.name: f"{CORE if key[1] else HOST}.{number[key]}" for node, key in keys.items()
        }

    def _held(self) -> dict[Node, int]:
        """Maps of values that enter a core and that the host needs, and when their core runs."""
        users = self.graph.users
        return {
            node: min(self.reached[user][0] for user in users[node] if user in self.core)
            for node in self.core
            if not self.reached[node][1]
            and (node in self.graph.outputs or not self.core.issuperset(users[node]))
        }

    def _inside(self) -> set[Node]:
        """Every node of a core."""
        inside = set(self.spiking)
        ends = [operand for node in self.spiking for operand in node.operands]
        ends += [node for node in self.graph.nodes if self._ends_core(node)]
        while ends:
            node = ends.pop()
            if node not in inside and not self._starts_chain(node):
                inside.add(node)
                ends += [o for o in node.operands if not isinstance(o.op, Constant)]
        return inside

    @cached_property
    def spiking(self) -> set[Node]:
        """Case 1."""
        return {
            node
            for node in followed(self.graph)
            if isinstance(node.op, Activation)
            and any(operand in self._products for operand in node.operands)
            and not (self.features_on_host and self._is_feature(node))
        }

    @cached_property
    def _products(self) -> set[Node]:
        """Linear nodes whose chain holds a matrix product."""
        found: set[Node] = set()
        for node in self.graph.nodes:
            inside = any(operand in found for operand in node.operands)
            if (isinstance(node.op, Affine) or inside) and self.is_linear(node):
                found.add(node)
        return found

    def _is_feature(self, node: Node) -> bool:
        source = node.operands[0]
        others = {
            user.op.function for user in self.graph.users[source] if isinstance(user.op, Activation)
        }
        return others >= {"sin", "cos"} and all(
            isinstance(start.op, Input) for start in self._chain_starts(source)
        )

    def _chain_starts(self, node: Node) -> dict[Node, None]:
        return starts(node, lambda one: not self.is_linear(one))

    def is_linear(self, node: Node) -> bool:
        """Whether synapses could take the node over."""
        return is_linear(node, self.layouts)

    def _stages(self, held: Mapping[Node, int]) -> dict[Node, tuple[int, bool]]:
        found: dict[Node, tuple[int, bool]] = {}
        for node in self.graph.nodes:
            known = [found[operand] for operand in node.operands]
            stage = max((s for s, _ in known), default=0)
            behind = any(b for s, b in known if s == stage)
            if node in held:
                stage, behind = max(stage, held[node]), True
            if node in self.spiking:
                found[node] = stage, True
            elif behind and not self.is_linear(node):
                found[node] = stage + 1, False
            else:
                found[node] = stage, behind
        return found

    def _starts_chain(self, node: Node) -> bool:
        """Whether a core takes this node's value from elsewhere, or from its own neurons."""
        if node in self.spiking or not self.is_linear(node):
            return True
        if node in self._products or self.reached[node][1]:
            return False
        return not all(isinstance(start.op, Input) for start in self._chain_starts(node))

    def _ends_core(self, node: Node) -> bool:
        """Case 2: a matrix product behind neurons, or an output that is linear in them."""
        if not (self.reached[node][1] and self.is_linear(node)):
            return False
        return isinstance(node.op, Affine) or node in self.graph.outputs

    def _core_key(self, node: Node, keys: dict[Node, _Key]) -> _Key:
        """A map of values that enter runs in the core that needs it first."""
        stage, behind = self.reached[node]
        if not behind:
            stage = min(keys[u][0] for u in self.graph.users[node] if u in self.core)
        return stage, True, axes_of(self.layouts[node])

    def _host_key(self, node: Node, keys: dict[Node, _Key]) -> _Key:
        """Case 4; what is cheap joins the part that alone needs it."""
        stage, behind = self.reached[node]
        needed = [keys[user] for user in self.graph.users[node]]
        if node not in self.graph.outputs:
            stage = min(key[0] for key in needed)
        else:
            stage += behind
        own = axes_of(self.layouts[node])
        host = {key for key in needed if not key[1] and key[0] == stage}
        if len(host) == len(set(needed)) == 1 and not isinstance(node.op, Affine | Activation):
            return host.pop()
        return stage, False, own
