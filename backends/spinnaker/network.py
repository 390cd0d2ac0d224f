"""Population programs as populations of ``IFTruncDelta`` units, which are exact there.

The unit resets hard and never falls below its reset potential, so it has no soft reset and no
program over time. But a memoryless unit runs in one step, and that it can do: its initial potential
is its bias and its input, its reset potential is far below anything, and its synapses bring the
rest in the one step that is its own. It fires then or never: having fired, it lies far below.

A spike takes a step (``pinnir.hops``), so a unit must not fire before its own step. One that would,
by its bias alone, begins lower by a *hold*, which a clock unit, firing in step 0, gives back in the
right step. A last group that never fires adds up what leaves the core.

One whole number is 2^-15, the last bit of a potential; a weight is a 16-bit magnitude, shifted left
by as much as all that reach a population have in common, and its receptor's sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnir.backends.parts import value_of_sums
from pinnir.backends.spinnaker.neuron import LOWEST, MOST_RING
from pinnir.errors import LegalizeError
from pinnir.flatten import FlatCore, FlatPopulation, flatten
from pinnir.hops import after, first_steps, waiting
from pinnir.integers import Whole, WholeCore, check_range
from pinnir.ir import Array, Input, Neuron, Node
from pinnir.neurons import Threshold
from pinnir.target import TARGETS

CLOCK, SUMS = "clock", "sums"
# Beyond the one step that any spike takes.
MOST_WAITING = 15


@dataclass(frozen=True, eq=False)
class Group:
    """Units that have the same step of their own.

    Attributes:
        name: Of the population.
        node: The population in the core, or None.
        begin: Their step.
        threshold: ``(units,)``; here and below in whole numbers.
        potential: In step 0 for an input of zeros, ``(units,)``.
        from_input: What one of every input adds to it, ``(units, inputs)``.
        shift: By how much what arrives is shifted left; all weights are multiples of 2^shift.
    """

    name: str
    node: Node | None
    begin: int
    threshold: Whole
    potential: Whole
    from_input: Whole
    shift: int = 0

    @property
    def units(self) -> int:
        """How many units."""
        return self.threshold.size

    def potentials(self, inputs: Array) -> Whole:
        """In step 0, ``(samples, units)``, for ``(samples, inputs)``."""
        return np.rint(inputs).astype(np.int64) @ self.from_input.T + self.potential


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses from one group to another.

    Attributes:
        source: Name of the group that fires.
        target: Name of the group that listens.
        delay: Steps from a spike to its arrival.
        weight: ``(target units, source units)``; 0 is no synapse.
    """

    source: str
    target: str
    delay: int
    weight: Whole


@dataclass(frozen=True, eq=False)
class Network:
    """A core for SpiNNaker.

    Attributes:
        groups: The clock, populations in running order, the sums that leave.
        synapses: Between them.
        steps: Steps until the sums are there.
        unit: Value of one in the sums, ``(columns,)``.
    """

    groups: tuple[Group, ...]
    synapses: tuple[Synapses, ...]
    steps: int
    unit: Array


def network(whole: WholeCore, largest_input: float) -> Network:
    """The network of a core.

    Args:
        whole: The core.
        largest_input: Largest magnitude of what enters.

    Raises:
        LegalizeError: If the core has other units than memoryless ones, or its numbers do not fit.
    """
    integers = TARGETS["spinnaker"].integers
    assert integers is not None
    _check_neurons(whole)
    check_range(whole, integers)
    flat = flatten(whole)
    begin = first_steps(flat)
    names = {one.node: f"p{number}" for number, one in enumerate(flat.populations)}
    groups, synapses = [_clock(whole)], list[Synapses]()
    for one in flat.populations:
        found = _arriving(one, names, begin)
        shift = _shift(found)
        group, hold = _group(names[one.node], one, begin[one.node], whole, largest_input, shift)
        if hold.any():
            delay = 1 + waiting(group.begin, 0, MOST_WAITING, one.node)
            found.append(Synapses(CLOCK, group.name, delay, hold[:, None]))
        _check_rings(found, shift, one.node)
        groups.append(group)
        synapses += found
    sums, leaving = _sums(whole, flat, names, begin)
    unit = value_of_sums(whole)
    return Network((*groups, sums), (*synapses, *leaving), sums.begin + 1, unit)


