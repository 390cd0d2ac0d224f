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

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.backends.exported_parts import NetworkCore, network_cores, value_of_sums
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Input, Neuron, Node
from pinnir.mapping.chip_steps import after, first_steps, waiting
from pinnir.mapping.flat_units import FlatCore, FlatPopulation, flatten
from pinnir.mapping.integer_cores import Whole, WholeCore, check_range
from pinnir.neurons import IF
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

UNIT = 1.0 / 32.0
# Beyond the one step that any spike takes.
MOST_WAITING = 5
# What no sum reaches.
_NEVER = 2.0**40


@dataclass(frozen=True, eq=False)
class Group:
    """Units of one kind that begin together.

    Attributes:
        name: In the network.
        node: The population, or None for the sums that leave.
        begin: Step of the chip in which it begins.
        decay: 1 for units that remember, 0 for those that do not.
        reset: ``soft`` or ``none``.
        threshold: ``(units,)``; here and below in SANA-FE's units.
        potential: When it begins, ``(units,)``.
        bias: Current of every step, ``(units,)``.
        from_input: What one of every input adds to it, ``(units, inputs)``.
    """

    name: str
    node: Node | None
    begin: int
    decay: float
    reset: str
    threshold: Array
    potential: Array
    bias: Array
    from_input: Array

    @property
    def units(self) -> int:
        """How many units."""
        return self.bias.size


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses from one group to another.

    Attributes:
        source: Name of the group that fires.
        target: Name of the group that listens.
        waits: Steps beyond the first.
        weight: ``(target units, source units)``, whole numbers; 0 is no synapse.
    """

    source: str
    target: str
    waits: int
    weight: Whole


@dataclass(frozen=True, eq=False)
class Network:
    """A core as SANA-FE runs it.

    Attributes:
        groups: Populations in running order, then the sums that leave.
        synapses: Between them.
        steps: Steps of each group.
        unit: Value of one in the sums that leave, ``(columns,)``.
    """

    groups: tuple[Group, ...]
    synapses: tuple[Synapses, ...]
    steps: int
    unit: Array


LoihiCore = NetworkCore[Network]


def cores_of(program: Program) -> list[LoihiCore]:
    """The cores of a program as networks.

    Raises:
        LegalizeError: If a core has no form on Loihi.
    """
    return network_cores(program, lambda whole, _: network(whole))


def network(whole: WholeCore) -> Network:
    """The network of a core.

    Raises:
        LegalizeError: If its sums are too large, it has neurons that SANA-FE's Loihi has not, or
            a synapse would have to wait for too long.
    """
    integers = TARGETS["sanafe"].integers
    assert integers is not None
    _check_neurons(whole)
    check_range(whole, integers)
    flat = flatten(whole)
    begin = first_steps(flat)
    names = {one.node: f"p{number}" for number, one in enumerate(flat.populations)}
    groups = [_group(names[one.node], one, begin[one.node], whole) for one in flat.populations]
    synapses = [found for one in flat.populations for found in _arriving(one, names, begin)]
    sums, leaving = _sums(whole, flat, names, begin)
    return Network((*groups, sums), (*synapses, *leaving), flat.steps, value_of_sums(whole))


def _check_neurons(whole: WholeCore) -> None:
    target = TARGETS["sanafe"]
    for node in whole.core.nodes:
        op = node.op
        if isinstance(op, Neuron) and type(op).__name__ not in target.neurons:
            raise LegalizeError(
                "needs programmable neurons, and SANA-FE's Loihi has integrate-and-fire ones",
                node=node.name, op=type(op).__name__,
                hint=f"compile with --target sanafe; codings: {', '.join(target.codings)}",
            )  # fmt: skip
        if isinstance(op, IF) and op.signed:
            raise LegalizeError(
                "fires in both directions, and SANA-FE's Loihi has no signed spikes",
                node=node.name, op="IF", hint="compile with --target sanafe",
            )  # fmt: skip


def _group(name: str, one: FlatPopulation, begin: int, whole: WholeCore) -> Group:
    half = 0.5
    from_input = _in_units(one.from_input)
    if isinstance(one.node.op, IF):
        potential = one.potentials + half
        if np.any(potential > one.thresholds):
            raise LegalizeError(
                "begins above its threshold, and would fire before its input arrives",
                node=one.node.name, op="IF", hint="compile without calibrating potentials",
            )  # fmt: skip
        return Group(name, one.node, begin, 1.0, "soft", _in_units(one.thresholds),
                     _in_units(potential), _in_units(one.bias), from_input)  # fmt: skip
    # A unit that always fires, or never, does so by one.
    most = whole.reach[one.node] + 1
    bias = one.bias + half - np.clip(one.thresholds, -most, most)
    zeros = np.zeros(bias.size)
    return Group(name, one.node, begin, 0.0, "none", zeros, zeros, _in_units(bias), from_input)


def _in_units(values: NDArray[np.number]) -> Array:
    return values.astype(np.float64) * UNIT


def _arriving(
    one: FlatPopulation, names: Mapping[Node, str], begin: Mapping[Node, int]
) -> list[Synapses]:
    own = begin[one.node]
    found = [
        Synapses(names[source], names[one.node],
                 waiting(own, begin[source], MOST_WAITING, one.node), weight)
        for source, weight in one.synapses.items()
    ]  # fmt: skip
    if one.feedback is not None:
        found.append(Synapses(names[one.node], names[one.node], 0, one.feedback))
    return found


def _sums(
    whole: WholeCore, flat: FlatCore, names: Mapping[Node, str], begin: Mapping[Node, int]
) -> tuple[Group, list[Synapses]]:
    """Units that add up what leaves, and the synapses to them."""
    (entry,) = whole.core.inputs
    assert isinstance(entry.op, Input) and entry.op.width is not None
    arriving, bias = flat.sums
    none = np.zeros((bias.size, entry.op.width), np.int64)
    from_input = _in_units(arriving.pop(entry, none))
    own, end = after(begin, list(arriving)), whole.core.outputs[0]
    never = np.full(bias.size, _NEVER)
    group = Group("sums", None, own, 1.0, "none", never, np.zeros(bias.size), _in_units(bias),
                  from_input)  # fmt: skip
    synapses = [
        Synapses(names[source], "sums", waiting(own, begin[source], MOST_WAITING, end), weight)
        for source, weight in arriving.items()
    ]
    return group, synapses
