"""Train the Burgers PINN: u_t + u u_x = (0.01 / pi) u_xx on x in [-1, 1], t in [0, 1].

The initial condition is u(x, 0) = -sin(pi x), the boundary condition u(-1, t) = u(1, t) = 0. The
solution steepens into a front at x = 0. The Cole-Hopf solution scores the network and takes no
part in the loss.
"""

from pathlib import Path

import numpy as np
import torch
from scipy.special import logsumexp, roots_hermite
from torch import Tensor

from ir_examples.networks import TanhMLP, propagate
from ir_examples.problems import Array, PointProblem
from ir_examples.runs import Reference, run, start
from ir_examples.training import Settings

WIDTHS = (2, 40, 40, 40, 40, 40, 40, 1)
VISCOSITY = 0.01 / np.pi
D2_DX2 = (1.0, 0.0)
WEIGHTS = {"initial": 20.0, "boundary": 20.0}
QUADRATURE_NODES = 256
QUADRATURE_TOLERANCE = 1e-10
SETTINGS = Settings(collocation=4000, lbfgs_steps=12_000, lbfgs_rounds=12)


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return u_t + u u_x - viscosity u_xx at points (samples, 2)."""
    jet = propagate(network, points, [D2_DX2])
    u_x, u_t = jet.first
    (u_xx,) = jet.second
    return u_t + jet.value * u_x - VISCOSITY * u_xx


def conditions(network: TanhMLP, count: int = 200) -> dict[str, Tensor]:
    """Return the mean squares of the initial and boundary violations."""
    x = torch.linspace(-1, 1, count, dtype=torch.float64)
    t = torch.linspace(0, 1, count, dtype=torch.float64)
    one = torch.ones_like(t)
    start_line = torch.stack([x, torch.zeros_like(x)], dim=1)
    sides = torch.cat([torch.stack([side, t], dim=1) for side in (-one, one)])
    initial: Tensor = network(start_line)[:, 0] + torch.sin(torch.pi * x)
    boundary: Tensor = network(sides)
    return {"initial": initial.square().mean(), "boundary": boundary.square().mean()}


def cole_hopf(x: Array, t: float, nodes: int) -> Array:
    """Return the exact solution at positions x and one time t by Gauss-Hermite quadrature.

    With y = x - z sqrt(4 viscosity t), u = -int sin(pi y) w dz / int w dz, where the weight is
    w = exp(-z^2 - cos(pi y) / (2 pi viscosity)) (Basdevant et al., Comput. Fluids 14, 1986). Its
    logarithm spans a hundred, so it is normalised before the exponential is taken.
    """
    if t == 0:
        return -np.sin(np.pi * x)
    z, weights = roots_hermite(nodes)
    # Outer weights underflow to zero and add nothing.
    z, weights = z[weights > 0], weights[weights > 0]
    y = x[:, None] - z * np.sqrt(4 * VISCOSITY * t)
    exponent = np.log(weights) - np.cos(np.pi * y) / (2 * np.pi * VISCOSITY)
    share = np.exp(exponent - logsumexp(exponent, axis=1, keepdims=True))
    solution: Array = -(np.sin(np.pi * y) * share).sum(axis=1)
    return solution


def reference(grid: tuple[int, int] = (256, 101)) -> Reference:
    """Return the exact solution on a uniform grid in x and t.

    Raises:
        ArithmeticError: If twice the quadrature nodes give another solution.
    """
    x, t = np.linspace(-1, 1, grid[0]), np.linspace(0, 1, grid[1])
    coarse, fine = (
        np.stack([cole_hopf(x, time, nodes) for time in t], axis=1)
        for nodes in (QUADRATURE_NODES, 2 * QUADRATURE_NODES)
    )
    change = float(np.abs(fine - coarse).max())
    if change > QUADRATURE_TOLERANCE:
        raise ArithmeticError(f"doubling the quadrature nodes changes the solution by {change:.1e}")
    return Reference((x, t), fine.reshape(-1, 1))


def problem() -> PointProblem[TanhMLP]:
    """Return the problem."""
    return PointProblem(
        "burgers", ("x", "t"), (-1, 0), (1, 1), residual, conditions, weights=WEIGHTS
    )


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Burgers PINN.", SETTINGS, Path(__file__).parent)
    run(TanhMLP(WIDTHS, settings.seed), problem(), reference(), settings, folder)


if __name__ == "__main__":
    main()
