"""Neurons that send changes of their level, the neuron of delta coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pinnir.neurons.programmable import Arrays, LevelNeuron, staircase_of
from pinnir.numerics.matrix import Array


@dataclass(frozen=True, eq=False)
class Delta(LevelNeuron):
    r"""Neurons that keep their membrane potential and level, and send what the level changed by.

    .. math:: v \leftarrow v + I, \quad k' = \mathrm{level}(v + I_0), \quad
              s = k' - k, \quad k \leftarrow k'

    where :math:`I` is the synapses' sum over arriving events and :math:`I_0` the analog input, if
    there is one, which is not accumulated. Before the first point :math:`v = 0` and :math:`k = 0`.
    With a hysteresis of ``h`` levels, the level changes only if the potential leaves the level's
    own interval by more than ``h`` times the interval's width.

    Attributes:
        hysteresis: ``h``, 0 for levels equal to the staircase's.
        graded: Whether a change travels as one event that carries a number; else it is as many
            unit events as the level changes by.
    """

    coding = "delta"

    hysteresis: float = 0.0
    graded: bool = False

    def events(self, change: Array) -> Array:
        """How many events a change of level is."""
        return (change != 0).astype(np.float64) if self.graded else np.abs(change)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The staircase and the two options."""
        options = {
            "hysteresis": np.array([self.hysteresis]),
            "graded": np.array([self.graded], np.int8),
        }
        return super().to_arrays() | options

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote."""
        hysteresis, graded = arrays["hysteresis"].item(), arrays["graded"].item()
        if not 0 <= hysteresis <= MOST_HYSTERESIS or graded not in (0, 1):
            raise ValueError("hysteresis or graded is out of range")
        return cls(staircase_of(arrays), float(hysteresis), bool(graded))


# A level that a potential keeps further than that from it means nothing.
MOST_HYSTERESIS = 16.0
