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

import numpy as np

from pinnir.backends.exported_parts import check_sums, network_cores
from pinnir.backends.recording import populations
from pinnir.backends.spinnaker.groups import (
    CLOCK,
    MOST_WAITING,
    Reached,
    SpinnakerCore,
    SpinnakerNetwork,
    TruncatedCore,
    TruncatedGroup,
    check_rings,
    shift_of,
)
from pinnir.backends.spinnaker.neuron import LOWEST
from pinnir.backends.spinnaker.timed import ticking, timed
from pinnir.backends.stepped_core import SUMS, ChipNetwork, Projection
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.mapping.chip_steps import waiting
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import IntegerCore
from pinnir.neurons import FlooredIF, Threshold
from pinnir.program.program import Program


def cores_of(program: Program) -> list[SpinnakerCore]:
    """The cores of a program as networks.

    Raises:
        LegalizeError: If a core has no exact form on SpiNNaker.
    """
    return network_cores(program, network)


def network(whole: IntegerCore, largest_input: float) -> SpinnakerNetwork:
    """The network of a core.

    Args:
        whole: The core.
        largest_input: Largest magnitude of what enters.

    Raises:
        LegalizeError: If the core has other units than memoryless ones, and ones that reset to
            zero and have a floor there, or its numbers do not fit.
    """
    _check_neurons(whole)
    core = TruncatedCore(whole, MOST_WAITING, largest_input)
    check_sums(whole, TARGETS["spinnaker"])
    found = [ticking(core)]
    for one in core.flat.populations:
        make = timed if isinstance(one.node.op, FlooredIF) else _memoryless
        found.append(make(core, one))
    found.append(_sums(core))
    groups = tuple(group for group, _ in found)
    return ChipNetwork(groups, tuple(one for _, reaching in found for one in reaching))


def _check_neurons(whole: IntegerCore) -> None:
    for node in populations(whole.core):
        if not isinstance(node.op, Threshold | FlooredIF):
            raise node.error(
                LegalizeError,
                "sPyNNaker's units reset hard and stop at their reset potential, which this "
                "program's do not",
                "compile with --target spinnaker; codings: population, rate",
            )


def _memoryless(core: TruncatedCore, one: FlatPopulation) -> Reached:
    """A population of one step, and all synapses to it."""
    name, begin, arriving = core.names[one.node], core.begin[one.node], core.arriving(one)
    # A unit that always fires, or never, does so by one.
    most = int(core.whole.reach[one.node]) + 1
    threshold = np.clip(one.thresholds, -most, most)
    shift = shift_of(arriving)
    hold = np.zeros_like(threshold)
    if begin:
        hold = np.maximum(core.highest_currents(one) - threshold + 1, 0)
        hold = -(-hold >> shift) << shift
    if hold.any():
        delay = 1 + waiting(begin, 0, MOST_WAITING, one.node)
        arriving.append(Projection(CLOCK, name, delay, hold[:, None]))
    check_rings(arriving, shift, one.node)
    potential = one.bias - hold
    group = TruncatedGroup(
        name, one.node, begin, 1, threshold, potential, one.from_input, shift=shift
    )
    return group, tuple(arriving)


def _sums(core: TruncatedCore) -> Reached:
    """Units that add up what leaves, and the synapses to them."""
    begin, from_input, bias, arriving = core.leaving()
    shift = shift_of(arriving)
    check_rings(arriving, shift, core.whole.core.outputs[0])
    steps = core.flat.steps if core.whole.core.read_out == "mean" else 1
    never = np.full(bias.size, -LOWEST)
    potential, per_input = steps * bias, steps * from_input
    group = TruncatedGroup(SUMS, None, begin, steps, never, potential, per_input, shift=shift)
    return group, tuple(arriving)
