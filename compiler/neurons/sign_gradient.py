"""Neurons that follow any function of their input by sign gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.activation_bytes import function_from_bytes, function_to_bytes
from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Activation
from pinnir.neurons.programmable import Arrays, Programmable
from pinnir.numerics.matrix import Array

# Parameters that are plain arrays.
_ARRAYS = ("rates", "scale", "low", "high", "potential", "estimate")


@dataclass(frozen=True, eq=False)
class SignGradient(Programmable):
    r"""A neuron that moves its estimate of ``f`` a step up or down, and tells which by a spike.

    .. math:: m_t = m_{t-1} + I_t, \quad
              s_t = [y_{t-1} \ge f(m_t)], \quad
              y_t = y_{t-1} - \eta_t c\,(2 s_t - 1)

    That is sign gradient descent on :math:`|y - f(m)|` with a schedule of steps (S. Oh, Y. Lee,
    ICML 2024). The synapses behind know the schedule: they give :math:`I_t = -\eta_t W c (2 s -
    1)` (``Scheduled``), so that ``m`` is the sum of what the sources' ``y`` have become. In
    steps of :math:`\eta_t = 0` the neuron waits for its turn: it keeps ``y`` and is silent.

    A function of several values has a column of ``m`` for each, and ``m`` is held to the range
    that it was calibrated on, so that a square root is not asked for before its argument is
    there.

    Attributes:
        function: ``f``.
        rates: The schedule ``eta``, ``(steps,)``.
        scale: ``c``, ``(units,)``.
        low: Lower end of the arguments' range, ``(arguments x units,)``.
        high: Its upper end, same shape.
        potential: ``m`` before the first step, same shape.
        estimate: ``y`` before the first step, ``(units,)``.
    """

    coding = "signgd"
    exact = False

    function: Activation
    rates: Array
    scale: Array
    low: Array
    high: Array
    potential: Array
    estimate: Array

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.scale.size)

    @property
    def columns(self) -> int:
        """One for each argument of each unit."""
        return int(self.potential.size)

    @property
    def steps(self) -> int:
        """Steps of the schedule."""
        return int(self.rates.size)

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """``m``, ``y``, and the number of steps so far."""
        return (
            np.tile(self.potential, (samples, 1)),
            np.tile(self.estimate, (samples, 1)),
            np.zeros(1),
        )

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Spikes ``(samples, units)`` of one step, and the new state."""
        potential, estimate, count = state
        potential = potential + current
        rate = self.rates[int(count[0])]
        if rate == 0:
            return np.zeros_like(estimate), (potential, estimate, count + 1)
        spikes = (estimate >= self.follow(potential)).astype(np.float64)
        estimate = estimate - rate * self.scale * (2 * spikes - 1)
        return spikes, (potential, estimate, count + 1)

    def follow(self, potential: Array) -> Array:
        """``f(m)`` for ``m`` of shape ``(samples, arguments x units)``: what ``y`` is to become."""
        return apply_activation(self.function, np.clip(potential, self.low, self.high))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays as they are, and the function as the bytes of ``functions.py``."""
        told = np.frombuffer(function_to_bytes(self.function), np.uint8)
        return {name: getattr(self, name) for name in _ARRAYS} | {"function": told}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote."""
        function = function_from_bytes(np.asarray(arrays["function"], np.uint8).tobytes())
        given = {name: np.asarray(arrays[name], np.float64) for name in _ARRAYS}
        if any(one.ndim != 1 or not np.isfinite(one).all() for one in given.values()):
            raise ValueError("a parameter is not a list of finite numbers")
        units, columns = given["scale"].size, given["potential"].size
        if columns != units * function.arguments or given["estimate"].size != units:
            raise ValueError("there is one estimate a unit, and one potential an argument")
        if any(given[name].size != columns for name in ("low", "high")):
            raise ValueError("every argument has a range")
        if (given["low"] > given["high"]).any():
            raise ValueError("the ends of a range are the wrong way round")
        return cls(function, **given)
