"""Populations that integrate over the steps of a rate program, held still until they begin.

``IFTruncDelta`` with the reset potential 0 is a unit that resets to zero and has a floor there. Its
bias and its input are its constant current, which runs from step 0 on, whereas a population begins
when the last of those that it listens to has begun (``chip_steps.py``). So until then clock units,
one a step, pull each unit to its floor, and the last of them brings its initial potential. In
step 0, when nothing can have arrived, it lies so low that its current does not lift it from the
floor. After its steps a unit goes on, and nobody listens.
"""

from __future__ import annotations

import numpy as np

from pinnir.backends.spinnaker.groups import (
    CLOCK,
    Reached,
    TruncatedCore,
    TruncatedGroup,
    check_rings,
    shift_of,
)
from pinnir.backends.spinnaker.neuron import LOWEST
from pinnir.backends.stepped_core import Projection
from pinnir.ir.graph import width
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import Whole


def timed(core: TruncatedCore, one: FlatPopulation) -> Reached:
    """A population of ``FlooredIF`` units, and all synapses to it, those from the clock last.

    Raises:
        LegalizeError: If ring buffers do not hold what arrives.
    """
    name, begin, potential = core.names[one.node], core.begin[one.node], one.potentials
    arriving = core.arriving(one)
    # What the clock brings comes with the first spikes, what it takes with none.
    with_clock = [*arriving, Projection(CLOCK, name, 1, one.potentials[:, None])]
    shift = shift_of(with_clock)
    if begin:
        hold = -(-np.maximum(core.highest_currents(one), 0) >> shift) << shift
        check_rings([Projection(CLOCK, name, 1, -hold[:, None])], shift, one.node)
        weight = np.zeros((hold.size, core.clocks), np.int64)
        weight[:, : begin - 1] = -hold[:, None]
        weight[:, begin - 1] = one.potentials
        arriving.append(Projection(CLOCK, name, 1, weight))
        potential = np.full_like(potential, LOWEST)
    check_rings(with_clock, shift, one.node)
    group = TruncatedGroup(
        name=name,
        node=one.node,
        begin=begin,
        steps=core.flat.steps,
        threshold=one.thresholds,
        potential=potential,
        from_input=one.from_input,
        offset=one.bias,
        reset=0,
        shift=shift,
    )
    return group, tuple(arriving)


def ticking(core: TruncatedCore) -> Reached:
    """Clock units that fire once each: the first in step 0, each other a step after the last."""
    count = core.clocks
    first: Whole = (np.arange(count) == 0).astype(np.int64)
    from_input = np.zeros((count, width(core.whole.core.inputs[0])), np.int64)
    ones = np.ones(count, np.int64)
    group = TruncatedGroup(CLOCK, None, 0, 1, ones, first, from_input)
    after = np.eye(count, k=-1, dtype=np.int64)
    return group, (Projection(CLOCK, CLOCK, 1, after),) if count > 1 else ()
