"""Derivatives by nested automatic differentiation, against which the forward ones are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ir_examples.networks import Jet

Function = Callable[[Tensor], Tensor]


def derivatives(output: Tensor, points: Tensor) -> Tensor:
    """Derivatives of one output (samples,) by every column: (samples, columns)."""
    (result,) = torch.autograd.grad(output.sum(), points, create_graph=True, allow_unused=True)
    return torch.zeros_like(points) if result is None else result


def jet_by_autograd(
    function: Function, points: Tensor, operators: Sequence[Sequence[float]] = ()
) -> Jet:
    """What ``propagate`` gives, for any function of points (samples, columns)."""
    points = points.clone().requires_grad_()
    value = function(points)
    firsts, seconds = [], []
    for output in value.unbind(dim=1):
        first = derivatives(output, points)
        columns = range(points.shape[1])
        if first.requires_grad:
            pure = [derivatives(first[:, column], points)[:, column] for column in columns]
        else:
            pure = [torch.zeros(len(points), dtype=points.dtype) for _ in columns]
        firsts.append(first)
        seconds.append([torch.stack(pure, dim=1) @ torch.tensor(op).double() for op in operators])
    return Jet(
        value.detach(),
        tuple(torch.stack(firsts, dim=1).detach().unbind(dim=2)),
        tuple(
            torch.stack([row[index] for row in seconds], dim=1).detach()
            for index in range(len(operators))
        ),
    )


def random_points(lower: Sequence[float], upper: Sequence[float], count: int = 40) -> Tensor:
    """Uniform points of a box."""
    generator = torch.Generator().manual_seed(7)
    low, high = (torch.tensor(corner, dtype=torch.float64) for corner in (lower, upper))
    share = torch.rand(count, len(low), generator=generator, dtype=torch.float64)
    return low + share * (high - low)
