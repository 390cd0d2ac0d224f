"""anticipate-rounding: train the network to bear the rounding that comes.

A trained network is not made for noise: its layers cancel large values against each other, and so
amplify rounding errors. Many other weights give the same outputs. Here the source network teaches
a network of the same shape, from its own weights on, to give its outputs with the least predicted
error (``rounding_loss.py``) once its neurons have been rounded. New points of the domain are all it
takes. Levels are allocated anew before every round, as ``quantise-activations`` will.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pinnir.diagnosis.sensitivity import metric
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.numerics.adam import Parameters, flat, in_precision, paired
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.level_allocation import Rounded, allocate
from pinnir.passes.fitting.operations import activations, with_ops, with_parameters
from pinnir.passes.fitting.rounding_loss import RoundedLoss
from pinnir.passes.fitting.soap import Soap
from pinnir.passes.fitting.teaching import TeacherLoss, root_of
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# Corrections that the quasi-Newton method remembers.
_MEMORY = 30
# How far a clip's corners are rounded to either side, as a share of its width.
_CORNER = 1 / 16
# Points that training starts with.
_FEW_POINTS = 1024
# Those that a round is judged on, at most.
_JUDGED_POINTS = 4096
# Of SOAP: length of the first steps, relative to the root mean square of each weight; and steps
# after which levels are allocated anew.
_RATE, _ALLOCATED_EVERY = 2e-2, 250
# Numbers of the rounds in which points are drawn, to train on and to judge on.
_TRAINING, _HELD_BACK = 0, 1


@dataclass(frozen=True)
class AnticipateRounding(Pass):
    """Train the network to bear the rounding that comes (distillation; no data needed).

    Attributes:
        levels: Levels per neuron of the ``quantise-activations`` that follows.
        allocation: Its allocation.
        iterations: In all rounds.
        rounds: How many rounds, at most.
        points: How many points to train on, at most.
        least: Smallest relative gain of a round on held-back points; one that gains less is the
            last.
        batch: Points of one iteration of SOAP (``soap.py``), whose rounds double in length. 0 takes
            all points, for L-BFGS (Liu and Nocedal, Math. Program. 1989): its rounds begin with
            few points, and one that gains less than ``least`` is repeated on four times as many.
    """

    name = "anticipate-rounding"
    accepts = (Level.TENSOR,)
    spelled = ("levels", "iterations")
    retrains: ClassVar[bool] = True
    limits = (
        ("levels", 2, 2**20),
        ("iterations", 1, 2**30),
        ("rounds", 1, 1000),
        ("points", 16, 2**20),
        ("least", 0, 1),
        ("batch", 0, 2**20),
    )

    levels: int = 256
    allocation: Literal["even", "sensitivity"] = "sensitivity"
    iterations: int = 1500
    rounds: int = 5
    points: int = 4096
    least: float = 0.01
    batch: int = 0

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Train; the network stays as it was where the predicted error does not fall."""
        key = context.key(str(self))
        result = context.checkpoints.load(key, graph)
        if result is not None:
            return with_parameters(graph, paired(result))
        trained = _with_corners(self._train(_rounded_corners(graph), context))
        context.checkpoints.save(key, graph, _state(trained))
        return trained

    def _train(self, graph: Graph, context: Context) -> Graph:
        """Round after round, until one gains little on all points."""
        teacher = Teacher(context)
        best, least = graph, self._predicted(graph, teacher)
        points = self.points if self.batch else min(_FEW_POINTS, self.points)
        for number in range(self.rounds):
            key = f"{context.key(str(self))} {number} {points}"
            state = context.checkpoints.load(key, best)
            if state:
                trained = with_parameters(best, paired(state))
            else:
                trained = self._round(best, teacher, points, number)
                context.checkpoints.save(key, best, _state(trained))
            found = self._predicted(trained, teacher)
            context.progress(f"anticipating rounding, {number + 1} of {self.rounds}: {found:.2e}")
            gained = found < (1 - self.least) * least
            if found < least:
                best, least = trained, found
            if not gained and points == self.points:
                break
            points = points if gained else min(4 * points, self.points)
        return best

    def _predicted(self, graph: Graph, teacher: Teacher) -> float:
        """Predicted relative error of the outputs, all cores together, on held-back points."""
        losses = self._losses(graph, teacher, min(self.points, _JUDGED_POINTS), _HELD_BACK)
        return float(np.sqrt(sum(loss(loss.exact.core.parameters)[0] for loss in losses)))

    def _round(self, graph: Graph, teacher: Teacher, points: int, number: int) -> Graph:
        """Train every core once."""
        if self.batch:
            length = self.iterations * 2**number // (2**self.rounds - 1)
            return self._descended(graph, teacher, max(1, length))
        for before in self._losses(graph, teacher, points, _TRAINING):
            # What enters a core behind another one, and what it is worth, has changed by now.
            loss = teacher.loss(graph, before.exact.core.label, points, _TRAINING)
            loss = replace(loss, variances=before.variances)
            found = minimum(loss, max(1, self.iterations // self.rounds))
            graph = with_parameters(graph, found)
        return graph

    def _descended(self, graph: Graph, teacher: Teacher, iterations: int) -> Graph:
        """Train every core for so many iterations; levels are allocated anew on the way."""
        soaps: dict[str, Soap] = {}
        for done in range(0, iterations, _ALLOCATED_EVERY):
            for few in self._losses(graph, teacher, min(_FEW_POINTS, self.points), _TRAINING):
                label = few.exact.core.label
                loss = teacher.loss(graph, label, self.points, _TRAINING)
                soap = soaps.setdefault(label, Soap(_RATE, iterations))
                steps = min(_ALLOCATED_EVERY, iterations - done)
                stepped = self._stepped(replace(loss, variances=few.variances), soap, steps)
                graph = with_parameters(graph, stepped)
        return graph

    def _stepped(self, loss: RoundedLoss, soap: Soap, steps: int) -> Parameters:
        """Parameters after so many steps, each on some of the points."""
        loss, parameters = loss.single(), in_precision(loss.exact.core.parameters, np.float32)
        points = len(loss.signs)
        batch = min(self.batch, points)
        rng = np.random.default_rng(soap.done)
        order = rng.permutation(points)
        for number in range(steps):
            first = number * batch % (points - batch + 1)
            _, gradient = loss.batch(order[first : first + batch])(parameters)
            parameters = soap.step(parameters, gradient)
        return in_precision(parameters, np.float64)

    def _losses(self, graph: Graph, teacher: Teacher, points: int, drawn: int) -> list[RoundedLoss]:
        """The loss of every core; the levels of all of them are allocated together."""
        losses = [teacher.loss(graph, label, points, drawn) for label in core_labels(graph)]
        layers = {name: one for loss in losses for name, one in loss.layers().items()}
        variances = self._variances(layers)
        return [replace(loss, variances=variances) for loss in losses]

    def _variances(self, layers: Mapping[str, Rounded]) -> dict[str, Array]:
        """Variance of every neuron's rounding error."""
        levels: dict[str, int] | dict[str, NDArray[np.int64]] = dict.fromkeys(layers, self.levels)
        if self.allocation == "sensitivity":
            levels = allocate(layers, self.levels)
        return {n: (one.heights / (levels[n] - 1)) ** 2 / 12 for n, one in layers.items()}


@dataclass(frozen=True, eq=False)
class Teacher:
    """Makes the losses of cores; knows the metrics of the graphs that it has seen.

    Attributes:
        context: Source network, points and seed.
        roots: Of the metric where a core ends, by graph and core.
    """

    context: Context
    roots: dict[tuple[Graph, str], Array] = field(default_factory=dict)

    def loss(self, graph: Graph, label: str, points: int, drawn: int) -> RoundedLoss:
        """The loss of a core of a graph, on points drawn in a round; nothing is rounded yet."""
        source, seed = self.context.source, self.context.seed
        if (graph, label) not in self.roots:
            self.roots[graph, label] = root_of(metric(graph, label, self.context.calibration))
        core, root = TrainableCore.of(graph, label, source), self.roots[graph, label]
        exact = TeacherLoss.on(self.context.fresh(points, drawn), core, source, root)
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (len(exact.wanted), len(root)))
        return RoundedLoss(exact, signs)


def _rounded_corners(graph: Graph) -> Graph:
    """Clips rounded at their corners, where derivatives would jump and a line search would end."""
    found: dict[str, Activation] = {}
    for node, op in activations(graph).items():
        if op.function == "clip":
            low, high = (np.asarray(value, np.float64) for value in op.parameters)
            half = np.maximum(_CORNER * (high - low), np.finfo(np.float64).tiny)
            found[node.name] = Activation("rounded-clip", (low, high, half))
    return with_ops(graph, found)


def _with_corners(graph: Graph) -> Graph:
    clips = {
        node.name: Activation("clip", op.parameters[:2])
        for node, op in activations(graph).items()
        if op.function == "rounded-clip"
    }
    return with_ops(graph, clips)


def minimum(loss: RoundedLoss, iterations: int) -> Parameters:
    """Parameters of the least loss that so many iterations find."""
    from scipy.optimize import minimize

    start = loss.exact.core.parameters
    scales = loss.scales(start)
    sizes = [part.size for pair in start.values() for part in pair]
    first, _ = loss(start)
    if first == 0:  # nothing depends on the core
        return start

    def scaled(name: str, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        if name not in scales:
            return pair
        (left, right), (weight, bias) = scales[name], pair
        return left @ weight @ right, left @ bias

    def moved(step: Array) -> Parameters:
        parts = iter(np.split(step, np.cumsum(sizes)[:-1]))
        found: Parameters = {}
        for name, (weight, bias) in start.items():
            change = scaled(name, (next(parts).reshape(weight.shape), next(parts)))
            found[name] = weight + change[0], bias + change[1]
        return found

    def value(step: Array) -> tuple[float, Array]:
        found, by = loss(moved(step))
        parts = [part.reshape(-1) for name in start for part in scaled(name, by[name])]
        return found / first, np.concatenate(parts) / first

    options: Any = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": _MEMORY}
    options |= {"ftol": 0.0, "gtol": 0.0}
    zero = np.zeros(sum(sizes))
    found = minimize(value, zero, jac=True, method="L-BFGS-B", options=options)
    return moved(found.x)


def _state(graph: Graph) -> dict[str, Array]:
    cores = [TrainableCore.of(graph, label, graph) for label in core_labels(graph)]
    return {name: part for core in cores for name, part in flat(core.parameters).items()}
