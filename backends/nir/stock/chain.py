"""A core as one chain of stages, the only shape that every reader of NIR executes alike.

A stage is one population of memoryless threshold units behind one or two maps, with at most two
loops: from its spikes to its sums, one step later, and, where units integrate, from its sums to
themselves. All numbers are in quanta (``grid.py``), so weights are whole numbers, and a unit
fires if its sum is at least one.

1. A core of threshold units alone needs no time. Its input is held, so synapses inside a stage may
   take a step: coarse units see the input that fine units see, and fine units see the coarse
   spikes of the step before. After as many steps as there are such synapses in a row everything
   has settled. Synapses that would lead back to an earlier stage make all stages between one.
2. A core with integrate-and-fire units counts its spikes, so every synapse must be in time. A
   population stands behind all that it reads; spikes that skip a stage are relayed there, by units
   that repeat them. A unit's sum remembers itself, and its own spikes of the last step take the
   threshold away.
3. A population that fires in the first step and never again, because nothing but a constant drives
   it, is a *clock*: a unit that fires in every step and so, a step later, takes away what was
   there from the start. Likewise a sum is a threshold below zero at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.backends.nir.stock.grid import OnGrid
from pinnir.backends.nir.stock.plan import (
    find_clocks,
    settled_plan,
    settling_steps,
    skipping,
    timed_plan,
)
from pinnir.backends.nir.stock.stage import Stage, StageBuilder
from pinnir.ir.graph import Affine, Node
from pinnir.neurons import IF
from pinnir.numerics.matrix import Array, dense


@dataclass(frozen=True, eq=False)
class Chain:
    """A core as stages.

    Attributes:
        stages: In running order.
        read_out: Weight and bias of the map behind the last one.
        steps: Steps to run.
        settles: Whether only the last step counts (case 1).
    """

    stages: tuple[Stage, ...]
    read_out: tuple[Array, Array]
    steps: int
    settles: bool


def chain_of(rounded: OnGrid) -> Chain:
    """Arrange a core on its grid as one chain.

    Raises:
        LegalizeError: If it cannot be one.
    """
    core = rounded.graph
    settles = not any(isinstance(node.op, IF) for node in core.nodes)
    if settles:
        clocks: frozenset[Node] = frozenset()
        plan = settled_plan(core)
        steps = settling_steps(plan)
    else:
        clocks = find_clocks(core)
        plan = timed_plan(core, clocks)
        steps = core.steps
    stages: list[Stage] = []
    for number, members in enumerate(plan):
        relayed = skipping(core, plan, number)
        before = stages[-1] if stages else None
        stages.append(StageBuilder(rounded, members, relayed, before, clocks).stage())
    return Chain(tuple(stages), _read_out(core.outputs[0], stages[-1]), steps, settles)


def _read_out(sink: Node, last: Stage) -> tuple[Array, Array]:
    """Weight ``(columns, units)`` and bias of the map that leaves the core."""
    op = sink.op_as(Affine)
    weight = np.zeros((op.bias.size, last.units))
    places = last.populations | last.relays
    for part in sink.operands:
        (source,), read = part.operands, dense(part.op_as(Affine).weight)
        if read.any():
            weight[:, places[source.name]] += read
    return weight, op.bias
