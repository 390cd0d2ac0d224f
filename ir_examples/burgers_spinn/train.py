"""Train the Burgers equation with a separable network, on the same problem as `burgers`.

The networks of x and t have rank 50. A step costs one pass per axis over a few hundred samples
and takes the residual on their whole grid. The samples of x that a round draws move the front a
little: over the last eight rounds the error goes between 6e-3 and 2e-2 and does not settle.
"""

from pathlib import Path

import torch
from torch import Tensor

from ir_examples.burgers.train import VISCOSITY, reference
from ir_examples.networks import SPINN, factors_of
from ir_examples.problems import Axes, GridProblem
from ir_examples.runs import run, start
from ir_examples.training import Settings

WIDTHS = (1, 50, 50, 50, 50)
LOWER, UPPER = (-1.0, 0.0), (1.0, 1.0)
# The front is a hundred times thinner than the box: sharp features in x to start from.
SLOPES = (8.0, 4.0)
FRONT = 0.02
WEIGHTS = {"initial": 100.0, "boundary": 100.0}
SETTINGS = Settings(
    collocation=(512, 48), candidates=8, adam_steps=500, lbfgs_steps=12_000, lbfgs_rounds=20
)


def residual(network: SPINN, axes: Axes) -> Tensor:
    """Return u_t + u u_x - viscosity u_xx on the grid of two axes: (n_x, n_t, 1)."""
    return equation(network, axes)[0][..., None]


def equation(network: SPINN, axes: Axes) -> tuple[Tensor, Tensor]:
    """Return the residual and u_x on the grid of two axes, each (n_x, n_t)."""
    jets = network.jets(axes)
    u, u_x, u_t, u_xx = (
        network.merge(factors_of(jets, orders)) for orders in ((0, 0), (1, 0), (0, 1), (2, 0))
    )
    return u_t + u * u_x - VISCOSITY * u_xx, u_x


def weighted_residual(network: SPINN, axes: Axes) -> Tensor:
    """Return the residual, divided by 1 + 2 FRONT |u_x| where the flow is compressed.

    The front's residuals are hundreds of times those elsewhere, and training that starts with
    them smears it over half the box (Liu et al., J. Sci. Comput. 98, 2024).
    """
    found, u_x = equation(network, axes)
    return (found / (1 + FRONT * (u_x.abs() - u_x)))[..., None]


def conditions(network: SPINN, count: int = 200) -> dict[str, Tensor]:
    """Return the mean squares of the initial and boundary violations."""
    x = torch.linspace(-1, 1, count, dtype=torch.float64)[:, None]
    t = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
    initial: Tensor = network(x, t[:1]) + torch.sin(torch.pi * x)
    boundary: Tensor = network(x[[0, -1]], t)
    return {"initial": initial.square().mean(), "boundary": boundary.square().mean()}


def network_of(seed: int) -> SPINN:
    """Return the untrained network."""
    return SPINN(WIDTHS, 1, LOWER, UPPER, SLOPES, seed)


def problem() -> GridProblem[SPINN]:
    """Return the problem."""
    return GridProblem(
        "burgers_spinn", ("x", "t"), LOWER, UPPER, weighted_residual, conditions, weights=WEIGHTS
    )


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Burgers SPINN.", SETTINGS, Path(__file__).parent)
    run(network_of(settings.seed), problem(), reference(), settings, folder)


if __name__ == "__main__":
    main()
