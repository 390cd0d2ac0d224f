"""Gauss-Newton steps for losses that are sums of squares, where Adam and L-BFGS stall.

With the weighted residuals of all points as rows r and their Jacobian J (rows, parameters), a
damped step is J^T (J J^T + damping)^-1 r: by the Woodbury identity the system has one equation
per row and not per parameter (Guzman-Cordero et al., "Improving energy natural gradient descent
through Woodbury, momentum, and randomization", 2025). Every step draws fresh points, and what of
the previous step the new rows say nothing about is kept as momentum (SPRING, Goldshlager et al.,
J. Comput. Phys. 516, 2024).

Adam and L-BFGS are kept from a solution's high frequencies by the conditioning of the loss, which
the solve removes.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ir_examples.networks import SPINN, TanhMLP
from ir_examples.problems import Axes, GridProblem, PointProblem
from ir_examples.training import Progress

Network = TypeVar("Network", bound=nn.Module, contravariant=True)
Sample = TypeVar("Sample")

logger = logging.getLogger(__name__)

HALVINGS = 12
# Rows of a grid's Jacobian that are computed together.
CHUNK = 64
SAVE_EVERY = 20
RECORDS = 40


@dataclass(frozen=True)
class Term:
    """One part of a loss: the mean over points of a squared violation, times a weight.

    Attributes:
        name: Name of the part.
        violation: Violation at points (samples, columns): (samples, rows).
        lower: Lower corner of the part of the box that it is about.
        upper: Upper corner; equal to the lower one in a column that does not vary.
        share: Points to draw, relative to the number of collocation points.
        weight: Weight in the loss.
    """

    name: str
    violation: Callable[[TanhMLP, Tensor], Tensor]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    share: float = 1.0
    weight: float = 1.0

    def draw(self, collocation: int, generator: np.random.Generator) -> Tensor:
        """Draw uniform points."""
        count = max(1, round(self.share * collocation))
        return torch.from_numpy(generator.uniform(self.lower, self.upper, (count, len(self.lower))))

    def scale(self, points: Tensor) -> float:
        """Return the factor that makes the sum of squared rows the weighted mean."""
        return math.sqrt(self.weight / len(points))


def problem_of(
    name: str,
    columns: tuple[str, ...],
    terms: Sequence[Term],
    points: int = 800,
    outputs: tuple[str, ...] = ("u",),
) -> PointProblem[TanhMLP]:
    """Return the problem whose residual is the first term and whose conditions are the others."""
    residual, *others = terms
    generator = np.random.default_rng(0)
    tables = [term.draw(points, generator) for term in others]

    def conditions(network: TanhMLP) -> dict[str, Tensor]:
        parts = zip(others, tables, strict=True)
        return {term.name: term.violation(network, table).square().mean() for term, table in parts}

    weights = {term.name: term.weight for term in others}
    return PointProblem(
        name,
        columns,
        residual.lower,
        residual.upper,
        residual.violation,
        conditions,
        weights,
        outputs,
    )


@dataclass(frozen=True)
class NewtonSettings:
    """Settings of a run of Gauss-Newton steps.

    Attributes:
        seed: Seed of the initial weights and of the points.
        collocation: Points of a step inside the box.
        steps: Number of steps.
        damping: Damping relative to the mean of the diagonal of J J^T.
        momentum: Share of the previous step that is kept.
        final_rate: Longest step at the end, where a whole one is 1. Over the second half of the
            run the longest step shrinks to it, which averages over the points of many steps.
    """

    seed: int = 0
    collocation: int = 300
    steps: int = 300
    damping: float = 1e-5
    momentum: float = 0.5
    final_rate: float = 0.1

    def longest(self, step: int) -> float:
        """Return the longest step that may be taken at a step."""
        late: float = max(0.0, 2 * step / self.steps - 1)
        return float(self.final_rate**late)


class RowLoss(Protocol[Network, Sample]):
    """A loss that is the sum of squares of rows."""

    def draw(self, collocation: int, generator: np.random.Generator) -> Sample:
        """Draw where a step takes the rows."""
        ...

    def points_in(self, sample: Sample) -> int:
        """Return at how many points of the box the residual is taken."""
        ...

    def rows(self, network: Network, sample: Sample) -> Tensor:
        """Return the rows, without derivatives."""
        ...

    def jacobian(self, network: Network, sample: Sample) -> Tensor:
        """Return the derivatives of the rows by the parameters (rows, parameters)."""
        ...


@dataclass(frozen=True)
class PointLoss:
    """Terms at points: the derivatives of a row take a pass over one point only."""

    terms: Sequence[Term]

    def draw(self, collocation: int, generator: np.random.Generator) -> list[Tensor]:
        """Draw the points of every term."""
        return [term.draw(collocation, generator) for term in self.terms]

    def points_in(self, sample: list[Tensor]) -> int:
        """Return the points of the first term."""
        return len(sample[0])

    def rows(self, network: TanhMLP, sample: list[Tensor]) -> Tensor:
        """Return the weighted violations at all points, term by term."""
        with torch.no_grad():
            parts = [
                term.scale(table) * term.violation(network, table).flatten()
                for term, table in zip(self.terms, sample, strict=True)
            ]
        return torch.cat(parts)

    def jacobian(self, network: TanhMLP, sample: list[Tensor]) -> Tensor:
        """Return the derivatives of the rows by the parameters (rows, parameters)."""
        parts = []
        for term, table in zip(self.terms, sample, strict=True):

            def at_point(network: TanhMLP, point: Tensor, term: Term = term) -> Tensor:
                return term.violation(network, point[None])[0]

            row = _Function(network, at_point)
            by_name = vmap(jacrev(row.value), in_dims=(None, 0))(row.parameters_of(), table)
            flat = torch.cat([value.flatten(start_dim=2) for value in by_name.values()], dim=2)
            parts.append(term.scale(table) * flat.flatten(end_dim=1))
        return torch.cat(parts)


@dataclass(frozen=True)
class GridLoss:
    """The loss of a problem on a grid, where every row depends on samples of all axes.

    Attributes:
        problem: The problem.
        violations: Its conditions' violations with the samples of the same axes, by name.
    """

    problem: GridProblem[SPINN]
    violations: Callable[[SPINN, Axes], dict[str, Tensor]]

    def draw(self, collocation: int, generator: np.random.Generator) -> Axes:
        """Draw the axes, with as many samples each."""
        return self.problem.stratified([collocation] * len(self.problem.columns), generator)

    def points_in(self, sample: Axes) -> int:
        """Return the number of grid points."""
        return self.problem.points_in(sample)

    def rows(self, network: SPINN, sample: Axes) -> Tensor:
        """Return the residual and the weighted violations, flattened."""
        with torch.no_grad():
            return self._rows(network, *sample)

    def jacobian(self, network: SPINN, sample: Axes) -> Tensor:
        """Return the derivatives of the rows by the parameters (rows, parameters)."""
        function = _Function(network, self._rows)
        by_name = jacrev(function.value, chunk_size=CHUNK)(function.parameters_of(), *sample)
        return torch.cat([value.flatten(start_dim=1) for value in by_name.values()], dim=1)

    def _rows(self, network: SPINN, *sample: Tensor) -> Tensor:
        residual = self.problem.residual(network, sample).flatten()
        rows = [residual / math.sqrt(len(residual))]
        for name, violation in self.violations(network, sample).items():
            scale = math.sqrt(self.problem.weights[name] / violation.numel())
            rows.append(scale * violation.flatten())
        return torch.cat(rows)


class _Function(nn.Module):
    """A function of a network as a module, so that the network's parameters can be replaced."""

    def __init__(self, network: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self.function = function

    def forward(self, *arguments: Tensor) -> Tensor:
        return self.function(self.network, *arguments)

    def parameters_of(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.named_parameters()}

    def value(self, parameters: dict[str, Tensor], *arguments: Tensor) -> Tensor:
        result: Tensor = functional_call(self, parameters, arguments)
        return result


def step_of(rows: Tensor, matrix: Tensor, previous: Tensor, settings: NewtonSettings) -> Tensor:
    """Return the step (parameters,) to subtract."""
    kept = settings.momentum * previous
    system = matrix @ matrix.T
    system.diagonal().add_(settings.damping * system.diagonal().mean())
    solved = torch.cholesky_solve((rows - matrix @ kept)[:, None], torch.linalg.cholesky(system))
    return kept + matrix.T @ solved[:, 0]


def train_newton(
    network: Network,
    loss: RowLoss[Network, Sample],
    settings: NewtonSettings,
    progress: Progress,
    save: Callable[[int], None] = lambda steps: None,
) -> None:
    """Train a network in place; `save` is called now and then with the number of steps done."""
    generator = np.random.default_rng(settings.seed)
    step = torch.zeros_like(parameters_to_vector(network.parameters()).detach())
    for index in range(settings.steps):
        sample = loss.draw(settings.collocation, generator)
        rows = loss.rows(network, sample)
        step = step_of(rows, loss.jacobian(network, sample), step, settings)
        least = _search(network, loss, sample, step, settings.longest(index))
        progress.count(loss.points_in(sample))
        done = index + 1
        last = done == settings.steps
        progress.record(always=last or done % max(1, settings.steps // RECORDS) == 0)
        if last or done % SAVE_EVERY == 0:
            error = progress.curve[-1][-1]
            logger.info("step %d/%d, loss %.3e, error %.3e", done, settings.steps, least, error)
            save(done)


def _search(
    network: Network,
    loss: RowLoss[Network, Sample],
    sample: Sample,
    step: Tensor,
    longest: float,
) -> float:
    """Take the best of the longest step, its half, ... until the loss rises again."""
    parameters = list(network.parameters())
    start = parameters_to_vector(parameters).detach().clone()
    least, best_rate = math.inf, 0.0
    for halving in range(HALVINGS):
        rate = longest * 0.5**halving
        vector_to_parameters(start - rate * step, parameters)
        found = float(loss.rows(network, sample).square().sum())
        if found > least:
            break
        least, best_rate = found, rate
    vector_to_parameters(start - best_rate * step, parameters)
    return least
