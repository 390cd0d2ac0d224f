"""Train the wave PINN: u_tt = 4 u_xx on x in [0, 1], t in [0, 1].

The exact solution is sin(pi x) cos(2 pi t) + sin(4 pi x) cos(8 pi t) / 2: the ends are held at
zero, the string starts at rest. Beyond these conditions it scores the network and takes no part
in the loss.
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
LOWER, UPPER = (0.0, 0.0), (1.0, 1.0)
# Four extrema in x, eight in t.
SLOPES = (3.0, 6.0)
D_ALEMBERT = (-4.0, 1.0)
# A residual r in resonance with a mode of frequency w = 8 pi shifts u by about r t / (2 w) and u_t
# by w times that; squared, these weights make all violations count alike.
WEIGHTS = {"initial": 2000.0, "velocity": 4.0, "left": 1000.0, "right": 1000.0}
SETTINGS = NewtonSettings(collocation=300, steps=300)


def exact(points: Tensor) -> Tensor:
    """Return the exact solution (samples, 1) at points (samples, 2)."""
    x, t = torch.pi * points[:, :1], torch.pi * points[:, 1:]
    return torch.sin(x) * torch.cos(2 * t) + torch.sin(4 * x) * torch.cos(8 * t) / 2


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return u_tt - 4 u_xx at points (samples, 2)."""
    return propagate(network, points, [D_ALEMBERT]).second[0]


def displacement(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the difference from the exact solution, at the start and at the ends."""
    outputs: Tensor = network(points)
    return outputs - exact(points)


def velocity(network: TanhMLP, points: Tensor) -> Tensor:
    """Return u_t, which is zero at the start."""
    return propagate(network, points).first[1]


TERMS = (
    Term("residual", residual, LOWER, UPPER),
    Term("initial", displacement, (0, 0), (1, 0), 1 / 8, WEIGHTS["initial"]),
    Term("velocity", velocity, (0, 0), (1, 0), 1 / 8, WEIGHTS["velocity"]),
    Term("left", displacement, (0, 0), (0, 1), 1 / 8, WEIGHTS["left"]),
    Term("right", displacement, (1, 0), (1, 1), 1 / 8, WEIGHTS["right"]),
)


def reference(grid: tuple[int, int] = (101, 101)) -> Reference:
    """Return the exact solution on a uniform grid in x and t."""
    axes = tuple(np.linspace(0, 1, count) for count in grid)
    return Reference(axes, exact(torch.from_numpy(grid_points(axes))).numpy())


def network_of(seed: int) -> TanhMLP:
    """Return the untrained network."""
    return spread_mlp(WIDTHS, LOWER, UPPER, SLOPES, seed)


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the wave PINN.", SETTINGS, Path(__file__).parent)
    problem = problem_of("wave", ("x", "t"), TERMS)
    run_newton(network_of(settings.seed), problem, PointLoss(TERMS), reference(), settings, folder)


if __name__ == "__main__":
    main()
