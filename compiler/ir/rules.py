"""What a graph of each level may hold: one list of rules, one checker, before and after passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pinnir.base.errors import GraphError
from pinnir.ir.graph import (
    CORE,
    HOST,
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Neuron,
    Node,
    Op,
    Primitive,
    Scheduled,
    Staircase,
    columns_of,
)
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import extremes
from pinnir.numerics.operators import OPERATORS

if TYPE_CHECKING:
    from pinnir.ir.placement import Placement

# What a core may hold. Host parts may hold primitives, affine maps and activations at any level.
CORE_OPS: dict[Level, tuple[type[Op], ...]] = {
    Level.TENSOR: (Affine, Activation, Primitive),  # linear primitives, until gather-synapses
    Level.STAIRCASE: (Affine, Staircase),
    Level.SPIKING: (Affine, Neuron),
}
HOST_OPS: tuple[type[Op], ...] = (Primitive, Affine, Activation)


# A rule says in words how a node breaks it, or None.
Rule = Callable[[Graph, Node], str | None]


def _segment_is_labelled(graph: Graph, node: Node) -> str | None:
    if isinstance(node.op, Input | Constant) or node.segment.startswith((HOST, CORE)):
        return None
    return "belongs to no segment; split-host must run before this level"


def _core_holds_only(graph: Graph, node: Node) -> str | None:
    if node.in_core and not isinstance(node.op, CORE_OPS[graph.level]):
        linear = isinstance(node.op, Primitive)
        missing = "; gather-synapses must run before this level" if linear else ""
        return f"is not allowed in a core at the {graph.level.value} level{missing}"
    return None


def _host_holds_only(graph: Graph, node: Node) -> str | None:
    if node.in_core or isinstance(node.op, (Input, Constant, *HOST_OPS)):
        return None
    return "may stand in a core only"


def _kind_is_known(graph: Graph, node: Node) -> str | None:
    op = node.op
    if isinstance(op, Primitive) and op.kind not in OPERATORS:
        return "has no meaning in pinnir"
    if isinstance(op, Activation) and op.body is None and op.function not in ACTIVATIONS:
        return f"activation {op.function!r} has no meaning in pinnir"
    return None


def _has_operands(graph: Graph, node: Node) -> str | None:
    if bool(node.operands) == isinstance(node.op, Input | Constant):
        return "has operands" if node.operands else "has no operands"
    return None


def _widths_agree(graph: Graph, node: Node) -> str | None:
    wanted = _columns_in(node.op)
    for operand in node.operands:
        given = columns_of(operand)
        if wanted is not None and given is not None and wanted != given:
            return f"takes {wanted} columns, but '{operand.name}' has {given}"
    return None


def _affine_is_consistent(graph: Graph, node: Node) -> str | None:
    op = node.op
    if isinstance(op, Affine) and op.bias.shape != (op.weight.shape[0],):
        return f"bias {op.bias.shape} does not fit weight {op.weight.shape}"
    return None


def _schedule_fits(graph: Graph, node: Node) -> str | None:
    given = node.op.steps if isinstance(node.op, Neuron | Scheduled) else None
    if given is not None and given != graph.steps:
        return f"has a schedule of {given} steps, the graph has {graph.steps}"
    return None


def _values_are_finite(graph: Graph, node: Node) -> str | None:
    op = node.op
    arrays: list[np.ndarray] = []
    if isinstance(op, Affine):
        arrays = [np.array(extremes(op.weight)), op.bias]
        arrays += [op.gains, np.array(op.centre)] if isinstance(op, Scheduled) else []
    elif isinstance(op, Staircase):
        arrays = [op.base, op.step]
    return None if all(np.isfinite(a).all() for a in arrays) else "holds NaN or infinite values"


def _boundaries_ascend(graph: Graph, node: Node) -> str | None:
    op = node.op
    if isinstance(op, Staircase) and op.boundaries.shape[1] > 1:
        before, after = op.boundaries[:, :-1], op.boundaries[:, 1:]
        if not np.all(before <= after):
            return "has boundaries that do not ascend"
    return None


def _activation_feeds_affine(graph: Graph, node: Node) -> str | None:
    """Spikes leave a population through synapses only, and a core through an affine read-out."""
    if node.in_core and not isinstance(node.op, Affine):
        if node in graph.outputs:
            return "is an output; a core ends in an affine map"
        for user in graph.users[node]:
            if not (isinstance(user.op, Affine) and user.in_core):
                return f"feeds '{user.name}', which is not an affine map of the core"
    return None


_ALWAYS: tuple[Rule, ...] = (
    _kind_is_known,
    _has_operands,
    _host_holds_only,
    _core_holds_only,
    _affine_is_consistent,
    _widths_agree,
    _values_are_finite,
)
_CORES_ARE_SPLIT: tuple[Rule, ...] = (_activation_feeds_affine, _segment_is_labelled)
RULES: dict[Level, tuple[Rule, ...]] = {
    Level.TENSOR: _ALWAYS,
    Level.STAIRCASE: (*_ALWAYS, *_CORES_ARE_SPLIT, _boundaries_ascend),
    Level.SPIKING: (*_ALWAYS, *_CORES_ARE_SPLIT, _schedule_fits),
}


def check_rules(graph: Graph) -> None:
    """Check every rule of the graph's level.

    Raises:
        GraphError: For the first broken rule, naming the node.
    """
    for node, problem in violations(graph):
        raise GraphError(problem, node=node.name, op=type(node.op).__name__)


def violations(graph: Graph) -> Iterator[tuple[Node, str]]:
    """Every broken rule, as the node and what is wrong with it."""
    seen: set[str] = set()
    for node in graph.nodes:
        if node.name in seen:
            yield node, "has the name of another node"
        seen.add(node.name)
        problems = (rule(graph, node) for rule in RULES[graph.level])
        yield from ((node, problem) for problem in problems if problem)
    if graph.streamed is not None:
        yield from violations(graph.streamed)
    if graph.placement is not None:
        yield from _misplaced(graph.streamed or graph, graph.placement)


def _misplaced(graph: Graph, placement: Placement) -> Iterator[tuple[Node, str]]:
    """Populations whose units are not the ones that were placed."""
    for node in graph.nodes:
        if isinstance(node.op, Neuron):
            placed = placement.cores.get(node.name)
            if placed is None or placed.size != node.op.units:
                yield node, "is not the population that was placed; place must run last"


def _columns_in(op: Op) -> int | None:
    if isinstance(op, Affine):
        return int(op.weight.shape[1])
    if isinstance(op, Staircase):
        return int(op.base.size)
    return op.columns if isinstance(op, Neuron) else None
