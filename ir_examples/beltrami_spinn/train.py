"""Train the Beltrami flow (`beltrami`) with a separable network of rank 50."""

from pathlib import Path

import torch
from torch import Tensor

from ir_examples import beltrami
from ir_examples.beltrami import LOWER, UPPER, Field
from ir_examples.gauss_newton import GridLoss, NewtonSettings
from ir_examples.networks import SPINN, factors_of
from ir_examples.problems import Axes, GridProblem
from ir_examples.runs import run_newton, start

RANK = 50
WIDTHS = (1, 50, 50, len(beltrami.OUTPUTS) * RANK)
SLOPES = (1.0, 1.0, 1.0)
WEIGHTS = {"initial": 10.0, "boundary": 10.0, "pressure": 100.0}
SETTINGS = NewtonSettings(collocation=5, steps=160, damping=1e-6, momentum=0.8, final_rate=0.1)


def residual(network: SPINN, axes: Axes) -> Tensor:
    """Return the residuals of the Navier-Stokes equations on a grid: (n_x, n_y, n_t, 3)."""
    jets = network.jets(axes)
    value, x, y, t, xx, yy = (
        network.merge(factors_of(jets, orders))
        for orders in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0))
    )
    return beltrami.navier_stokes(Field(value, x, y, t, xx + yy))


def violations(network: SPINN, axes: Axes) -> dict[str, Tensor]:
    """Return by how much the velocity and the pressure's pin are missed on the axes' samples."""
    x, y, t = axes
    zero, sides = x.new_zeros(1, 1), x.new_tensor([[-1.0], [1.0]])
    left_right = _violations(network, sides, y, t)
    bottom_top = _violations(network, x, sides, t)
    return {
        "initial": _violations(network, x, y, zero)[..., :2],
        "boundary": torch.cat([left_right[..., :2].flatten(), bottom_top[..., :2].flatten()]),
        "pressure": _violations(network, zero, zero, t)[..., 2],
    }


def conditions(network: SPINN, count: int = 12) -> dict[str, Tensor]:
    """Return the mean squares of the violations on uniform axes."""
    axes = tuple(
        torch.linspace(low, high, count, dtype=torch.float64)[:, None]
        for low, high in zip(LOWER, UPPER, strict=True)
    )
    return {name: value.square().mean() for name, value in violations(network, axes).items()}


def _violations(network: SPINN, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """Return the network's difference from the exact solution on a grid of columns."""
    outputs: Tensor = network(x, y, t)
    return outputs - beltrami.exact(x[:, None], y[None], t.T[:, None])


def network_of(seed: int) -> SPINN:
    """Return the untrained network."""
    return SPINN(WIDTHS, len(beltrami.OUTPUTS), LOWER, UPPER, SLOPES, seed)


def problem() -> GridProblem[SPINN]:
    """Return the problem."""
    return GridProblem(
        "beltrami_spinn",
        beltrami.COLUMNS,
        LOWER,
        UPPER,
        residual,
        conditions,
        weights=WEIGHTS,
        outputs=beltrami.OUTPUTS,
    )


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Beltrami SPINN.", SETTINGS, Path(__file__).parent)
    loss = GridLoss(problem(), violations)
    run_newton(network_of(settings.seed), problem(), loss, beltrami.reference(), settings, folder)


if __name__ == "__main__":
    main()
