"""Delta and phase neurons as PyTorch modules in Norse's conventions.

A module is called once a step with its input and its state, and gives its output and new state;
the state before the first step is None. Norse has no such neurons, so these are our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch

from pinnir.backends.norse.synapses import AffineModule, Flight, advance
from pinnir.ir.graph import Affine, Graph, Node, Staircase
from pinnir.metrics.input_changes import by_steps
from pinnir.metrics.spikes import depths
from pinnir.neurons import Delta, Phase
from pinnir.neurons.phase import naf
from pinnir.numerics.matrix import Array
from pinnir.program.streamed_cores import held_between

Observe = Callable[[int, Node, Array], None]


class Levels(torch.nn.Module):
    """A staircase: from potentials to intervals between boundaries, and from these to levels."""

    def __init__(self, op: Staircase, dtype: torch.dtype) -> None:
        super().__init__()
        self.boundaries = torch.as_tensor(op.boundaries, dtype=dtype).contiguous()
        self.table = torch.as_tensor(op.level_table, dtype=dtype)

    def forward(self, potential: torch.Tensor) -> torch.Tensor:
        """Boundaries passed, ``(samples, neurons)``."""
        rows = potential.t().contiguous()
        return torch.searchsorted(self.boundaries, rows, right=True).t()

    def level(self, intervals: torch.Tensor) -> torch.Tensor:
        """Level in each interval, ``(samples, neurons)``."""
        return self.table.gather(1, intervals.t()).t()


# The interval and the level that each neuron is at.
DeltaState: TypeAlias = tuple[torch.Tensor, torch.Tensor]


class DeltaCell(torch.nn.Module):
    """Neurons that send what their level changed by; see ``pinnir.neurons.Delta``."""

    def __init__(self, op: Delta, dtype: torch.dtype) -> None:
        super().__init__()
        self.levels = Levels(op.staircase, dtype)
        low, high = held_between(op.staircase, op.hysteresis)
        self.low, self.high = (torch.as_tensor(end, dtype=dtype).t() for end in (low, high))

    def forward(
        self, potential: torch.Tensor, state: DeltaState | None
    ) -> tuple[torch.Tensor, DeltaState]:
        """Changes of level ``(lines, neurons)`` and the new state."""
        intervals = self.levels(potential)
        before = torch.zeros_like(potential)
        if state is not None:
            last, before = state
            low, high = self.low.gather(0, last), self.high.gather(0, last)
            stays = (potential >= low) & (potential < high)
            intervals = torch.where(stays, last, intervals)
        levels = self.levels.level(intervals)
        return levels - before, (intervals, levels)


class PhaseCell(torch.nn.Module):
    """Neurons that send their level's signed binary digits; see ``pinnir.neurons.Phase``."""

    def __init__(self, op: Phase, dtype: torch.dtype) -> None:
        super().__init__()
        self.levels = Levels(op.staircase, dtype)
        self.digits = op.digits

    def forward(
        self, potential: torch.Tensor, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One digit of each neuron ``(samples, neurons)``, and those that are still to be sent.

        The state is ``(digits, samples, neurons)``, the next digit first.
        """
        if state is None:  # a period begins
            levels = self.levels.level(self.levels(potential)).to(torch.int64)
            digits = torch.as_tensor(naf(levels.numpy(), self.digits))
            state = digits.to(potential.dtype)
        return state[0], state[1:]


class Accumulating(torch.nn.Module):
    """Synapses that add up what events bring: ``v = gain v + W s``.

    The gain is 1 for changes of level, and 2 for digits, of which each weighs twice the next.
    """

    def __init__(self, synapses: torch.nn.Module, bias: torch.Tensor, gain: float) -> None:
        super().__init__()
        self.synapses, self.bias, self.gain = synapses, bias, gain

    def forward(
        self, events: torch.Tensor, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``v`` and the bias ``(samples, rows)``, and ``v`` as the new state."""
        arriving: torch.Tensor = self.synapses(events)
        v = arriving if state is None else self.gain * state + arriving
        return v + self.bias, v


Modules = dict[Node, torch.nn.Module]


def cells(core: Graph, dtype: torch.dtype) -> Modules:
    """A module for every node of a core of delta or phase neurons, which computes in ``dtype``."""
    found: Modules = {}
    for node in core.nodes[1:]:
        op, read = node.op, node.operands[0].op
        if isinstance(op, Delta):
            found[node] = DeltaCell(op, dtype)
        elif isinstance(op, Phase):
            found[node] = PhaseCell(op, dtype)
        elif isinstance(op, Affine):
            found[node] = AffineModule(op.weight, op.bias, dtype)
            if isinstance(read, Delta | Phase):
                plain = AffineModule(op.weight, np.zeros_like(op.bias), dtype)
                bias = torch.as_tensor(op.bias, dtype=dtype)
                found[node] = Accumulating(plain, bias, 1.0 if isinstance(read, Delta) else 2.0)
    return found


class DeltaRunner:
    """Runs a core of delta neurons, one step of all lines a call of its modules."""

    def __init__(self, core: Graph, modules: Modules, lines: int, dtype: torch.dtype) -> None:
        self.core, self.modules, self.lines, self.dtype = core, modules, lines, dtype
        self._states: dict[Node, object] = {}
        self._last: Array | None = None

    def __call__(self, x: Array, observe: Observe) -> Array:
        """Go on along the lines; as ``pinnir.program.streamed_cores.DeltaStream``."""
        steps = by_steps(x, self.lines, self._last)
        self._last = steps[-1]
        seen: dict[Node, list[Array]] = {}
        outputs = []
        with torch.no_grad():
            for points in steps:
                entry = torch.as_tensor(points, dtype=self.dtype)
                now = Flight({self.core.inputs[0]: entry}, self._states)
                for node, module in self.modules.items():
                    value = advance(node, module, now)
                    if isinstance(node.op, Delta):
                        seen.setdefault(node, []).append(value.double().numpy())
                outputs.append(now.values[self.core.outputs[0]].double().numpy())
        for node, events in seen.items():
            observe(0, node, np.concatenate(events)[: len(x)])
        return np.concatenate(outputs)[: len(x)]


class PhaseRunner:
    """Runs a core of phase neurons as a pipeline, one digit a call of its modules.

    The points of a call are cut into as many groups as there are periods. While a population sends
    the digits of one group, the one before it sends those of the next group. What skips a
    population waits.
    """

    def __init__(self, core: Graph, modules: Modules, dtype: torch.dtype) -> None:
        self.core, self.modules, self.dtype = core, modules, dtype
        self._periods = depths(core)
        self._digits = max(node.op.digits for node in core.nodes if isinstance(node.op, Phase))

    def __call__(self, x: Array, observe: Observe) -> Array:
        """Run points, each through all its periods; as ``PhaseStream`` in ``program/``."""
        count = max(self._periods.values())
        source, sink = self.core.inputs[0], self.core.outputs[0]
        flights = [
            Flight({source: torch.as_tensor(group, dtype=self.dtype)}, {})
            for group in np.array_split(x, min(count, len(x)))
        ]
        sent: dict[tuple[int, Node], list[Array]] = {}
        with torch.no_grad():
            for period in range(len(flights) + count):
                for digit in range(self._digits):
                    for number, flight in enumerate(flights):
                        for node in self._turn(period - number, digit):
                            value = advance(node, self.modules[node], flight)
                            if isinstance(node.op, Phase):
                                step = (period - number - 1) * self._digits + digit
                                sent.setdefault((step, node), []).append(value.double().numpy())
        for (step, node), groups in sent.items():
            observe(step, node, np.concatenate(groups))
        return np.concatenate([flight.values[sink].double().numpy() for flight in flights])

    def _turn(self, period: int, digit: int) -> list[Node]:
        """Whose turn it is for points that entered so many periods ago."""
        if period == 0 and digit:
            return []  # analog input does not change within a period
        return [node for node in self.modules if self._periods[node] == period]
