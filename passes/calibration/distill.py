"""distill: train the rounded network end to end to give what the source network gives.

The source network is the teacher, on new points of the domain: no data are needed. Forwards the
neurons do what the target will run, staircases or integrate-and-fire neurons over time; backwards
their rounding is passed straight through (Bengio et al., arXiv 1308.3432; for spike counts, tandem
learning: Wu et al., IEEE TNNLS 2021). The loss is the error of what leaves a core, in the metric
of the network's outputs, so that a core in front of a merge learns what matters behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.diagnosis.sensitivity import metric
from pinnir.ir.graph import Graph, Level
from pinnir.numerics.adam import Parameters, Training
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.teaching import TeacherLoss, root_of
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

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
            graph = with_parameters(graph, self._trained(training, held_back, context))
        return graph

    def _trained(self, loss: TeacherLoss, held_back: TeacherLoss, context: Context) -> Parameters:
        """Parameters with the least loss on the held-back points."""
        core = loss.core
        key = f"{context.key(str(self))} {core.label}"
        start = core.parameters
        training = Training(start, held_back.loss(start), self.rate, self.iterations)
        saved = context.checkpoints.load(key, core.graph)
        if saved:
            training.restore(saved)
        interval = max(1, self.iterations // self.checks)
        while training.done < self.iterations and training.idle < self.patience:
            rng = np.random.default_rng([context.seed, training.done])
            batch = loss.batch(rng.integers(len(loss.wanted), size=self.batch))
            training.step(batch.gradient(training.parameters))
            if training.done % interval == 0:
                training.judge(held_back.loss(training.parameters))
                context.checkpoints.save(key, core.graph, training.as_arrays())
                context.progress(
                    f"distilling {core.label}, {training.done} of {self.iterations}: "
                    f"{np.sqrt(training.least):.2e}"
                )
        return training.best
