"""Runs a core layer by layer: all steps of a map in one product, all samples of a step in one call.

A spike is there in the step in which it is sent, and no population hears from a later one. So a
layer runs over all steps before the next one begins, as Norse's own ``Lift`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch

from pinnir.backends.norse.synapses import AffineModule
from pinnir.ir.evaluate import Observer
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.metrics.spikes import SpikeCounter

# Numbers of the widest layer in one step, and in all steps, of the samples that run at once where
# only sums are asked for: what a call writes is still in the cache when the next one reads it.
_NUMBERS, _ALL_NUMBERS = 2**16, 2**20
_LEAST_SAMPLES = 32

Held: TypeAlias = dict[tuple[Node, tuple[int, ...]], torch.Tensor]


def run_layers(
    core: Graph,
    modules: Mapping[Node, torch.nn.Module],
    x: torch.Tensor,
    observe: Observer,
    held: Held,
) -> torch.Tensor:
    """All steps of a core.

    Args:
        core: Of one input and one output.
        modules: Of every other node; plain maps have no state.
        x: ``(samples, columns)``.
        observe: As for ``evaluate``, but of one layer after the other.
        held: Memory for what populations send, which stays from call to call.

    Returns:
        The mean over the steps or the last value, ``(samples, outputs)``.
    """
    if not isinstance(observe, SpikeCounter):
        return _run(core, modules, x, observe, {})  # who is told every spike may keep it
    widest = max((n.op.units for n in modules if isinstance(n.op, Neuron)), default=1)
    most = min(_NUMBERS, _ALL_NUMBERS // core.steps)
    blocks = torch.split(x, max(_LEAST_SAMPLES, most // widest))
    return torch.cat([_run(core, modules, block, observe, held) for block in blocks])


def _run(
    core: Graph,
    modules: Mapping[Node, torch.nn.Module],
    x: torch.Tensor,
    observe: Observer,
    held: Held,
) -> torch.Tensor:
    values = {core.inputs[0]: x[None]}  # (steps, samples, columns); one step if all are equal
    sums: dict[tuple[Node, ...], torch.Tensor] = {}  # that several nodes read
    left = {node: len(users) for node, users in core.users.items()}
    for node, module in modules.items():
        if node.operands not in sums:
            sums[node.operands] = _summed([values[operand] for operand in node.operands])
        current = sums[node.operands]
        for operand in node.operands:
            left[operand] -= 1
        if not any(left[operand] for operand in node.operands):
            del sums[node.operands]
            for operand in node.operands:
                values.pop(operand, None)
        if isinstance(module, AffineModule):
            flat = current.flatten(0, 1)
            shape = (len(flat), module.bias.numel())
            value = module.into(flat, _memory(held, node, shape, flat.dtype)).view(
                *current.shape[:2], -1
            )
        else:
            value = _stepped(module, current, core.steps, held, node)
        values[node] = value
        if isinstance(node.op, Neuron):
            _tell(observe, node, value)
    output = values[core.outputs[0]]
    return output.sum(dim=0) / len(output) if core.read_out == "mean" else output[-1].clone()


def _summed(given: list[torch.Tensor]) -> torch.Tensor:
    first, *others = given
    return sum(others, first)


def _stepped(
    module: torch.nn.Module, current: torch.Tensor, steps: int, held: Held, node: Node
) -> torch.Tensor:
    """What a module with a state gives in every step."""
    state, found = None, None
    for step in range(steps):
        value, state = module(current[min(step, len(current) - 1)], state)
        if found is None:
            found = _memory(held, node, (steps, *value.shape), value.dtype)
        found[step] = value
    assert found is not None
    return found


def _memory(held: Held, node: Node, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An array for a node's values, with anything in it: new memory costs more than to fill it."""
    if (node, shape) not in held:
        held[node, shape] = torch.empty(shape, dtype=dtype)
    return held[node, shape]


def _tell(observe: Observer, node: Node, value: torch.Tensor) -> None:
    spikes = value.numpy()
    if isinstance(observe, SpikeCounter):
        events = node.op_as(Neuron).events(spikes.reshape(-1, spikes.shape[2]))
        observe.add(node, np.asarray(events).sum(axis=0))
        return
    for step, own in enumerate(spikes):
        observe(step, node, own)
