"""Membrane models as PyTorch modules in Norse's conventions.

A module is called once a step with its input current and its state, and gives its spikes and new
state; the state before the first step is None. Under forward Euler, Norse's own steps are used
where Norse has the model: ``lif_box`` and ``izhikevich``. The others, and Runge-Kutta 4, are the
equations of ``pinnir.neurons`` on tensors. Norse compares with ``>``, pinnir with ``>=``: Norse is
given the next float below the threshold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from norse.torch.functional.izhikevich import (
    IzhikevichParameters,
    IzhikevichState,
    izhikevich_feed_forward_step,
)
from norse.torch.functional.lif_box import (
    LIFBoxFeedForwardState,
    LIFBoxParameters,
    lif_box_feed_forward_step,
)
from norse.torch.functional.reset import reset_value
from norse.torch.functional.threshold import threshold as norse_threshold

from pinnir.neurons import LIF, Integrated, Izhikevich, Membrane
from pinnir.neurons.membranes.integrators import Scheme, integrate
from pinnir.neurons.membranes.membrane import Value

Tensors = tuple[torch.Tensor, ...]
# (current, state) -> (spikes, state), one sub-step
_SubStep = Callable[[torch.Tensor, Tensors], tuple[torch.Tensor, Tensors]]


class IntegratedCell(torch.nn.Module):
    """A population of a program: the membrane behind its synapses."""

    def __init__(self, op: Integrated, dtype: torch.dtype) -> None:
        super().__init__()
        self.op = op
        self.membrane = MembraneCell(op.model, op.scheme, dtype)

    def forward(
        self, current: torch.Tensor, state: tuple[Tensors | None, Tensors] | None
    ) -> tuple[torch.Tensor, tuple[Tensors | None, Tensors]]:
        """Spikes ``(samples, units)`` in one step, and the states of membrane and synapses."""
        if state is None:
            zeros = torch.zeros_like(current)
            state = None, (zeros, zeros)
        membrane, synapses = state
        if self.op.synapse is not None:
            current, synapses = self.op.synapse.current(synapses, current)
        spikes, membrane = self.membrane(current, membrane)
        return spikes, (membrane, synapses)


class MembraneCell(torch.nn.Module):
    """Units of one membrane model.

    Args:
        model: The membrane.
        scheme: How it is simulated.
        dtype: Of all numbers.
        method: How Norse's threshold lets gradients pass: ``heaviside`` does not, ``super`` is the
            surrogate gradient of SuperSpike.
        alpha: Sharpness of the surrogate gradient, in the inverse unit of the potential.
    """

    def __init__(
        self,
        model: Membrane,
        scheme: Scheme,
        dtype: torch.dtype,
        method: str = "heaviside",
        alpha: float = 100.0,
    ) -> None:
        super().__init__()
        self.model, self.scheme, self.dtype = model, scheme, dtype
        self.method, self.alpha = method, alpha
        self.norse = self._of_norse() if scheme.integrator == "euler" else None

    def forward(self, current: torch.Tensor, state: Tensors | None) -> tuple[torch.Tensor, Tensors]:
        """Spikes ``(samples, units)`` in one step, and the new state."""
        if state is None:
            state = tuple(torch.full_like(current, value) for value in self.model.rest())
        if self.norse is None:
            return integrate(self.model, self.scheme, state, current, torch, self._above)
        count = torch.zeros_like(current)
        for _ in range(self.scheme.substeps):
            spikes, state = self.norse(current, state)
            count = count + spikes
        return count, state

    def _above(self, potential: Value, threshold: float) -> torch.Tensor:
        above: torch.Tensor = norse_threshold(
            potential - self._below(threshold), self.method, self.alpha
        )
        return above

    def _below(self, threshold: float) -> float:
        exact = torch.tensor(threshold, dtype=self.dtype)
        return float(torch.nextafter(exact, torch.full_like(exact, -np.inf)))

    def _of_norse(self) -> _SubStep | None:
        """Norse's step of the model, if it has one."""
        model, step = self.model, self.scheme.substep
        if isinstance(model, LIF):
            return self._lif_box(model, step)
        if isinstance(model, Izhikevich):
            return self._izhikevich(model, step)
        return None

    def _lif_box(self, model: LIF, step: float) -> _SubStep:
        def subtracted(z: Value, v: Value, reset: Value, below: Value) -> Value:
            # Norse's reset_subtract would subtract v_th, the float below the threshold.
            return v - z * model.threshold

        parameters = LIFBoxParameters(
            tau_mem_inv=torch.tensor(1.0 / model.tau, dtype=self.dtype),
            v_leak=torch.tensor(0.0, dtype=self.dtype),
            v_th=torch.tensor(self._below(model.threshold), dtype=self.dtype),
            v_reset=torch.tensor(model.v_reset, dtype=self.dtype),
            method=self.method,
            alpha=torch.tensor(self.alpha, dtype=self.dtype),
            reset_method=subtracted if model.subtract else reset_value,
        )

        def advance(current: torch.Tensor, state: Tensors) -> tuple[torch.Tensor, Tensors]:
            box = LIFBoxFeedForwardState(v=state[0])
            spikes, box = lif_box_feed_forward_step(current, box, parameters, step)
            return spikes, (box.v,)

        return advance

    def _izhikevich(self, model: Izhikevich, step: float) -> _SubStep:
        v_th = self._below(model.threshold)
        numbers = (model.a, model.b, model.c, model.d)
        parameters = IzhikevichParameters(
            *numbers, v_th=v_th, tau_inv=1.0, method=self.method, alpha=self.alpha
        )

        def advance(current: torch.Tensor, state: Tensors) -> tuple[torch.Tensor, Tensors]:
            spikes, after = izhikevich_feed_forward_step(
                current, IzhikevichState(*state), parameters, step
            )
            return spikes, (after.v, after.u)

        return advance