def _check_neurons(whole: WholeCore) -> None:
    for node in whole.core.nodes:
        op = node.op
        if isinstance(op, Neuron) and not isinstance(op, Threshold):
            raise LegalizeError(
                "sPyNNaker's units reset hard and stop at their reset potential, which only "
                "memoryless threshold units bear exactly",
                node=node.name, op=type(op).__name__,
                hint="compile with --target spinnaker --coding population",
            )  # fmt: skip


def _clock(whole: WholeCore) -> Group:
    """One unit that fires in step 0 and never again."""
    (entry,) = whole.core.inputs
    assert isinstance(entry.op, Input) and entry.op.width is not None
    one, none = np.ones(1, np.int64), np.zeros((1, entry.op.width), np.int64)
    return Group(CLOCK, None, 0, one, one, none)


def _shift(arriving: list[Synapses]) -> int:
    """The power of two that all weights are multiples of."""
    bits = 0
    for one in arriving:
        bits |= int(np.bitwise_or.reduce(np.abs(one.weight), axis=None, initial=0))
    return (bits & -bits).bit_length() - 1 if bits else 0


def _group(
    name: str,
    one: FlatPopulation,
    begin: int,
    whole: WholeCore,
    largest_input: float,
    shift: int,
) -> tuple[Group, Whole]:
    """A population, and by how much it is held down until its step."""
    # A unit that always fires, or never, does so by one.
    most = int(whole.reach[one.node]) + 1
    threshold = np.clip(one.thresholds, -most, most)
    hold = np.zeros_like(threshold)
    if begin:
        highest = one.bias + np.abs(one.from_input).sum(axis=1) * int(largest_input)
        hold = np.maximum(highest - threshold + 1, 0)
        hold = -(-hold >> shift) << shift
    group = Group(name, one.node, begin, threshold, one.bias - hold, one.from_input, shift)
    return group, hold


def _arriving(
    one: FlatPopulation, names: Mapping[Node, str], begin: Mapping[Node, int]
) -> list[Synapses]:
    own = begin[one.node]
    return [
        Synapses(names[source], names[one.node],
                 1 + waiting(own, begin[source], MOST_WAITING, one.node), weight)
        for source, weight in one.synapses.items()
    ]  # fmt: skip


def _check_rings(arriving: list[Synapses], shift: int, node: Node) -> None:
    """All that may arrive in one step adds up in 16 bits, for each sign."""
    for sign in (1, -1):
        sums = sum(np.maximum(sign * one.weight, 0).sum(axis=1) for one in arriving)
        most = int(np.max(sums, initial=0)) >> shift
        if most > MOST_RING:
            raise LegalizeError(
                f"gets up to {most} of one sign in a step, and SpiNNaker's ring buffers hold "
                f"{MOST_RING}",
                node=node.name,
                op=type(node.op).__name__,
                hint="compile with fewer levels or fewer weight bits",
            )


def _sums(
    whole: WholeCore, flat: FlatCore, names: Mapping[Node, str], begin: Mapping[Node, int]
) -> tuple[Group, list[Synapses]]:
    """Units that add up what leaves, and the synapses to them."""
    (entry,) = whole.core.inputs
    assert isinstance(entry.op, Input) and entry.op.width is not None
    arriving, bias = flat.sums
    from_input = arriving.pop(entry, np.zeros((bias.size, entry.op.width), np.int64))
    own, end = after(begin, list(arriving)), whole.core.outputs[0]
    never = np.full(bias.size, -LOWEST)
    synapses = [
        Synapses(names[source], SUMS, 1 + waiting(own, begin[source], MOST_WAITING, end), weight)
        for source, weight in arriving.items()
    ]
    shift = _shift(synapses)
    _check_rings(synapses, shift, end)
    group = Group(SUMS, None, own, never, bias, from_input, shift)
    return group, synapses
