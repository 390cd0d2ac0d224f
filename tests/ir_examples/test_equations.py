"""The equations that the examples are trained on hold for their exact solutions."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

import ir_examples.beltrami_pinn.train as beltrami_pinn
import ir_examples.beltrami_spinn.train as beltrami_spinn
import ir_examples.burgers.train as burgers
import ir_examples.burgers_spinn.train as burgers_spinn
import ir_examples.diffusion_reaction.train as diffusion_reaction
import ir_examples.poisson.train as poisson
import ir_examples.wave.train as wave
from ir_examples import beltrami
from ir_examples.gauss_newton import problem_of
from ir_examples.networks import SPINN, Jet
from ir_examples.problems import PointProblem, grid_points
from tests.ir_examples.common import jet_by_autograd, random_points

Function = Callable[[Tensor], Tensor]


def sine_product(points: Tensor) -> Tensor:
    return torch.sin(torch.pi * points).prod(dim=1, keepdim=True)


def flow(points: Tensor) -> Tensor:
    return beltrami.exact(*points.unbind(dim=1))


EXACT = {
    "poisson": (poisson, poisson.problem(), sine_product),
    "wave": (wave, problem_of("wave", ("x", "t"), wave.TERMS), wave.exact),
    "diffusion_reaction": (
        diffusion_reaction,
        problem_of("diffusion_reaction", ("x", "t"), diffusion_reaction.TERMS),
        diffusion_reaction.exact,
    ),
    "beltrami": (beltrami_pinn, beltrami_pinn.problem(), flow),
}


@pytest.mark.parametrize(("module", "problem", "exact"), EXACT.values(), ids=EXACT)
def test_exact_solutions(
    module: ModuleType,
    problem: PointProblem[Function],  # type: ignore[type-var]
    exact: Function,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "propagate", jet_by_autograd)
    points = random_points(problem.lower, problem.upper)
    assert float(problem.residual(exact, points).abs().max()) < 1e-9
    violations = problem.conditions(exact)
    assert violations.keys() == problem.weights.keys()
    assert max(float(value) for value in violations.values()) < 1e-20

    def wrong(points: Tensor) -> Tensor:
        return exact(points) + 0.1 * points[:, :1] ** 3 * points[:, 1:2] + 0.1

    assert float(problem.residual(wrong, points).abs().max()) > 0.1
    assert min(float(value) for value in problem.conditions(wrong).values()) > 1e-5


def test_cole_hopf_solves_burgers(monkeypatch: pytest.MonkeyPatch) -> None:
    x, t, h = np.linspace(-0.9, 0.9, 19), 0.2, 1e-3

    def at(points: Tensor) -> Tensor:
        return torch.from_numpy(burgers.cole_hopf(points[:, 0].numpy(), float(points[0, 1]), 256))

    def differences(network: object, points: Tensor, operators: object) -> Jet:
        in_x, in_t = torch.tensor([h, 0.0]), torch.tensor([0.0, h])
        middle, left, right = at(points), at(points - in_x), at(points + in_x)
        u_x, u_t = (right - left) / (2 * h), (at(points + in_t) - at(points - in_t)) / (2 * h)
        u_xx = (right - 2 * middle + left) / h**2
        return Jet(middle[:, None], (u_x[:, None], u_t[:, None]), (u_xx[:, None],))

    monkeypatch.setattr(burgers, "propagate", differences)
    points = torch.from_numpy(grid_points([x, np.array([t])]))
    residual = burgers.residual(None, points)  # type: ignore[arg-type]
    assert float(residual.abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("grid", "points"),
    [(burgers_spinn, burgers), (beltrami_spinn, beltrami_pinn)],
    ids=["burgers", "beltrami"],
)
def test_residual_on_a_grid_is_that_at_its_points(
    grid: ModuleType, points: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    network: SPINN = grid.network_of(0)
    problem = grid.problem()
    axes = [
        random_points([low], [high], count)
        for low, high, count in zip(problem.lower, problem.upper, (3, 4, 2), strict=False)
    ]

    def at_points(table: Tensor) -> Tensor:
        rows = table[:, :, None].unbind()
        return torch.cat([network(*torch.split(row, 1)).reshape(1, -1) for row in rows])

    monkeypatch.setattr(points, "propagate", jet_by_autograd)
    table = torch.from_numpy(grid_points([axis[:, 0].numpy() for axis in axes]))
    expected = points.residual(at_points, table)
    found = grid.residual(network, tuple(axes))
    torch.testing.assert_close(found.reshape(expected.shape), expected)


def test_conditions_on_a_grid_are_those_at_points() -> None:
    class Exact:
        def __call__(self, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
            return beltrami.exact(x[:, None], y[None], t.T[:, None])

    found = beltrami_spinn.conditions(Exact())  # type: ignore[arg-type]
    assert max(float(value) for value in found.values()) < 1e-20
    assert found.keys() == beltrami_spinn.WEIGHTS.keys()
