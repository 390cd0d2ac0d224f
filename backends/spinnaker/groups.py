"""What a network for SpiNNaker is made of, and what its ring buffers hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.backends.spinnaker.neuron import LOWEST, MOST_RING
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Node
from pinnir.mapping.integer_cores import Whole
from pinnir.numerics.matrix import Array

CLOCK, SUMS = "clock", "sums"
# Beyond the one step that any spike takes.
MOST_WAITING = 15


@dataclass(frozen=True, eq=False)
class Group:
    """Units that begin together.

    Attributes:
        name: Of the population.
        node: The population in the core, or None.
        begin: Their first step.
        steps: How many steps are theirs.
        threshold: ``(units,)``; here and below in whole numbers.
        potential: In step 0 for an input of zeros, ``(units,)``.
        from_input: What one of every input adds to it, ``(units, inputs)``.
        offset: Current of every step for an input of zeros, ``(units,)``.
        offset_from_input: What one of every input adds to it, ``(units, inputs)``.
        reset: Potential after a spike, and the least there is.
        shift: By how much what arrives is shifted left; all weights are multiples of 2^shift.
    """

    name: str
    node: Node | None
    begin: int
    steps: int
    threshold: Whole
    potential: Whole
    from_input: Whole
    offset: Whole
    offset_from_input: Whole
    reset: int = LOWEST
    shift: int = 0

    @classmethod
    def memoryless(
        cls,
        name: str,
        node: Node | None,
        begin: int,
        threshold: Whole,
        potential: Whole,
        from_input: Whole,
        shift: int = 0,
    ) -> Group:
        """Units of one step, all of whose input but spikes is in their initial potential."""
        return cls(
            name, node, begin, 1, threshold, potential, from_input, np.zeros_like(potential),
            np.zeros_like(from_input), LOWEST, shift,
        )  # fmt: skip

    @property
    def units(self) -> int:
        """How many units."""
        return self.threshold.size

    def potentials(self, inputs: Array) -> Whole:
        """In step 0, ``(samples, units)``, for ``(samples, inputs)``."""
        return np.rint(inputs).astype(np.int64) @ self.from_input.T + self.potential

    def offsets(self, inputs: Array) -> Whole:
        """Currents, likewise."""
        return np.rint(inputs).astype(np.int64) @ self.offset_from_input.T + self.offset


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


def shift_of(arriving: Sequence[Synapses]) -> int:
    """The power of two that all weights are multiples of."""
    bits = 0
    for one in arriving:
        bits |= int(np.bitwise_or.reduce(np.abs(one.weight), axis=None, initial=0))
    return (bits & -bits).bit_length() - 1 if bits else 0


def check_rings(arriving: Sequence[Synapses], shift: int, node: Node) -> None:
    """Find out whether all that arrives in one step adds up in 16 bits, for each sign.

    Raises:
        LegalizeError: If it may not.
    """
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
