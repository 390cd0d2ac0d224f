"""Sampling, optimisers and the record of a training run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ir_examples.beltrami_spinn import train as beltrami_spinn
from ir_examples.burgers_spinn import train as burgers_spinn
from ir_examples.function_regression import train as regression
from ir_examples.gauss_newton import (
    GridLoss,
    NewtonSettings,
    PointLoss,
    Term,
    step_of,
    train_newton,
)
from ir_examples.networks import SPINN, TanhMLP, propagate
from ir_examples.problems import Axes, GridProblem, choose
from ir_examples.training import Progress, Settings, losses, train


def second_derivative(network: TanhMLP, points: Tensor) -> Tensor:
    return propagate(network, points, [(1.0,)]).second[0] + torch.sin(points)


def value(network: TanhMLP, points: Tensor) -> Tensor:
    outputs: Tensor = network(points)
    return outputs - torch.sin(points)


TERMS = (
    Term("residual", second_derivative, (0.0,), (3.0,)),
    Term("left", value, (0.0,), (0.0,), 1 / 8, 10.0),
    Term("right", value, (3.0,), (3.0,), 1 / 8, 10.0),
)


def test_points_are_drawn_where_the_residual_is_large() -> None:
    candidates = torch.arange(1000.0)[:, None]
    size = np.where(np.arange(1000) < 100, 50.0, 0.0)
    drawn = choose(candidates, size, 100, np.random.default_rng(0))
    assert len(set(drawn[:, 0].tolist())) == 100
    # Odds of 11 to 1 for a tenth of the points: 55 of a hundred, if they could be drawn again.
    assert 35 <= int((drawn < 100).sum()) <= 65


def test_axes_have_a_point_in_every_cell() -> None:
    problem = burgers_spinn.problem()
    settings = Settings(collocation=(10, 4))
    x, t = problem.draw(settings, np.random.default_rng(0))
    assert (x.shape, t.shape) == ((10, 1), (4, 1))
    assert torch.equal(torch.floor((x[:, 0] + 1) * 5), torch.arange(10, dtype=torch.float64))
    assert torch.equal(torch.floor(t[:, 0] * 4), torch.arange(4, dtype=torch.float64))
    assert problem.points_in((x, t)) == 40


def test_axes_are_drawn_where_the_residual_is_large() -> None:
    network, problem = burgers_spinn.network_of(0), burgers_spinn.problem()

    def residual(network: SPINN, axes: Axes) -> Tensor:
        size: Tensor = (axes[0] > 0.9) * 50.0 + 0 * axes[1].T
        return size[..., None]

    steep: GridProblem[SPINN] = replace(problem, residual=residual)  # type: ignore[arg-type]
    settings = Settings(collocation=(20, 5), candidates=10)
    x, t = steep.draw_by_residual(network, settings, np.random.default_rng(0))
    assert (x.shape, t.shape) == ((20, 1), (5, 1))
    assert 4 <= int((x > 0.9).sum()) <= 16


def test_adam_and_lbfgs_lower_the_loss_and_record_it() -> None:
    network, problem = regression.network_of(0), regression.problem()
    settings = Settings(adam_steps=40, lbfgs_steps=100, lbfgs_rounds=2)
    progress = Progress(lambda: losses(network, problem, mesh)["residual"])
    mesh = problem.draw(settings, np.random.default_rng(0))
    rounds: list[int] = []
    progress.record(always=True)
    train(network, problem, settings, progress, rounds.append)
    _, evaluations, points, error = zip(*progress.curve, strict=True)
    assert rounds == [1, 2]
    assert error[-1] < error[0] / 10
    assert evaluations[-1] == progress.evaluations >= 140
    assert points[-1] == progress.points == regression.MESH * progress.evaluations
    assert list(evaluations) == sorted(set(evaluations))


def test_fewer_rounds_give_the_network_of_that_round() -> None:
    def weights(rounds: int) -> list[Tensor]:
        network = burgers_spinn.network_of(0)
        settings = Settings(
            collocation=(12, 6),
            candidates=2,
            adam_steps=3,
            lbfgs_steps=4 * rounds,
            lbfgs_rounds=rounds,
        )
        seen: list[Tensor] = []
        parameters = list(network.parameters())
        train(
            network,
            burgers_spinn.problem(),
            settings,
            Progress(lambda: 0.0),
            lambda done: seen.append(nn.utils.parameters_to_vector(parameters).detach().clone()),
        )
        return seen

    assert torch.equal(weights(1)[0], weights(2)[0])


def test_rows_and_jacobian_are_those_of_the_loss() -> None:
    network = TanhMLP((1, 5, 4, 1), seed=0)
    points = [term.draw(16, np.random.default_rng(0)) for term in TERMS]
    loss = sum(
        term.weight * term.violation(network, table).square().mean()
        for term, table in zip(TERMS, points, strict=True)
    )
    assert isinstance(loss, Tensor)
    rows, matrix = (
        PointLoss(TERMS).rows(network, points),
        PointLoss(TERMS).jacobian(network, points),
    )
    torch.testing.assert_close(rows.square().sum(), loss.detach())
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    expected = torch.cat([gradient.flatten() for gradient in gradients])
    torch.testing.assert_close(2 * matrix.T @ rows, expected)


def test_rows_and_jacobian_on_a_grid_are_those_of_the_loss() -> None:
    network = SPINN((1, 4, 6), 3, (-1, -1, 0), (1, 1, 1), (1.0,) * 3, seed=0)
    problem = beltrami_spinn.problem()
    loss = GridLoss(problem, beltrami_spinn.violations)
    axes = loss.draw(3, np.random.default_rng(0))
    violations = beltrami_spinn.violations(network, axes)
    total = problem.residual(network, axes).square().mean() + sum(
        problem.weights[name] * value.square().mean() for name, value in violations.items()
    )
    rows, matrix = loss.rows(network, axes), loss.jacobian(network, axes)
    torch.testing.assert_close(rows.square().sum(), total.detach())
    gradients = torch.autograd.grad(total, list(network.parameters()))
    expected = torch.cat([gradient.flatten() for gradient in gradients])
    torch.testing.assert_close(2 * matrix.T @ rows, expected)


def test_steps_shorten_over_the_second_half() -> None:
    settings = NewtonSettings(steps=100, final_rate=0.01)
    assert [settings.longest(step) for step in (0, 50, 75, 100)] == pytest.approx([1, 1, 0.1, 0.01])


def test_a_step_solves_linear_equations() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(5, 9, generator=generator, dtype=torch.float64)
    rows, previous = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (5, 9))
    step = step_of(rows, matrix, previous, NewtonSettings(damping=1e-12, momentum=0.9))
    torch.testing.assert_close(matrix @ step, rows, rtol=1e-8, atol=1e-8)
    plain = step_of(rows, matrix, previous, NewtonSettings(damping=1e-12, momentum=0.0))
    # Without momentum it is the shortest solution, with it the one nearest to the last step.
    assert float(plain.norm()) < float(step.norm())
    kept = 0.9 * previous
    assert float((step - kept).norm()) < float((plain - kept).norm())


def test_gauss_newton_solves_an_equation() -> None:
    network = TanhMLP((1, 10, 10, 1), seed=0)
    points = torch.linspace(0, 3, 50, dtype=torch.float64)[:, None]

    def error() -> float:
        with torch.no_grad():
            return float(value(network, points).norm() / torch.sin(points).norm())

    progress = Progress(error)
    done: list[int] = []
    settings = NewtonSettings(collocation=30, steps=40)
    train_newton(network, PointLoss(TERMS), settings, progress, done.append)
    assert error() < 1e-3
    assert done == [20, 40]
    assert progress.evaluations == 40
