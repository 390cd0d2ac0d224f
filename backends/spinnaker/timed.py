"""Populations that integrate over the steps of a rate program, held still until they begin.

``IFTruncDelta`` with the reset potential 0 is a unit that resets to zero and has a floor there. Its
bias and its input are its constant current, which runs from step 0 on, whereas a population begins
when the last of those that it listens to has begun (``chip_steps.py``). So until then clock units,
one a step, pull each unit to its floor, and the last of them brings its initial potential. In
step 0, when nothing can have arrived, it lies so low that its current does not lift it from the
floor. After its steps a unit goes on, and nobody listens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pinnir.backends.spinnaker.groups import CLOCK, Group, Synapses, check_rings, shift_of
from pinnir.backends.spinnaker.neuron import LOWEST
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import Whole


def timed(
    name: str,
    one: FlatPopulation,
    begin: int,
    arriving: Sequence[Synapses],
    *,
    steps: int,
    clocks: int,
    largest_input: float,
) -> tuple[Group, tuple[Synapses, ...]]:
    """A population, and all synapses to it, those from the clock last.

    Args:
        name: Of the group.
        one: The population, of ``FlooredIF`` units.
        begin: Its first step.
        arriving: Synapses from other populations.
        steps: Of the program.
        clocks: Units of the clock.
        largest_input: Largest magnitude of what enters.

    Raises:
        LegalizeError: If ring buffers do not hold what arrives.
    """
    none = np.zeros_like(one.from_input)
    shift = shift_of([*arriving, Synapses(CLOCK, name, 1, one.potentials[:, None])])
    potential = one.potentials
    clock: tuple[Synapses, ...] = ()
    if begin:
        highest = one.bias + np.abs(one.from_input).sum(axis=1) * int(largest_input)
        hold = -(-np.maximum(highest, 0) >> shift) << shift
        weight = np.zeros((hold.size, clocks), np.int64)
        weight[:, : begin - 1] = -hold[:, None]
        weight[:, begin - 1] = one.potentials
        clock = (Synapses(CLOCK, name, 1, weight),)
        potential = np.full_like(potential, LOWEST)
        check_rings([Synapses(CLOCK, name, 1, -hold[:, None])], shift, one.node)
    # What the clock brings comes with the first spikes, what it takes with none.
    begins = Synapses(CLOCK, name, 1, one.potentials[:, None])
    check_rings([*arriving, begins], shift, one.node)
    group = Group(name, one.node, begin, steps, one.thresholds, potential, none, one.bias,
                  one.from_input, 0, shift)  # fmt: skip
    return group, (*arriving, *clock)


def ticking(inputs: int, count: int) -> tuple[Group, tuple[Synapses, ...]]:
    """Clock units that fire once each: the first in step 0, each other a step after the last.

    Args:
        inputs: Columns that enter the core.
        count: How many.
    """
    first: Whole = (np.arange(count) == 0).astype(np.int64)
    none = np.zeros((count, inputs), np.int64)
    group = Group.memoryless(CLOCK, None, 0, np.ones(count, np.int64), first, none)
    after = np.eye(count, k=-1, dtype=np.int64)
    return group, (Synapses(CLOCK, CLOCK, 1, after),) if count > 1 else ()
