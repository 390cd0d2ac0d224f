"""Train the diffusion-reaction PINN: u_t = u_xx + R(x, t) on x in [-pi, pi], t in [0, 1].

The exact solution is u = exp(-t) sum_k a_k sin(k x) with the five modes below, which gives
R = exp(-t) sum_k a_k (k^2 - 1) sin(k x). Initial and boundary values are its own; beyond them it
scores the network and takes no part in the loss.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ir_examples.gauss_newton import NewtonSettings, PointLoss, Term, problem_of
from ir_examples.networks import TanhMLP, propagate, spread_mlp
from ir_examples.problems import grid_points
from ir_examples.runs import Reference, run_newton, start

WIDTHS = (2, 100, 100, 100, 1)
LOWER, UPPER = (-np.pi, 0.0), (np.pi, 1.0)
# sin(8 x) has sixteen extrema on the box, exp(-t) none.
SLOPES = (8.0, 1.0)
MODES = torch.tensor([1.0, 2.0, 3.0, 4.0, 8.0], dtype=torch.float64)
AMPLITUDES = torch.tensor([1, 1 / 2, 1 / 3, 1 / 4, 1 / 8], dtype=torch.float64)
D2_DX2 = (1.0, 0.0)
# A residual r shifts a mode by at most r, the slowest one.
WEIGHTS = {"initial": 20.0, "left": 20.0, "right": 20.0}
SETTINGS = NewtonSettings(collocation=300, steps=60)


def exact(points: Tensor) -> Tensor:
    """Return the exact solution (samples, 1) at points (samples, 2)."""
    return series(points, AMPLITUDES)


def series(points: Tensor, amplitudes: Tensor) -> Tensor:
    """Return exp(-t) sum_k amplitude_k sin(k x) at points (samples, 2)."""
    x, t = points[:, :1], points[:, 1:]
    return torch.exp(-t) * (torch.sin(MODES * x) @ amplitudes)[:, None]


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return u_t - u_xx - R at points (samples, 2)."""
    jet = propagate(network, points, [D2_DX2])
    reaction = series(points, AMPLITUDES * (MODES**2 - 1))
    return jet.first[1] - jet.second[0] - reaction


def violation(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the difference from the exact solution, at the start and at the ends."""
    outputs: Tensor = network(points)
    return outputs - exact(points)


TERMS = (
    Term("residual", residual, LOWER, UPPER),
    Term("initial", violation, (-np.pi, 0), (np.pi, 0), 1 / 4, WEIGHTS["initial"]),
    Term("left", violation, (-np.pi, 0), (-np.pi, 1), 1 / 8, WEIGHTS["left"]),
    Term("right", violation, (np.pi, 0), (np.pi, 1), 1 / 8, WEIGHTS["right"]),
)


def reference(grid: tuple[int, int] = (201, 51)) -> Reference:
    """Return the exact solution on a uniform grid in x and t."""
    axes = np.linspace(LOWER[0], UPPER[0], grid[0]), np.linspace(0, 1, grid[1])
    return Reference(axes, exact(torch.from_numpy(grid_points(axes))).numpy())


def network_of(seed: int) -> TanhMLP:
    """Return the untrained network."""
    return spread_mlp(WIDTHS, LOWER, UPPER, SLOPES, seed)


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the diffusion-reaction PINN.", SETTINGS, Path(__file__).parent)
    problem = problem_of("diffusion_reaction", ("x", "t"), TERMS)
    run_newton(network_of(settings.seed), problem, PointLoss(TERMS), reference(), settings, folder)


if __name__ == "__main__":
    main()
