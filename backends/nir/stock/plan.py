"""Which populations of a core make a stage of its chain; ``chain.py`` says why."""

from __future__ import annotations

import numpy as np

from pinnir.backends.nir.stock.canonical import reads
from pinnir.backends.recording import populations
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Graph, Neuron, Node

# Populations of every stage, in running order.
Plan = list[list[Node]]


def settled_plan(core: Graph) -> Plan:
    """Stages of a core that settles (case 1): each right behind the first thing it reads."""
    stage: dict[Node, int] = {core.inputs[0]: -1}
    for node in populations(core):
        stage[node] = 1 + min((stage[source] for source in reads(node)), default=-1)
    del stage[core.inputs[0]]
    for node in stage:
        for source in reads(node):
            if source in stage and stage[source] > stage[node]:
                _merge(stage, stage[node], stage[source])
    last = max(stage.values())
    first = min((stage[source] for source in reads(core.outputs[0])), default=last)
    _merge(stage, first, last)
    return _grouped(stage)


def timed_plan(core: Graph, clocks: frozenset[Node]) -> Plan:
    """Stages of a core whose spikes count in every step (case 2): behind all that they read.

    Raises:
        LegalizeError: If the core's input is read behind the first stage.
    """
    stage: dict[Node, int] = {core.inputs[0]: -1}
    for node in populations(core):
        if node in clocks:
            continue
        sources = [source for source in reads(node) if source not in clocks]
        stage[node] = 1 + max((stage[source] for source in sources), default=-1)
        if stage[node] > 0 and core.inputs[0] in sources:
            raise node.error(
                LegalizeError,
                "reads the core's input behind other neurons, and no unit repeats real numbers",
                "compile with --coding population",
            )
    del stage[core.inputs[0]]
    return _grouped(stage)


def skipping(core: Graph, plan: Plan, number: int) -> list[Node]:
    """Populations of earlier stages that something behind stage ``number`` reads."""
    later = [*(node for stage in plan[number + 1 :] for node in stage), core.outputs[0]]
    wanted = {source for node in later for source in reads(node)}
    return [node for stage in plan[:number] for node in stage if node in wanted]


def settling_steps(plan: Plan) -> int:
    """Steps until every spike of a core of case 1 is the one that stays."""
    ready: dict[Node, int] = {}
    for members in plan:
        for node in members:
            delays = [ready[s] + (s in members) for s in reads(node) if s in ready]
            ready[node] = max(delays, default=1)
    return max(ready.values())


def find_clocks(core: Graph) -> frozenset[Node]:
    """Populations that fire in the first step and never again (case 3).

    Raises:
        LegalizeError: If a population that nothing but a constant drives fires otherwise.
    """
    found = [node for node in populations(core) if not reads(node)]
    for node in found:
        op = node.op_as(Neuron)
        current = np.sum([operand.op_as(Affine).bias for operand in node.operands], axis=0)[None]
        state = op.initial_state(1)
        for step in range(core.steps):
            spikes, state = op.step(state, current)
            if np.any(spikes != (step == 0)):
                problem = "is driven by a constant, but does not fire in the first step alone"
                raise node.error(LegalizeError, problem)
    return frozenset(found)


def _merge(stage: dict[Node, int], first: int, last: int) -> None:
    """Make one stage of the stages ``first`` to ``last``."""
    for node, number in stage.items():
        stage[node] = min(number, first) if number <= last else number - (last - first)


def _grouped(stage: dict[Node, int]) -> Plan:
    found: Plan = [[] for _ in range(max(stage.values()) + 1)]
    for node, number in stage.items():
        found[number].append(node)
    return found
