"""Train the Poisson PINN: -lap u = 2 pi^2 sin(pi x) sin(pi y) on (-1, 1)^2, u = 0 on the boundary.

The exact solution is sin(pi x) sin(pi y); it scores the network and takes no part in the loss.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ir_examples.networks import TanhMLP, propagate
from ir_examples.problems import PointProblem
from ir_examples.runs import Reference, run, start
from ir_examples.training import Settings

WIDTHS = (2, 100, 100, 100, 1)
LAPLACIAN = (1.0, 1.0)
# An error e on the boundary shifts u by about e, a residual r by about r / (2 pi^2): squared, this
# weight makes the two count alike.
WEIGHTS = {"boundary": 400.0}
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


def conditions(network: TanhMLP) -> dict[str, Tensor]:
    """Return the mean of u^2 on the boundary."""
    boundary: Tensor = network(boundary_points())
    return {"boundary": boundary.square().mean()}


def reference(points_per_axis: int = 101) -> Reference:
    """Return the exact solution on a uniform grid."""
    axis = np.linspace(-1, 1, points_per_axis)
    outputs = np.outer(np.sin(np.pi * axis), np.sin(np.pi * axis))
    return Reference((axis, axis), outputs.reshape(-1, 1))


def problem() -> PointProblem[TanhMLP]:
    """Return the problem."""
    return PointProblem(
        "poisson", ("x", "y"), (-1, -1), (1, 1), residual, conditions, weights=WEIGHTS
    )


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Poisson PINN.", SETTINGS, Path(__file__).parent)
    run(TanhMLP(WIDTHS, settings.seed), problem(), reference(), settings, folder)


if __name__ == "__main__":
    main()
