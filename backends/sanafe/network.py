"""Cores as networks of SANA-FE's Loihi somas, in its units.

A soma does ``v <- decay * v + bias + synapses``, fires if ``v > threshold``, then takes the
threshold away; before that it cuts ``v`` to 64ths. All numbers of a core are whole, so they are
written in units of 1/32, and an integrate-and-fire unit starts half a unit higher: then ``>``
means what ``>=`` means on whole numbers, while what is taken away stays the threshold. A
memoryless unit has a decay of 0 and its threshold inside its bias. A group of units that never
fire adds up what leaves the core, and is read at the end.

A spike takes a step, so populations begin one after the other (``chip_steps.py``). The host sets
initial potentials and biases in the step in which a population begins, and clears them after its
last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.exported_parts import NetworkCore, check_sums, network_cores
from pinnir.backends.recording import populations
from pinnir.backends.stepped_core import SUMS, ChipGroup, ChipNetwork, SteppedCore
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import kind_of
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import IntegerCore
from pinnir.neurons import IF
from pinnir.program.program import Program

Numbers: TypeAlias = NDArray[np.number]

UNIT = 1.0 / 32.0
# Beyond the one step that any spike takes.
MOST_WAITING = 5
# What no sum reaches.
_NEVER = 2.0**45


@dataclass(frozen=True, eq=False, kw_only=True)
class SomaGroup(ChipGroup):
    """Units of one kind that begin together; their numbers are to be multiplied by UNIT.

    Attributes:
        decay: 1 for units that remember, 0 for those that do not.
        reset: ``soft`` or ``none``.
        bias: Current of every step for an input of zeros, ``(units,)``, to which inputs add.
    """

    decay: float
    reset: str
    bias: Numbers


LoihiNetwork = ChipNetwork[SomaGroup]
LoihiCore = NetworkCore[LoihiNetwork]


def cores_of(program: Program) -> list[LoihiCore]:
    """The cores of a program as networks.

    Raises:
        LegalizeError: If a core has no form on Loihi.
    """
    return network_cores(program, lambda whole, _: network(whole))


def network(whole: IntegerCore) -> LoihiNetwork:
    """The network of a core.

    Raises:
        LegalizeError: If its sums are too large, it has neurons that SANA-FE's Loihi has not, or
            a synapse would have to wait for too long.
    """
    _check_neurons(whole)
    core = SteppedCore(whole, MOST_WAITING)
    check_sums(whole, TARGETS["sanafe"])
    populations = core.flat.populations
    groups = [_group(core, one) for one in populations]
    projections = [found for one in populations for found in core.arriving(one)]
    begin, from_input, bias, leaving = core.leaving()
    sums = SomaGroup(
        name=SUMS,
        node=None,
        begin=begin,
        steps=core.flat.steps,
        decay=1.0,
        reset="none",
        threshold=np.full(bias.size, _NEVER),
        potential=np.zeros(bias.size),
        bias=bias,
        from_input=from_input,
    )
    return ChipNetwork((*groups, sums), (*projections, *leaving))


def _check_neurons(whole: IntegerCore) -> None:
    target = TARGETS["sanafe"]
    for node in populations(whole.core):
        problem, hint = "", "compile with --target sanafe"
        if kind_of(node) not in target.neurons:
            problem = "needs programmable neurons, and SANA-FE's Loihi has integrate-and-fire ones"
            hint += f"; codings: {', '.join(target.codings)}"
        elif isinstance(node.op, IF) and node.op.signed:
            problem = "fires in both directions, and SANA-FE's Loihi has no signed spikes"
        if problem:
            raise node.error(LegalizeError, problem, hint)


def _group(core: SteppedCore, one: FlatPopulation) -> SomaGroup:
    half = 0.5
    bias: Numbers = one.bias
    if isinstance(one.node.op, IF):
        decay, reset, threshold = 1.0, "soft", one.thresholds.astype(np.float64)
        potential = one.potentials + half
        if np.any(potential > threshold):
            problem = "begins above its threshold, and would fire before its input arrives"
            hint = "compile without calibrating potentials"
            raise one.node.error(LegalizeError, problem, hint)
    else:
        # A unit that always fires, or never, does so by one.
        most = core.whole.reach[one.node] + 1
        bias = one.bias + half - np.clip(one.thresholds, -most, most)
        decay, reset, threshold, potential = 0.0, "none", np.zeros(bias.size), np.zeros(bias.size)
    return SomaGroup(
        name=core.names[one.node],
        node=one.node,
        begin=core.begin[one.node],
        steps=core.flat.steps,
        decay=decay,
        reset=reset,
        threshold=threshold,
        potential=potential,
        bias=bias,
        from_input=one.from_input,
    )
