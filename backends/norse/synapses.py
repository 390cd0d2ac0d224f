"""Maps as PyTorch modules, and one step of any module of a core."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pinnir.ir.graph import Node
from pinnir.numerics.matrix import Array, Matrix, entries


class AffineModule(torch.nn.Module):
    """An affine map, dense or block-diagonal."""

    def __init__(self, weight: Matrix, bias: Array, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = torch.as_tensor(entries(weight), dtype=dtype)
        self.bias = torch.as_tensor(bias, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x W^T + b`` for ``x`` of shape ``(samples, inputs)``."""
        if self.weight.ndim == 2:
            return torch.nn.functional.linear(x, self.weight, self.bias)
        neurons, rows, columns = self.weight.shape
        stacked = x.reshape(-1, neurons, columns).transpose(0, 1)
        product = torch.bmm(stacked, self.weight.transpose(1, 2))
        return product.transpose(0, 1).reshape(len(x), neurons * rows) + self.bias


@dataclass
class Flight:
    """Points on their way: values and states of the nodes for these points."""

    values: dict[Node, torch.Tensor]
    states: dict[Node, object]


def advance(node: Node, module: torch.nn.Module, flight: Flight) -> torch.Tensor:
    """One step of a module on the sum of its operands; all but plain maps have a state."""
    first, *others = (flight.values[operand] for operand in node.operands)
    current = sum(others, first)
    if isinstance(module, AffineModule):
        value: torch.Tensor = module(current)
    else:
        value, flight.states[node] = module(current, flight.states.get(node))
    flight.values[node] = value
    return value
