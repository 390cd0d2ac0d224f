"""Train the function regression network, on one smooth function of one variable.

f(x) = exp(-x / 2) sin(2 pi x) + sin(5 pi x) / 2 on [-1, 1]. The network sees f on a uniform mesh of
201 points and is scored halfway between them.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ir_examples.networks import TanhMLP, spread_mlp
from ir_examples.problems import Counts, PointProblem
from ir_examples.runs import Reference, run, start
from ir_examples.training import Settings

WIDTHS = (1, 40, 40, 1)
LOWER, UPPER = (-1.0,), (1.0,)
SLOPES = (4.0,)
MESH = 201
SETTINGS = Settings(collocation=MESH, adam_steps=500, lbfgs_steps=3000, lbfgs_rounds=1)


class MeshProblem(PointProblem[TanhMLP]):
    """A problem that is always sampled on the same uniform mesh."""

    def draw(self, counts: Counts, generator: np.random.Generator) -> Tensor:
        """Return the mesh."""
        return torch.linspace(LOWER[0], UPPER[0], MESH, dtype=torch.float64)[:, None]

    def draw_by_residual(
        self, network: TanhMLP, counts: Counts, generator: np.random.Generator
    ) -> Tensor:
        """Return the mesh."""
        return self.draw(counts, generator)


def function(x: Tensor) -> Tensor:
    """Return the function to be learnt."""
    return torch.exp(-x / 2) * torch.sin(2 * torch.pi * x) + torch.sin(5 * torch.pi * x) / 2


def residual(network: TanhMLP, points: Tensor) -> Tensor:
    """Return the network's error at points (samples, 1)."""
    outputs: Tensor = network(points)
    return outputs - function(points)


def no_conditions(network: TanhMLP) -> dict[str, Tensor]:
    """Return nothing: regression has no conditions beside the data."""
    return {}


def reference() -> Reference:
    """Return the function halfway between the mesh points."""
    mesh = np.linspace(LOWER[0], UPPER[0], MESH)
    between = (mesh[1:] + mesh[:-1]) / 2
    return Reference((between,), function(torch.from_numpy(between)).numpy()[:, None])


def network_of(seed: int) -> TanhMLP:
    """Return the untrained network."""
    return spread_mlp(WIDTHS, LOWER, UPPER, SLOPES, seed)


def problem() -> MeshProblem:
    """Return the problem."""
    return MeshProblem(
        "function_regression", ("x",), LOWER, UPPER, residual, no_conditions, weights={}
    )


def main() -> None:
    """Train with the options of the command line and write the results."""
    settings, folder = start("Train the regression network.", SETTINGS, Path(__file__).parent)
    run(network_of(settings.seed), problem(), reference(), settings, folder)


if __name__ == "__main__":
    main()
