"""sPyNNaker's ``IFTruncDelta`` in the integers that a SpiNNaker core computes with.

Numbers are s16.15: 32-bit integers in units of 2^-15. From ``neuron_model_if_trunc.h``,
``threshold_type_static.h`` and ``synapses.c`` of sPyNNaker 7.4, with one step a millisecond:

1. A spike adds its weight, 16 bits without a sign, to a 16-bit ring buffer of the step and the
   receptor type that it arrives for; the buffer stops at 65,535. In that step the buffer, shifted
   left, is the input ``E`` (excitatory) or ``N`` (inhibitory).
2. Outside of the refractory period ``V <- (E - N + I) R + V`` with ``R = tau_m / cm``, then
   ``V <- max(V, V_reset)``; within it, the period gets a step shorter instead.
3. A unit fires if ``V >= V_thresh``. Then ``V <- V_reset``, and the refractory period begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.mapping.integer_cores import Whole

ONE = 1 << 15
MOST_RING = (1 << 16) - 1
LOWEST = -(1 << 30)


@dataclass(frozen=True, eq=False)
class TruncatedIF:
    """Parameters of some units, in units of 2^-15 where they are numbers.

    Attributes:
        threshold: ``V_thresh``, ``(units,)``.
        reset: ``V_reset``, ``(units,)``.
        offset: ``I``, ``(units,)`` or, where it differs, ``(samples, units)``.
        resistance: ``R``, ``(units,)``.
        refractory: Steps of the refractory period, ``(units,)``.
    """

    threshold: Whole
    reset: Whole
    offset: Whole
    resistance: Whole
    refractory: Whole

    def step(
        self, potential: Whole, timer: Whole, excitatory: Whole, inhibitory: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """One step of some samples.

        Args:
            potential: ``V``, ``(samples, units)``.
            timer: Steps left of refractory periods, same shape.
            excitatory: ``E``, same shape.
            inhibitory: ``N``, same shape.

        Returns:
            Spikes, new potentials, new timers.
        """
        current = excitatory - inhibitory + self.offset
        moved = np.maximum(((current * self.resistance) >> 15) + potential, self.reset)
        free = timer <= 0
        potential = np.where(free, moved, potential)
        timer = np.where(free, timer, timer - 1)
        spikes = potential >= self.threshold
        return (
            spikes.astype(np.int64),
            np.where(spikes, self.reset, potential),
            np.where(spikes, self.refractory, timer),
        )


def ring(arriving: Whole, shift: int) -> Whole:
    """Input of a step from the weights that arrive for it."""
    return np.minimum(arriving, MOST_RING) << shift
