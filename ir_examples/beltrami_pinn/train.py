"""Train the Beltrami flow (`beltrami`) with one network of x, y and t."""

from pathlib import Path

from torch import Tensor

from ir_examples import beltrami
from ir_examples.beltrami import LOWER, UPPER, Field
from ir_examples.gauss_newton import NewtonSettings, PointLoss, Term, problem_of
from ir_examples.networks import TanhMLP, propagate
from ir_examples.problems import PointProblem
from ir_examples.runs import run_newton, start

WIDTHS = (3, 128, 128, 128, 128, 3)
LAPLACIAN = (1.0, 1.0, 0.0)
WEIGHTS = {"initial": 10.0, "bottom": 2.5, "top": 2.5, "left": 2.5, "right": 2.5, "pressure": 100.0}
SETTINGS = NewtonSettings(collocation=125, steps=60, damping=1e-6, momentum=0.8, final_rate=0.3)


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the residuals of the Navier-Stokes equations at points (samples, 3)."""
    jet = propagate(network, points, [LAPLACIAN])
    x, y, t = jet.first
    return beltrami.navier_stokes(Field(jet.value, x, y, t, jet.second[0]))


def velocity(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the difference of u and v from the exact solution (samples, 2)."""
    return _difference(network, points)[:, :2]


def pressure(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the difference of p from the exact solution (samples, 1)."""
    return _difference(network, points)[:, 2:]


def _difference(network: TanhMLP, points: Tensor) -> Tensor:
    outputs: Tensor = network(points)
    return outputs - beltrami.exact(points[:, 0], points[:, 1], points[:, 2])


TERMS = (
    Term("residual", residual, LOWER, UPPER),
    Term("initial", velocity, LOWER, (1, 1, 0), 1 / 5, WEIGHTS["initial"]),
    Term("bottom", velocity, LOWER, (1, -1, 1), 1 / 8, WEIGHTS["bottom"]),
    Term("top", velocity, (-1, 1, 0), UPPER, 1 / 8, WEIGHTS["top"]),
    Term("left", velocity, LOWER, (-1, 1, 1), 1 / 8, WEIGHTS["left"]),
    Term("right", velocity, (1, -1, 0), UPPER, 1 / 8, WEIGHTS["right"]),
    Term("pressure", pressure, (0, 0, 0), (0, 0, 1), 1 / 20, WEIGHTS["pressure"]),
)


def network_of(seed: int) -> TanhMLP:
    """Return the untrained network."""
    return TanhMLP(WIDTHS, seed)


def problem() -> PointProblem[TanhMLP]:
    """Return the problem."""
    return problem_of("beltrami_pinn", beltrami.COLUMNS, TERMS, outputs=beltrami.OUTPUTS)


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the Beltrami PINN.", SETTINGS, Path(__file__).parent)
    loss = PointLoss(TERMS)
    run_newton(network_of(settings.seed), problem(), loss, beltrami.reference(), settings, folder)


if __name__ == "__main__":
    main()
