"""distill: train the rounded network end to end to give what the source network gives.

The source network is the teacher, on new points of the domain: no data are needed. Forwards the
neurons do what the target will run, staircases or integrate-and-fire neurons over time; backwards
their rounding is passed straight through (Bengio et al., arXiv 1308.3432; for spike counts, tandem
learning: Wu et al., IEEE TNNLS 2021). The loss is the error of what leaves a core, in the metric
of the network's outputs, so that a core in front of a merge learns what matters behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pinnir.diagnosis.sensitivity import metric
from pinnir.ir.graph import Graph, Level
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.teaching import TeacherLoss, root_of
from pinnir.passes.fitting.trainable_core import Parameters, TrainableCore, core_labels
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-12
# Numbers of the rounds in which points are drawn, to train on and to judge on.
_TRAINING, _HELD_BACK = 2, 3


@dataclass(frozen=True)
class Distill(Pass):
    """Train the maps of the cores end to end, straight through the rounding.

    Attributes:
        iterations: Of Adam (Kingma and Ba, ICLR 2015), at most, with a cosine decay of the rate.
        rate: Learning rate at the start, relative to the root mean square of each weight matrix.
        batch: Points an iteration, out of ``points``.
        points: How many points to train on; a quarter as many are held back.
        steps: Time steps of the integrate-and-fire neurons that the staircases stand for, where
            rate coding follows; 0 is the staircases themselves.
        checks: How often the held-back points are looked at. The best found is kept.
        patience: Checks without a gain before training ends.
    """

    name = "distill"
    accepts = (Level.STAIRCASE,)
    limits = (
        ("iterations", 1, 2**30),
        ("rate", 0, 1),
        ("batch", 1, 2**20),
        ("points", 16, 2**20),
        ("steps", 0, 2**20),
        ("checks", 1, 2**20),
        ("patience", 1, 2**20),
    )

    iterations: int = 1000
    rate: float = 0.003
    batch: int = 512
    points: int = 8192
    steps: int = 0
    checks: int = 20
    patience: int = 8

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Train core after core; a core that does not improve stays as it was."""
        for label in core_labels(graph):
            core = TrainableCore.of(graph, label, context.source, self.steps)
            root = root_of(metric(context.layers, label, context.calibration))
            training, held_back = (
                TeacherLoss.on(context.fresh(count, drawn), core, context.source, root)
                for count, drawn in ((self.points, _TRAINING), (self.points // 4, _HELD_BACK))
            )
            graph = core.with_parameters(self._trained(training, held_back, context, label))
        return graph

    def _trained(
        self, training: TeacherLoss, held_back: TeacherLoss, context: Context, label: str
    ) -> Parameters:
        """Parameters with the least loss on the held-back points."""
        graph, key = training.core.graph, f"{context.key(str(self))} {label}"
        state = _Adam.start(training.core.parameters, held_back)
        saved = context.checkpoints.load(key, graph)
        if saved:
            state.restore(saved)
        interval = max(1, self.iterations // self.checks)
        while state.done < self.iterations and state.idle < self.patience:
            rng = np.random.default_rng([context.seed, state.done])
            batch = training.batch(rng.integers(len(training.wanted), size=self.batch))
            decay = 0.5 * (1 + np.cos(np.pi * state.done / self.iterations))
            state.step(batch.gradient(state.parameters), self.rate * decay)
            if state.done % interval == 0:
                state.judge(held_back)
                context.checkpoints.save(key, graph, state.as_arrays())
                context.progress(
                    f"distilling {label}, {state.done} of {self.iterations}: "
                    f"{np.sqrt(state.least):.2e}"
                )
        return state.best


@dataclass
class _Adam:
    """Adam in the middle of its work: the one thing here that changes.

    Attributes:
        parameters: Where it is.
        first: Mean of the gradients.
        second: Mean of their squares.
        best: The parameters with the least loss so far.
        least: That loss, on the held-back points.
        done: Iterations.
        idle: Checks since the least loss was found.
    """

    parameters: Parameters
    first: Parameters
    second: Parameters
    best: Parameters
    least: float
    done: int = 0
    idle: int = 0
    sizes: dict[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, parameters: Parameters, held_back: TeacherLoss) -> _Adam:
        """Before the first iteration."""
        zero = {name: (0 * pair[0], 0 * pair[1]) for name, pair in parameters.items()}
        sizes = {name: float(np.sqrt((w**2).mean())) for name, (w, _) in parameters.items()}
        least = held_back.loss(parameters)
        return cls(parameters, zero, dict(zero), parameters, least, sizes=sizes)

    def step(self, by: Parameters, rate: float) -> None:
        """One iteration with a gradient."""
        self.done += 1
        corrected = np.sqrt(1 - _BETA2**self.done) / (1 - _BETA1**self.done)
        moved: Parameters = {}
        for name, pair in self.parameters.items():
            gradient = by.get(name, (0 * pair[0], 0 * pair[1]))
            self.first[name] = _mixed(self.first[name], gradient, _BETA1, 1)
            self.second[name] = _mixed(self.second[name], gradient, _BETA2, 2)
            factor = rate * corrected * self.sizes[name]
            parts = zip(pair, self.first[name], self.second[name], strict=True)
            weight, bias = (p - factor * m / (np.sqrt(v) + _EPSILON) for p, m, v in parts)
            moved[name] = weight, bias
        self.parameters = moved

    def judge(self, held_back: TeacherLoss) -> None:
        """Keep the parameters if they are the best so far."""
        loss = held_back.loss(self.parameters)
        self.idle = 0 if loss < self.least else self.idle + 1
        if loss < self.least:
            self.best, self.least = self.parameters, loss

    def as_arrays(self) -> dict[str, Array]:
        """Everything, to be saved."""
        numbers = np.array([self.least, self.done, self.idle], np.float64)
        return {"numbers": numbers} | {
            f"{kind} {name} {part}": values
            for kind in ("parameters", "first", "second", "best")
            for name, pair in getattr(self, kind).items()
            for part, values in enumerate(pair)
        }

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from :meth:`as_arrays`."""
        least, done, idle = saved["numbers"]
        self.least, self.done, self.idle = float(least), int(done), int(idle)
        for kind in ("parameters", "first", "second", "best"):
            found = {n: (saved[f"{kind} {n} 0"], saved[f"{kind} {n} 1"]) for n in self.parameters}
            setattr(self, kind, found)


def _mixed(
    mean: tuple[Array, Array], gradient: tuple[Array, Array], share: float, power: int
) -> tuple[Array, Array]:
    """Running mean of a power of the gradient."""
    weight, bias = (share * m + (1 - share) * g**power for m, g in zip(mean, gradient, strict=True))
    return weight, bias
