"""What a network for SpiNNaker is made of, and what its ring buffers hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.backends.exported_parts import NetworkCore
from pinnir.backends.spinnaker.neuron import LOWEST, MOST_RING
from pinnir.backends.stepped_core import ChipGroup, ChipNetwork, Projection, SteppedCore
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Node
from pinnir.mapping.flat_units import FlatPopulation
from pinnir.mapping.integer_cores import Whole
from pinnir.neurons import FlooredIF
from pinnir.numerics.matrix import Array

CLOCK = "clock"
# Beyond the one step that any spike takes.
MOST_WAITING = 15


@dataclass(frozen=True, eq=False)
class TruncatedGroup(ChipGroup):
    """``IFTruncDelta`` units that begin together, in whole numbers; potentials are of step 0.

    Attributes:
        offset: Current of every step for an input of zeros, ``(units,)``, to which inputs add;
            None in units all of whose input but spikes is in their initial potential.
        reset: Potential after a spike, and the least there is.
        shift: By how much what arrives is shifted left; all weights are multiples of 2^shift.
    """

    offset: Whole | None = None
    reset: int = LOWEST
    shift: int = 0

    def potentials(self, inputs: Array) -> Whole:
        """In step 0, ``(samples, units)``, for ``(samples, inputs)``."""
        entering = self._entering(inputs)
        return self.potential + (entering if self.offset is None else np.zeros_like(entering))

    def offsets(self, inputs: Array) -> Whole:
        """Currents, likewise."""
        entering = self._entering(inputs)
        return np.zeros_like(entering) if self.offset is None else entering + self.offset

    def _entering(self, inputs: Array) -> Whole:
        return np.rint(inputs).astype(np.int64) @ self.from_input.T


SpinnakerNetwork = ChipNetwork[TruncatedGroup]
SpinnakerCore = NetworkCore[SpinnakerNetwork]
# A group, and the synapses to it.
Reached = tuple[TruncatedGroup, tuple[Projection, ...]]


@dataclass(frozen=True, eq=False)
class TruncatedCore(SteppedCore):
    """A core of such units.

    Attributes:
        largest_input: Largest magnitude of what enters.
    """

    largest_input: float

    @property
    def clocks(self) -> int:
        """Clock units: one for every step in which integrating units are held still."""
        timed = (one.node for one in self.flat.populations if isinstance(one.node.op, FlooredIF))
        return max(1, max((self.begin[node] for node in timed), default=1))

    def highest_currents(self, one: FlatPopulation) -> Whole:
        """What a bias and any input bring to each unit at most, ``(units,)``."""
        highest: Whole = one.bias + np.abs(one.from_input).sum(axis=1) * int(self.largest_input)
        return highest


def shift_of(arriving: Sequence[Projection]) -> int:
    """The power of two that all weights are multiples of."""
    bits = 0
    for one in arriving:
        bits |= int(np.bitwise_or.reduce(np.abs(one.weight), axis=None, initial=0))
    return (bits & -bits).bit_length() - 1 if bits else 0


def check_rings(arriving: Sequence[Projection], shift: int, node: Node) -> None:
    """Find out whether all that arrives in one step adds up in 16 bits, for each sign.

    Raises:
        LegalizeError: If it may not.
    """
    for sign in (1, -1):
        sums = sum(np.maximum(sign * one.weight, 0).sum(axis=1) for one in arriving)
        most = int(np.max(sums, initial=0)) >> shift
        if most > MOST_RING:
            raise node.error(
                LegalizeError,
                f"gets up to {most} of one sign in a step, and SpiNNaker's ring buffers hold "
                f"{MOST_RING}",
                "compile with fewer levels or fewer weight bits",
            )
