"""Train the Poisson PINN: -lap u = 2 pi^2 sin(pi x) sin(pi y) on (-1, 1)^2, u = 0 on the boundary.

The exact solution is sin(pi x) sin(pi y); it scores the network and takes no part in the loss.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ir_examples.training import (
    Problem,
    Reference,
    Settings,
    TanhMLP,
    grid_points,
    propagate,
    run,
    start,
)

WIDTHS = (2, 100, 100, 100, 1)
LAPLACIAN = (1.0, 1.0)
# An error e on the boundary shifts u by about e, a residual r by about r / (2 pi^2): squared, this
# weight makes the two count alike.
BOUNDARY_WEIGHT = 400.0
SETTINGS = Settings(lbfgs_steps=500, lbfgs_rounds=2)


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return lap u + 2 pi^2 sin(pi x) sin(pi y) at points (samples, 2)."""
    (laplacian,) = propagate(network, points, [LAPLACIAN]).second
    source = 2 * torch.pi**2 * torch.sin(torch.pi * points).prod(dim=1, keepdim=True)
    return laplacian + source


def boundary_points(per_side: int = 100) -> Tensor:
    """Return uniform points (4 * per_side, 2) on the four sides of the square."""
    along = torch.linspace(-1, 1, per_side, dtype=torch.float64)
    one = torch.ones_like(along)
    sides = [(along, -one), (along, one), (-one, along), (one, along)]
    return torch.cat([torch.stack(side, dim=1) for side in sides])


def penalty(network: TanhMLP) -> Tensor:
    """Return the weighted mean of u^2 on the boundary."""
    boundary: Tensor = network(boundary_points())
    return BOUNDARY_WEIGHT * boundary.square().mean()


def reference(points_per_axis: int = 101) -> Reference:
    """Return the exact solution on a uniform grid."""
    axis = np.linspace(-1, 1, points_per_axis)
    points = grid_points([axis, axis])
    outputs = np.sin(np.pi * points).prod(axis=1, keepdims=True)
    return Reference(points, outputs, (points_per_axis, points_per_axis))


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Poisson PINN.", SETTINGS, Path(__file__).parent)
    problem = Problem("poisson", ("x", "y"), (-1, -1), (1, 1), residual, penalty)
    run(TanhMLP(WIDTHS, settings.seed), problem, reference(), settings, folder)


if __name__ == "__main__":
    main()
