"""Training of physics-informed networks (PINNs) for the examples: the parts every problem shares.

A problem states its equation as a residual and its initial and boundary conditions as weighted
mean squares (`Problem`), the network is a tanh multilayer perceptron or a separable network
(`networks`), and `train` fits it. Three choices matter:

1. Derivatives are propagated forward through the layers (`networks.propagate`).
2. Training is in float64: the last digits of accuracy come from L-BFGS, whose curvature
   estimates drown in float32 rounding. Only the exported file is float32.
3. L-BFGS needs a fixed loss, so collocation points change only between its rounds, where they are
   drawn in proportion to the residual (Wu et al., Comput. Methods Appl. Mech. Eng. 403, 2023).
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ir_examples.problems import Network, Problem, Sample

logger = logging.getLogger(__name__)

# torch's L-BFGS drops curvature pairs whose inner product is below an absolute 1e-10; losses here
# end near 1e-6, so without this factor it would stop learning curvature when it matters most.
LBFGS_LOSS_SCALE = 1e6
# L-BFGS is entered anew after so many iterations, which costs one evaluation and keeps the
# curvature, so that the error can be recorded in between.
LBFGS_CHUNK = 25
RECORD_FIRST = 25
RECORD_RATIO = 1.2


@dataclass(frozen=True)
class Settings:
    """Settings of a training run.

    Attributes:
        seed: Seed of the initial weights and of the collocation points.
        collocation: Collocation points in a batch; one number per axis if the problem is on a grid.
        adam_steps: Adam steps; each one draws new uniform points.
        learning_rate: Adam's first learning rate; it decays geometrically to `final_rate`.
        final_rate: Adam's last learning rate.
        lbfgs_steps: L-BFGS iterations, over all rounds.
        lbfgs_rounds: Rounds the iterations are divided into; each one draws new points.
        history: Curvature pairs that L-BFGS keeps.
        candidates: Uniform points (times as many as collocation points) among which a round draws
            by residual; 0 draws uniformly.
    """

    seed: int = 0
    collocation: int | tuple[int, ...] = 2000
    adam_steps: int = 2000
    learning_rate: float = 2e-3
    final_rate: float = 2e-4
    lbfgs_steps: int = 10_000
    lbfgs_rounds: int = 10
    history: int = 100
    candidates: int = 10


@dataclass
class Progress:
    """Effort and error in the course of a training run.

    Attributes:
        score: Gives the network's present error.
        evaluations: Evaluations of the loss with its gradient so far.
        points: Collocation points over all evaluations.
        curve: Rows of CPU seconds, evaluations, points and error.
    """

    score: Callable[[], float]
    evaluations: int = 0
    points: int = 0
    curve: list[tuple[float, int, int, float]] = field(default_factory=list)
    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)
    _next: float = RECORD_FIRST

    @property
    def seconds(self) -> float:
        """Seconds by the clock since the start, without those of scoring."""
        return time.perf_counter() - self._wall

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processor time: what other jobs on the machine do not change much."""
        return time.process_time() - self._cpu

    def count(self, points: int) -> None:
        """Count an evaluation of the loss on so many points."""
        self.evaluations += 1
        self.points += points

    def record(self, always: bool = False) -> None:
        """Add a row to the curve; rows are spaced geometrically in evaluations."""
        known = bool(self.curve) and self.curve[-1][1] == self.evaluations
        if known or (self.evaluations < self._next and not always):
            return
        wall, cpu = self.seconds, self.cpu_seconds
        self.curve.append((round(cpu, 2), self.evaluations, self.points, self.score()))
        self._next = max(RECORD_FIRST, RECORD_RATIO * self.evaluations)
        self._wall, self._cpu = time.perf_counter() - wall, time.process_time() - cpu


def train(
    network: Network,
    problem: Problem[Network, Sample],
    settings: Settings,
    progress: Progress,
    after_round: Callable[[int], None] = lambda index: None,
) -> None:
    """Train a network in place: Adam on fresh points, then rounds of L-BFGS on drawn points.

    Args:
        network: The network.
        problem: The problem.
        settings: How to train.
        progress: Takes the course of the run.
        after_round: Called with the number of L-BFGS rounds done, to save what there is.
    """
    generator = np.random.default_rng(settings.seed)
    _train_adam(network, problem, settings, progress, generator)
    for index in range(settings.lbfgs_rounds):
        sample = problem.draw_by_residual(network, settings, generator)
        _train_lbfgs(network, problem, settings, progress, sample)
        progress.record(always=True)
        parts = {name: f"{value:.1e}" for name, value in losses(network, problem, sample).items()}
        logger.info(
            "%s: L-BFGS round %d/%d, %.0f s, error %.3e, losses %s",
            problem.name,
            index + 1,
            settings.lbfgs_rounds,
            progress.cpu_seconds,
            progress.curve[-1][-1],
            parts,
        )
        after_round(index + 1)


def losses(
    network: Network, problem: Problem[Network, Sample], sample: Sample
) -> Mapping[str, float]:
    """Return the mean squares of the residual and of each condition, unweighted."""
    with torch.no_grad():
        residual = problem.residual(network, sample).square().mean()
        parts = {"residual": residual, **problem.conditions(network)}
    return {name: float(part) for name, part in parts.items()}


def _train_adam(
    network: Network,
    problem: Problem[Network, Sample],
    settings: Settings,
    progress: Progress,
    generator: np.random.Generator,
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    ratio = settings.final_rate / settings.learning_rate
    decay = ratio ** (1 / max(settings.adam_steps, 1))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
    for step in range(settings.adam_steps):
        sample = problem.draw(settings, generator)
        optimizer.zero_grad()
        loss = problem.loss(network, sample)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        progress.count(problem.points_in(sample))
        progress.record()
        if (step + 1) % 500 == 0:
            logger.info(
                "%s: Adam step %d/%d, loss %.3e",
                problem.name,
                step + 1,
                settings.adam_steps,
                loss.item(),
            )


def _train_lbfgs(
    network: Network,
    problem: Problem[Network, Sample],
    settings: Settings,
    progress: Progress,
    sample: Sample,
) -> None:
    """Run one round of L-BFGS on fixed points."""
    steps = settings.lbfgs_steps // settings.lbfgs_rounds
    optimizer = _lbfgs(network, min(steps, LBFGS_CHUNK), settings.history)

    def closure() -> float:
        optimizer.zero_grad()
        loss = LBFGS_LOSS_SCALE * problem.loss(network, sample)
        torch.autograd.backward(loss)
        progress.count(problem.points_in(sample))
        return loss.item()

    for _ in range(0, steps, LBFGS_CHUNK):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        progress.record()


def _lbfgs(network: nn.Module, steps: int, history: int) -> torch.optim.LBFGS:
    """Return an optimiser that takes so many iterations when it is called."""
    # Zero tolerances: the number of steps ends the round, on every machine alike.
    return torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        max_eval=2 * steps,
        history_size=history,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )
