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

from typing import TypeAlias

import numpy as np
import torch
from norse.torch import LIFBoxCell
from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters
from norse.torch.functional.reset import reset_value

from pinnir.backends.norse.membranes import IntegratedCell
from pinnir.backends.norse.sign_gradient import ScheduledSynapses, SignGradientCell
from pinnir.backends.norse.streamed import DeltaRunner, PhaseRunner, cells
from pinnir.backends.norse.synapses import AffineModule, Flight, advance
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
        self.cell = _cell(op.threshold, 0, dtype)

    def forward(self, current: torch.Tensor, state: None) -> tuple[torch.Tensor, None]:
        """Spikes ``(samples, units)``."""
        spikes, _ = self.cell(current, None)
        return spikes, None


# Norse's membrane state and the last spikes, for the feedback.
IFState: TypeAlias = tuple[LIFBoxFeedForwardState, torch.Tensor]


class IntegrateFire(torch.nn.Module):
    """Case 2: integrators, those with soft reset with feedback from their own last spikes."""

    def __init__(self, op: IF | HardResetIF, dtype: torch.dtype) -> None:
        super().__init__()
        exponent = _EXPONENTS[dtype]
        self.scale = 2.0**exponent
        self.cell = _cell(op.threshold, exponent, dtype, hard=isinstance(op, HardResetIF))
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


def _cell(threshold: Array, exponent: int, dtype: torch.dtype, *, hard: bool = False) -> LIFBoxCell:
    exact = torch.as_tensor(threshold, dtype=dtype)
    below = torch.nextafter(exact, torch.full_like(exact, -torch.inf))

    def subtract(
        z: torch.Tensor, v: torch.Tensor, reset: torch.Tensor, th: torch.Tensor
    ) -> torch.Tensor:
        # Norse's reset_subtract would subtract v_th, the float below the threshold.
        return v - torch.where(z > 0, exact, torch.zeros_like(exact))

    parameters = LIFBoxParameters(
        tau_mem_inv=torch.as_tensor(2.0**-exponent, dtype=dtype),
        v_leak=torch.zeros_like(exact),
        v_th=below,
        v_reset=torch.zeros_like(exact),
        method="heaviside",
        reset_method=reset_value if hard else subtract,
    )
    return LIFBoxCell(parameters, dt=1.0)


class NorseBackend(Backend):
    """Norse LIFBox cells in PyTorch on the CPU, float64 unless asked otherwise."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        self.dtype = dtype

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

        def run(x: Array, observe: Observer) -> Array:
            with torch.no_grad():
                entry = torch.as_tensor(np.ascontiguousarray(x), dtype=self.dtype)
                return _simulate(core, modules, entry, observe).to(torch.float64).numpy()

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


def _simulate(
    core: Graph, modules: dict[Node, torch.nn.Module], x: torch.Tensor, observe: Observer
) -> torch.Tensor:
    """All steps of a core; the read-out is the mean over the steps or the last value."""
    flight = Flight({core.inputs[0]: x}, {})
    total = None
    for step in range(core.steps):
        for node, module in modules.items():
            value = advance(node, module, flight)
            if isinstance(node.op, Neuron):
                observe(step, node, value.numpy())
        output = flight.values[core.outputs[0]]
        total = output if total is None or core.read_out == "last" else total + output
    assert total is not None
    return total / core.steps if core.read_out == "mean" else total
