"""Sign-gradient neurons as a PyTorch module in Norse's conventions.

State in, state out, a step a call, as Norse's own cells: ``spikes, state = cell(current, state)``,
where a state of None is the one before the first step. Norse has no cell that these could be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pinnir.ir.evaluate import apply_activation
from pinnir.ir.graph import Scheduled
from pinnir.neurons import SignGradient
from pinnir.numerics.matrix import Array


@dataclass
class FollowState:
    """State of sign-gradient neurons.

    Attributes:
        potential: ``m``, ``(samples, arguments x units)``.
        estimate: ``y``, ``(samples, units)``.
        step: How many steps there were.
    """

    potential: torch.Tensor
    estimate: torch.Tensor
    step: int


class SignGradientCell(torch.nn.Module):
    """Neurons that follow a function of their input; see ``pinnir.neurons.SignGradient``.

    The function is evaluated by pinnir's own table on the tensor's memory, so that it rounds as
    the reference does and a spike is never lost to the last digit of a tanh.
    """

    def __init__(self, op: SignGradient, dtype: torch.dtype) -> None:
        super().__init__()
        self.function = op.function
        self.rates = op.rates.tolist()
        self.scale, self.low, self.high, *self.first = (
            torch.as_tensor(one, dtype=dtype)
            for one in (op.scale, op.low, op.high, op.potential, op.estimate)
        )

    def forward(
        self, current: torch.Tensor, state: FollowState | None
    ) -> tuple[torch.Tensor, FollowState]:
        """Spikes ``(samples, units)`` and the new state."""
        if state is None:
            potential, estimate = (one.repeat(len(current), 1) for one in self.first)
            state = FollowState(potential, estimate, 0)
        potential, rate = state.potential + current, self.rates[state.step]
        if rate == 0:
            silent = torch.zeros_like(state.estimate)
            return silent, FollowState(potential, state.estimate, state.step + 1)
        spikes = (state.estimate >= self._follow(potential)).to(potential.dtype)
        estimate = state.estimate - rate * self.scale * (2 * spikes - 1)
        return spikes, FollowState(potential, estimate, state.step + 1)

    def _follow(self, potential: torch.Tensor) -> torch.Tensor:
        held = torch.clamp(potential, self.low, self.high)
        value: Array = apply_activation(self.function, held.numpy())
        return torch.as_tensor(np.ascontiguousarray(value), dtype=potential.dtype)


class ScheduledSynapses(torch.nn.Module):
    """Synapses whose effect a schedule scales; the state is the number of steps.

    Args:
        synapses: The map ``W x``, without a bias.
        op: What it does in each step.
        dtype: Of all numbers.
    """

    def __init__(self, synapses: torch.nn.Module, op: Scheduled, dtype: torch.dtype) -> None:
        super().__init__()
        self.synapses = synapses
        self.gains, self.centre = op.gains.tolist(), op.centre
        self.bias = torch.as_tensor(op.bias, dtype=dtype)

    def forward(self, x: torch.Tensor, state: int | None) -> tuple[torch.Tensor, int]:
        """``g_t W (x - c) + b`` and the next step."""
        step = state or 0
        gain = self.gains[step]
        if gain == 0:
            return self.bias.expand(len(x), -1), step + 1
        return gain * self.synapses(x - self.centre) + self.bias, step + 1
