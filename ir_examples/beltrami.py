"""Beltrami flow: the unsteady Navier-Stokes equations in the plane at Reynolds number 1.

u_t + u u_x + v u_y = -p_x + lap u, the same for v with p_y, and u_x + v_y = 0, on x and y in
[-1, 1], t in [0, 1]. The exact solution is u = -cos x sin y exp(-2 t), v = sin x cos y exp(-2 t),
p = -(cos 2x + cos 2y) exp(-4 t) / 4. It gives u and v at the start and on the boundary, and pins
the pressure, which the equations leave free up to a function of time, by its value at the origin
at all times. Beyond these conditions it scores the networks and takes no part in the loss.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ir_examples.problems import grid_points
from ir_examples.runs import Reference

COLUMNS = ("x", "y", "t")
OUTPUTS = ("u", "v", "p")
LOWER, UPPER = (-1.0, -1.0, 0.0), (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Field:
    """The flow and its derivatives, each (..., outputs) with outputs u, v, p."""

    value: Tensor
    x: Tensor
    y: Tensor
    t: Tensor
    laplacian: Tensor


def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """Return the exact u, v, p on a last axis, at coordinates that broadcast."""
    decay = torch.exp(-2 * t)
    u = -torch.cos(x) * torch.sin(y) * decay
    v = torch.sin(x) * torch.cos(y) * decay
    p = -(torch.cos(2 * x) + torch.cos(2 * y)) * decay**2 / 4
    return torch.stack([u, v, p], dim=-1)


def navier_stokes(field: Field) -> Tensor:
    """Return the residuals of both momentum equations and of continuity, (..., 3)."""
    velocity = slice(0, 2)
    u, v = field.value[..., 0:1], field.value[..., 1:2]
    advection = u * field.x[..., velocity] + v * field.y[..., velocity]
    pressure = torch.stack([field.x[..., 2], field.y[..., 2]], dim=-1)
    momentum = field.t[..., velocity] + advection + pressure - field.laplacian[..., velocity]
    divergence = field.x[..., 0:1] + field.y[..., 1:2]
    return torch.cat([momentum, divergence], dim=-1)


def reference(grid: tuple[int, int, int] = (25, 25, 11)) -> Reference:
    """Return the exact solution on a uniform grid."""
    axes = tuple(
        np.linspace(low, high, count) for low, high, count in zip(LOWER, UPPER, grid, strict=True)
    )
    columns = torch.from_numpy(grid_points(axes)).unbind(dim=1)
    return Reference(axes, exact(*columns).numpy())
