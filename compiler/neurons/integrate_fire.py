"""Integrate-and-fire neurons with soft reset, the neuron of rate coding."""

from __future__ import annotations

from dataclasses import dataclass

import nir
import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Neuron
from pinnir.numerics.matrix import Array, BlockDiagonal, apply


@dataclass(frozen=True, eq=False)
class IF(Neuron):
    r"""Non-leaky integrate-and-fire units with reset by subtraction.

    .. math:: v \leftarrow (v + F s_{t-1}) + (I + b), \quad
              s_t = [v \ge \theta], \quad v \leftarrow v - \theta s_t

    A signed unit also fires ``-1``, at :math:`v \le -\theta`; if it is centred, at :math:`v \le 0`.
    A centred unit starts at half its threshold, as unsigned ones do, and so counts the nearest
    multiple of the threshold in both directions; others round towards zero. The feedback is added
    before the input so that a split signed unit sees the same roundings as the signed unit itself.

    Attributes:
        threshold: ``theta``, ``(units,)``.
        bias: ``b``, a constant current, ``(units,)`` or 0; legalisation moves it into the
            synapses, where NIR has a place for it.
        signed: Whether units may fire -1.
        centred: Whether signed units fire it at 0.
        feedback: ``F``, from the units' own spikes one step earlier, or None.
    """

    threshold: Array
    bias: Array | float = 0.0
    signed: bool = False
    centred: bool = False
    feedback: BlockDiagonal | None = None

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.threshold.size)

    @property
    def rounds(self) -> bool:
        """Whether it starts at half its threshold, and so counts to the nearest."""
        return self.centred or not self.signed

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """Membrane potential and last spikes, all zero."""
        zeros = np.zeros((samples, self.units))
        return zeros, zeros

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Spikes ``(samples, units)`` of one step, and the new state."""
        potential, last = state
        if self.feedback is not None:
            potential = potential + apply(self.feedback, last)
        potential = potential + (current + self.bias)
        spikes = (potential >= self.threshold).astype(np.float64)
        if self.signed:
            spikes -= potential <= (0.0 if self.centred else -self.threshold)
        return spikes, (potential - self.threshold * spikes, spikes)

    def to_nir(self) -> nir.IF:
        """The NIR primitive; feedback is a separate ``Linear`` that the emitter adds.

        Raises:
            LegalizeError: If the unit is signed or has a constant current, which NIR cannot say.
        """
        if self.signed:
            raise LegalizeError(
                "NIR has no signed neuron", op="IF", hint="run the pass split-signs first"
            )
        if np.any(self.bias):
            raise LegalizeError(
                "NIR has no constant current in a neuron", op="IF", hint="run the pass legalise"
            )
        return nir.IF(
            r=np.ones_like(self.threshold),
            v_threshold=self.threshold.copy(),
            v_reset=np.zeros_like(self.threshold),
            metadata={"pinnir": {"comparison": ">=", "reset": "subtract", "dt": 1.0}},
        )

    @classmethod
    def from_nir(cls, node: nir.IF) -> IF:
        """The population that :meth:`to_nir` wrote, without its feedback."""
        return cls(node.v_threshold)
