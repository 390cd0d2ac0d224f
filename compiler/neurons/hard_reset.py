"""Integrate-and-fire neurons with hard reset: what most neuromorphic chips have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import nir
import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Neuron
from pinnir.neurons.programmable import Arrays, Programmable
from pinnir.numerics.matrix import Array

# How a file's metadata calls this reset.
_RESET = "zero"


@dataclass(frozen=True, eq=False)
class HardResetIF(Neuron):
    r"""Non-leaky integrate-and-fire units that a spike sets back to zero.

    .. math:: v \leftarrow v + I, \quad s_t = [v \ge \theta], \quad v \leftarrow (1 - s_t) v

    What lies above the threshold at a spike is lost. NIR's own ``IF`` sets its potential to
    ``v_reset`` at a spike, which is this neuron; it compares with ``>``, and the metadata says
    ``>=``, as of the other neurons.

    Attributes:
        threshold: ``theta``, ``(units,)``.
    """

    threshold: Array

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.threshold.size)

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """Membrane potential, zero."""
        return (np.zeros((samples, self.units)),)

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Spikes ``(samples, units)`` of one step, and the new state."""
        return self._fired(state[0] + current)

    def _fired(self, potential: Array) -> tuple[Array, tuple[Array, ...]]:
        spikes = potential >= self.threshold
        return spikes.astype(np.float64), (np.where(spikes, 0.0, potential),)

    def to_nir(self) -> nir.IF:
        """The NIR primitive."""
        return nir.IF(
            r=np.ones_like(self.threshold),
            v_threshold=self.threshold.copy(),
            v_reset=np.zeros_like(self.threshold),
            metadata={"pinnir": {"comparison": ">=", "reset": _RESET, "dt": 1.0}},
        )

    @staticmethod
    def is_in(node: nir.IF) -> bool:
        """Whether :meth:`to_nir` wrote this node."""
        return bool(node.metadata.get("pinnir", {}).get("reset") == _RESET)

    @classmethod
    def from_nir(cls, node: nir.IF) -> HardResetIF:
        """The population that :meth:`to_nir` wrote."""
        return cls(node.v_threshold)


@dataclass(frozen=True, eq=False)
class FlooredIF(HardResetIF, Programmable):
    r"""Hard-reset units whose potential never lies below zero either.

    .. math:: v \leftarrow \max(v + I, 0), \quad s_t = [v \ge \theta], \quad
              v \leftarrow (1 - s_t) v

    NIR has no floor, so a program file keeps these units in pinnir's private group, and has no
    NIR graph of them. There it can carry their initial potentials as well: a start unit, which
    pulls its own potential far down after its spike, cannot have a floor.

    Attributes:
        potential: Before the first step, ``(units,)``.
    """

    coding: ClassVar[str] = "rate"

    potential: Array

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """Membrane potential."""
        return (np.tile(self.potential, (samples, 1)),)

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Spikes ``(samples, units)`` of one step, and the new state."""
        return self._fired(np.maximum(state[0] + current, 0.0))

    def to_nir(self) -> nir.IF:
        """There is none.

        Raises:
            LegalizeError: Always.
        """
        raise LegalizeError("NIR has no floor of a potential", op="FlooredIF")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Thresholds and initial potentials."""
        return {"threshold": self.threshold, "potential": self.potential}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote."""
        threshold, potential = (
            np.asarray(arrays[name], np.float64) for name in ("threshold", "potential")
        )
        if threshold.ndim != 1 or not threshold.size or potential.shape != threshold.shape:
            raise ValueError("a population needs one threshold and one potential a unit")
        if not (np.isfinite(threshold).all() and np.isfinite(potential).all()):
            raise ValueError("thresholds and potentials are finite")
        return cls(threshold, potential)
