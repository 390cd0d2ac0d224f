"""The Norse backend: Norse's LIFBox cells in PyTorch, under our own node map.

``norse.torch.LIFBoxCell`` does ``v += dt / tau (v_leak - v + I)``, fires if ``v > v_th`` and
resets. Two settings of it are our neurons:

1. ``dt / tau = 1`` and a fresh state every step: ``v = I``, a memoryless threshold unit.
2. ``dt / tau = 2^-k`` with the input scaled by ``2^k``: the leak ``2^-k v`` is lost in rounding,
   so ``v += I`` exactly, a non-leaky integrator. The reset is Norse's ``reset_method``: by
   subtraction of the threshold, or to zero.

Norse compares with ``>``, pinnir with ``>=``: ``v_th`` is the next float below the threshold.
Norse's own NIR importer is not used: it ignores the reset and executes fan-in in a wrong order.
Norse has no programmable neurons; ``streamed.py`` has modules of ours in its conventions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from norse.torch import LIFBoxCell
from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters
from norse.torch.functional.reset import reset_value

from pinnir.backends.norse.layers import Held, run_layers
from pinnir.backends.norse.membranes import IntegratedCell
from pinnir.backends.norse.sign_gradient import ScheduledSynapses, SignGradientCell
from pinnir.backends.norse.streamed import DeltaRunner, PhaseRunner, cells
from pinnir.backends.norse.synapses import AffineModule
from pinnir.base.errors import BackendError
from pinnir.ir.evaluate import Observer
from pinnir.ir.graph import Affine, Graph, Input, Neuron, Node, Scheduled
from pinnir.neurons import (
    IF,
    Delta,
    FlooredIF,
    HardResetIF,
    Integrated,
    Phase,
    SignGradient,
    Threshold,
)
from pinnir.numerics.matrix import Array
from pinnir.program.simulators import Backend, CoreRunner

# k: 2^-k is far below the rounding of the float type, and 2^k times a current does not overflow.
_EXPONENTS = {torch.float64: 200, torch.float32: 60}


class ThresholdCell(torch.nn.Module):
    """Case 1: memoryless units."""

    def __init__(self, op: Threshold, dtype: torch.dtype) -> None:
        super().__init__()
        self.cell = _cell(op.threshold, 0, dtype, _kept)
        self.fresh = LIFBoxFeedForwardState(v=torch.zeros((), dtype=dtype))

    def forward(self, current: torch.Tensor, state: None) -> tuple[torch.Tensor, None]:
        """Spikes ``(samples, units)``."""
        spikes, _ = self.cell(current, self.fresh)
        return spikes, None


# Norse's membrane state and the last spikes, for the feedback.
IFState: TypeAlias = tuple[LIFBoxFeedForwardState, torch.Tensor]


class IntegrateFire(torch.nn.Module):
    """Case 2: integrators, those with soft reset with feedback from their own last spikes."""

    def __init__(self, op: IF | HardResetIF, dtype: torch.dtype) -> None:
        super().__init__()
        exponent = _EXPONENTS[dtype]
        self.scale = 2.0**exponent
        hard = isinstance(op, HardResetIF)
        reset = reset_value if hard else _subtracting(op.threshold, dtype)
        self.cell = _cell(op.threshold, exponent, dtype, reset)
        feedback = None if isinstance(op, HardResetIF) else op.feedback
        silent = np.zeros(op.units)
        self.feedback = None if feedback is None else AffineModule(feedback, silent, dtype)

    def forward(self, current: torch.Tensor, state: IFState | None) -> tuple[torch.Tensor, IFState]:
        """Spikes ``(samples, units)`` and the new state."""
        if state is None:
            zeros = torch.zeros_like(current)
            state = LIFBoxFeedForwardState(v=zeros), zeros
        membrane, last = state
        if self.feedback is not None:
            membrane = LIFBoxFeedForwardState(v=membrane.v + self.feedback(last))
        spikes, membrane = self.cell(current * self.scale, membrane)
        return spikes, (membrane, spikes)


# Norse's: (spikes, potential, reset, threshold) -> potential
Reset: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _kept(z: torch.Tensor, v: torch.Tensor, reset: torch.Tensor, th: torch.Tensor) -> torch.Tensor:
    """No reset, of a state that nobody reads."""
    return v


def _subtracting(threshold: Array, dtype: torch.dtype) -> Reset:
    """Norse's reset_subtract would subtract v_th, the float below the threshold."""
    # Units with an infinite threshold never fire, and nothing times infinity would be NaN.
    less = -torch.as_tensor(np.where(np.isfinite(threshold), threshold, 0.0), dtype=dtype)

    def subtract(
        z: torch.Tensor, v: torch.Tensor, reset: torch.Tensor, th: torch.Tensor
    ) -> torch.Tensor:
        return torch.addcmul(v, z, less)

    return subtract


def _cell(threshold: Array, exponent: int, dtype: torch.dtype, reset: Reset) -> LIFBoxCell:
    exact = torch.as_tensor(threshold, dtype=dtype)
    parameters = LIFBoxParameters(
        tau_mem_inv=torch.as_tensor(2.0**-exponent, dtype=dtype),
        v_leak=torch.zeros((), dtype=dtype),
        v_th=torch.nextafter(exact, torch.full_like(exact, -torch.inf)),
        v_reset=torch.zeros_like(exact),
        method="heaviside",
        reset_method=reset,
    )
    return LIFBoxCell(parameters, dt=1.0)


class NorseBackend(Backend):
    """Norse LIFBox cells in PyTorch on the CPU, float64 unless asked otherwise."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        self.dtype = dtype
        # Calls of torch cost microseconds each; blocks for the cache are cut in ``layers.py``.
        self.points_at_once = 1024

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """Build the modules of a core.

        Raises:
            BackendError: If a node has no counterpart in Norse.
        """
        kinds = {type(node.op) for node in core.nodes if isinstance(node.op, Neuron)}
        if kinds in ({Delta}, {Phase}):
            own = cells(core, self.dtype)
            if kinds == {Delta}:
                return DeltaRunner(core, own, lines, self.dtype)
            return PhaseRunner(core, own, self.dtype)
        modules = {
            node: self._module(node) for node in core.nodes if not isinstance(node.op, Input)
        }

        held: Held = {}

        def run(x: Array, observe: Observer) -> Array:
            with torch.no_grad():
                entry = torch.as_tensor(np.ascontiguousarray(x), dtype=self.dtype)
                return run_layers(core, modules, entry, observe, held).to(torch.float64).numpy()

        return run

    def _module(self, node: Node) -> torch.nn.Module:
        op = node.op
        if isinstance(op, Scheduled):
            plain = AffineModule(op.weight, np.zeros_like(op.bias), self.dtype)
            return ScheduledSynapses(plain, op, self.dtype)
        if isinstance(op, SignGradient):
            return SignGradientCell(op, self.dtype)
        if isinstance(op, Affine):
            return AffineModule(op.weight, op.bias, self.dtype)
        if isinstance(op, Threshold):
            return ThresholdCell(op, self.dtype)
        if isinstance(op, IF) and not op.signed and np.all(op.bias == 0):
            return IntegrateFire(op, self.dtype)
        if isinstance(op, HardResetIF) and not isinstance(op, FlooredIF):
            return IntegrateFire(op, self.dtype)
        if isinstance(op, Integrated):
            return IntegratedCell(op, self.dtype)
        raise node.error(BackendError, "Norse has no such neuron", "compile with --target norse")
