"""Choose the schedule of a sign-gradient program: what it leaves open, by the error that it gives.

What decides are the decay and by how much longer the steps of a layer are than those of the layer
before at the same time, their ratio: it pays for what a layer has to follow, and the network says
how much that is. All pairs of a fixed grid, and then several reaches, are run by the oracle on some
of the calibration points; the error at the last step decides. Each round takes the best of the one
before to more points, the first of equals stays, and nothing is drawn at random, so the same
network and points give the same schedule. Schedules that do not reach a neuron's range are out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import floor, log

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.codings.followers import Layers
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Input
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import Array, entries
from pinnir.numerics.step_schedules import Kind, Schedule, reaching

_DECAYS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
_RATIOS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 16.0, 32.0)
# Of schedules without a decay: delays as a share of the steps that there are for each layer.
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_REACHES = (1.1, 1.3, 1.6, 2.0)
# (samples, multiplications of one run at most, schedules that go on). A large network is compared
# on fewer samples; of several sample axes on all combinations of fewer samples.
_ROUNDS = ((64, 2**27, 12), (512, 2**28, 3), (2048, 2**30, 1))
_FEWEST, _COMBINATIONS = 8, 2**12


@dataclass(frozen=True)
class Wish:
    """What was asked of a schedule; None where it is to be chosen.

    Attributes:
        kind: How steps become shorter.
        eta: First step of a layer, in units of its neurons' scale.
        decay: Of an exponential schedule.
        delay: Steps between layers.
    """

    kind: Kind = "exponential"
    eta: float | None = None
    decay: float | None = None
    delay: float | None = None


def choose(
    layers: Layers, wish: Wish, steps: int, progress: Callable[[str], None] = lambda text: None
) -> Schedule:
    """The schedule with the least error at the last step.

    Args:
        layers: The network, with its calibration points.
        wish: What is given.
        steps: Time steps.
        progress: Told what was found.

    Raises:
        LegalizeError: If no schedule that fits the wish reaches the range of every neuron.
    """
    found, error = _Search(layers, wish, steps).best()
    progress(f"schedule: {found}; error {error:.3e} on calibration points")
    return found


def _flat(values: Iterable[Array]) -> Array:
    return np.concatenate([value.reshape(-1) for value in values])


@dataclass(frozen=True, eq=False)
class _Search:
    layers: Layers
    wish: Wish
    steps: int

    @cached_property
    def _deepest(self) -> int:
        return max(self.layers.depths.values(), default=0)

    def best(self) -> tuple[Schedule, float]:
        """The best of all choices."""
        wish = self.wish
        choices = [
            self._schedule(decay, delay, _REACHES[0])
            for decay in self._decays()
            for delay in self._delays(decay)
        ]
        ranked = [(schedule, 0.0) for schedule in dict.fromkeys(choices)]
        for samples, products, kept in _ROUNDS:
            count = self._samples(samples, products)
            ranked = self._ranked((one for one, _ in ranked), count)[:kept]
        if wish.eta is None:
            several = [
                self._schedule(one.decay, one.delay, reach)
                for one, _ in ranked
                for reach in _REACHES
            ]
            ranked = self._ranked(several, count)
        return ranked[0]

    def _samples(self, most: int, products: int) -> int:
        """How many samples a round looks at."""
        maps = [node.op for node in self.layers.graph.nodes if isinstance(node.op, Affine)]
        size = sum(entries(op.weight).size for op in maps) * self.steps
        return int(np.clip(products // size, _FEWEST, most))

    def _decays(self) -> tuple[float, ...]:
        wish = self.wish
        if wish.kind != "exponential":
            return (1.0,)
        return _DECAYS if wish.decay is None else (wish.decay,)

    def _delays(self, decay: float) -> Iterator[float]:
        """Delays that leave the last layer a step."""
        if self.wish.delay is not None:
            yield self.wish.delay
            return
        share = self.steps / (self._deepest + 1)
        if self.wish.kind == "exponential":
            found = [log(ratio) / log(1 / decay) for ratio in _RATIOS]
        else:
            found = [share * one for one in _SHARES]
        yield from (delay for delay in found if floor(delay * self._deepest) < self.steps)

    def _schedule(self, decay: float, delay: float, reach: float) -> Schedule:
        wish = self.wish
        eta = wish.eta
        if eta is None:
            # The last layer has the fewest steps; without any it is refused later on.
            left = max(1, self.steps - floor(delay * self._deepest))
            eta = reaching(wish.kind, decay, left, reach)
        return Schedule(wish.kind, eta, decay, delay)

    def _inputs(self, samples: int) -> dict[str, Array]:
        """Some of the calibration points, evenly chosen."""
        graph, rows = self.layers.graph, self.layers.calibration
        axes = len({node.op_as(Input).axis for node in graph.inputs})
        count = min(samples, len(rows), round(_COMBINATIONS ** (1 / axes)))
        return graph.bind(rows[np.linspace(0, len(rows) - 1, count).astype(int)])

    def _ranked(self, schedules: Iterable[Schedule], samples: int) -> list[tuple[Schedule, float]]:
        """Schedules with their errors, best first.

        Raises:
            LegalizeError: If none of them reaches the range of every neuron; of the first.
        """
        inputs = self._inputs(samples)
        truth = _flat(evaluate(self.layers.graph, inputs))
        found: list[tuple[Schedule, float]] = []
        refused: LegalizeError | None = None
        for schedule in schedules:
            try:
                graph = self.layers.lower(schedule, self.steps)
            except LegalizeError as error:
                refused = refused or error
                continue
            found.append((schedule, relative_l2(_flat(evaluate(graph, inputs)), truth)))
        if refused is not None and not found:
            raise refused
        return sorted(found, key=lambda one: one[1])
