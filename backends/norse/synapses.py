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
        return self.into(x, x.new_empty(len(x), self.bias.numel()))

    def into(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """The same, written into an array ``(samples, rows)``."""
        if self.weight.ndim == 2:
            return torch.addmm(self.bias, x, self.weight.t(), out=out)
        neurons, rows, columns = self.weight.shape
        parted = out.view(-1, neurons, rows)
        if columns == 1:
            torch.mul(x[:, :, None], self.weight[:, :, 0], out=parted)
        else:
            stacked = x.reshape(-1, neurons, columns).transpose(0, 1)
            parted.copy_(torch.bmm(stacked, self.weight.transpose(1, 2)).transpose(0, 1))
        return out.add_(self.bias)


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
