"""Programs as populations of ``IFTruncDelta`` units, which are exact there.

The unit resets hard and never falls below its reset potential, so it has no soft reset. Units of
rate programs that were converted to that run as they are (``timed.py``). Memoryless units run in
one step: their initial potential is their bias and their input, their reset potential is far below
anything, and synapses bring the rest in the one step that is their own. They fire then or never:
having fired, they lie far below.

A spike takes a step (``chip_steps.py``), so a unit must not fire before its own step. One that
would, by its bias alone, begins lower by a *hold*, which a clock unit, firing in step 0, gives back
in the right step. A last group that never fires adds up what leaves the core.

One whole number is 2^-15, the last bit of a potential; a weight is a 16-bit magnitude, shifted left
by as much as all that reach a population have in common, and its receptor's sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pinnir.backends.exported_parts import NetworkCore, network_cores, value_of_sums
from pinnir.backends.spinnaker.groups import (
    CLOCK,
    MOST_WAITING,
    SUMS,
    Group,
    Network,
    Synapses,
    check_rings,
    shift_of,
)
from pinnir.backends.spinnaker.neuron import LOWEST
from pinnir.backends.spinnaker.timed import ticking, timed
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Input, Neuron, Node
from pinnir.mapping.chip_steps import after, first_steps, waiting
from pinnir.mapping.flat_units import FlatCore, FlatPopulation, flatten
from pinnir.mapping.integer_cores import WholeCore, check_range
from pinnir.neurons import FlooredIF, Threshold
from pinnir.program.program import Program

SpinnakerCore = NetworkCore[Network]


def cores_of(program: Program) -> list[SpinnakerCore]:
    """The cores of a program as networks.

    Raises:
        LegalizeError: If a core has no exact form on SpiNNaker.
    """
    return network_cores(program, network)


def network(whole: WholeCore, largest_input: float) -> Network:
    """The network of a core.

    Args:
        whole: The core.
        largest_input: Largest magnitude of what enters.

    Raises:
        LegalizeError: If the core has other units than memoryless ones, and ones that reset to
            zero and have a floor there, or its numbers do not fit.
    """
    integers = TARGETS["spinnaker"].integers
    assert integers is not None
    _check_neurons(whole)
    check_range(whole, integers)
    flat = flatten(whole)
    begin = first_steps(flat)
    names = {one.node: f"p{number}" for number, one in enumerate(flat.populations)}
    columns = flat.populations[0].from_input.shape[1]
    last = max((begin[one.node] for one in flat.populations if _is_timed(one)), default=1)
    clock, ticks = ticking(columns, max(1, last))
    groups, synapses = [clock], list(ticks)
    for one in flat.populations:
        found = _arriving(one, names, begin)
        if _is_timed(one):
            group, own = timed(
                names[one.node], one, begin[one.node], found,
                steps=flat.steps, clocks=clock.units, largest_input=largest_input,
            )  # fmt: skip
        else:
            group, own = _memoryless(
                names[one.node], one, begin[one.node], found, whole, largest_input
            )
        groups.append(group)
        synapses += own
    sums, leaving = _sums(whole, flat, names, begin)
    unit = value_of_sums(whole)
    return Network((*groups, sums), (*synapses, *leaving), sums.begin + sums.steps, unit)


def _check_neurons(whole: WholeCore) -> None:
    for node in whole.core.nodes:
        op = node.op
        if isinstance(op, Neuron) and not isinstance(op, Threshold | FlooredIF):
            raise LegalizeError(
                "sPyNNaker's units reset hard and stop at their reset potential, which this "
                "program's do not",
                node=node.name, op=type(op).__name__,
                hint="compile with --target spinnaker; codings: population, rate",
            )  # fmt: skip


def _is_timed(one: FlatPopulation) -> bool:
    return isinstance(one.node.op, FlooredIF)


def _memoryless(
    name: str,
    one: FlatPopulation,
    begin: int,
    arriving: Sequence[Synapses],
    whole: WholeCore,
    largest_input: float,
) -> tuple[Group, tuple[Synapses, ...]]:
    """A population of one step, and all synapses to it."""
    # A unit that always fires, or never, does so by one.
    most = int(whole.reach[one.node]) + 1
    threshold = np.clip(one.thresholds, -most, most)
    shift = shift_of(arriving)
    hold = np.zeros_like(threshold)
    if begin:
        highest = one.bias + np.abs(one.from_input).sum(axis=1) * int(largest_input)
        hold = np.maximum(highest - threshold + 1, 0)
        hold = -(-hold >> shift) << shift
    found = tuple(arriving)
    if hold.any():
        delay = 1 + waiting(begin, 0, MOST_WAITING, one.node)
        found = (*found, Synapses(CLOCK, name, delay, hold[:, None]))
    check_rings(found, shift, one.node)
    group = Group.memoryless(
        name, one.node, begin, threshold, one.bias - hold, one.from_input, shift
    )
    return group, found


def _arriving(
    one: FlatPopulation, names: Mapping[Node, str], begin: Mapping[Node, int]
) -> list[Synapses]:
    own = begin[one.node]
    return [
        Synapses(names[source], names[one.node],
                 1 + waiting(own, begin[source], MOST_WAITING, one.node), weight)
        for source, weight in one.synapses.items()
    ]  # fmt: skip


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
    shift = shift_of(synapses)
    check_rings(synapses, shift, end)
    steps = flat.steps if whole.core.read_out == "mean" else 1
    group = Group.memoryless(SUMS, None, own, never, steps * bias, steps * from_input, shift)
    return replace(group, steps=steps), synapses
