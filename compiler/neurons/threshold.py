"""Memoryless threshold units, the neuron of population coding."""

from __future__ import annotations

from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Neuron
from pinnir.numerics.matrix import Array


@dataclass(frozen=True, eq=False)
class Threshold(Neuron):
    r"""Units that compare their input with a threshold and remember nothing.

    .. math:: s = [I \ge \theta]

    Attributes:
        threshold: ``theta``, ``(units,)``; ``inf`` is a unit that never fires.
        level_weight: What a spike adds to the level of its source neuron, ``(units,)``.
        level_offset: Level of each source neuron without any spike in *this* population,
            ``(neurons,)``; the levels of a layer are the sum over its populations.
    """

    threshold: Array
    level_weight: NDArray[np.int32]
    level_offset: NDArray[np.int32]

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.threshold.size)

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """Nothing is remembered."""
        return ()

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Spikes ``(samples, units)`` of one step."""
        return (current >= self.threshold).astype(np.float64), ()

    def levels(self, spikes: Array) -> NDArray[np.int64]:
        """Contribution of this population to its source neurons' levels ``(samples, neurons)``."""
        weighted = (spikes * self.level_weight).reshape(len(spikes), self.level_offset.size, -1)
        return np.asarray(weighted.sum(axis=2) + self.level_offset, np.int64)

    def to_nir(self) -> nir.Threshold:
        """The NIR primitive, which compares with ``>``: the next float below the threshold."""
        return nir.Threshold(
            threshold=np.nextafter(self.threshold, -np.inf),
            metadata={
                "pinnir": {
                    "comparison": ">",
                    "reset": "none",
                    "dt": 1.0,
                    "level_weight": self.level_weight.copy(),
                    "level_offset": self.level_offset.copy(),
                }
            },
        )

    @classmethod
    def from_nir(cls, node: nir.Threshold) -> Threshold:
        """The population that :meth:`to_nir` wrote."""
        own = node.metadata["pinnir"]
        with np.errstate(over="ignore"):  # the largest float becomes the infinity it came from
            threshold = np.nextafter(node.threshold, np.inf)
        return cls(threshold, own["level_weight"], own["level_offset"])
