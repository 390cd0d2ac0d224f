"""calibrate-advanced: train every layer of a rate program to give the source layer's output.

The advanced calibration of Li et al. (ICML 2021) as used for PINNs by Zhang et al. (arXiv
2308.16372). Layer by layer, with all earlier layers already calibrated and firing:

1. Weights and biases are trained by Adam with cosine decay. The loss is the mean square difference
   between the layer's values and the source layer's; forwards the spikes are counted for the mean
   of what arrives, backwards the floor is passed straight through. The map that ends a core is
   linear and far from well conditioned: it sees all points in every iteration.
2. Parameters are judged by the simulated neurons on all points, and the best are kept, those from
   before the training among them.
3. What remains of the mean difference, times the number of steps, is added to the initial
   potentials, of those neurons that so come closer.

A local error says little about what later layers make of it, so the whole is done for several
learning rates, and the program with the least error of what leaves the cores is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnir.ir.graph import Graph, Level, Node
from pinnir.neurons import IF
from pinnir.neurons.start_units import with_potentials
from pinnir.numerics.adam import Parameters, Training
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.operations import with_parameters
from pinnir.passes.fitting.rate_layer import SpikingLayer, check_rate_program, spiking_layer
from pinnir.passes.fitting.spike_sums import Arriving, mean_over_steps
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# Each learning rate is so many times the one before.
_RATIO = 10**0.5


@dataclass(frozen=True)
class CalibrateAdvanced(Pass):
    """Train weights, biases and initial potentials, layer by layer, to the source's outputs.

    Attributes:
        iterations: Of Adam (Kingma and Ba, ICLR 2015), for each layer.
        rate: Smallest learning rate at the start, relative to the root mean square of each weight
            matrix.
        rates: How many learning rates to try, each about three times the one before.
        batch: Points an iteration, out of ``points``; all of them where a core ends.
        points: How many of the calibration points to use.
        checks: How often a layer is simulated on all points while it is trained.
    """

    name = "calibrate-advanced"
    accepts = (Level.SPIKING,)
    limits = (
        ("iterations", 1, 2**30),
        ("rate", 0, 10),
        ("rates", 1, 16),
        ("batch", 1, 2**20),
        ("points", 1, 2**30),
        ("checks", 1, 2**20),
    )

    iterations: int = 5000
    rate: float = 0.03
    rates: int = 4
    batch: int = 128
    points: int = 1024
    checks: int = 20

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Calibrate every layer that the source network has under the same names.

        Raises:
            PipelineError: For a lowered population program, and behind ``split-signs``.
        """
        check_rate_program(self, graph, context.source)
        rng = np.random.default_rng(context.seed)
        points = context.calibration[rng.permutation(len(context.calibration))[: self.points]]
        best, least = graph, np.inf
        for number in range(self.rates):
            rate = self.rate * _RATIO**number
            found, error = self._calibrated(graph, context, points, rate)
            context.progress(f"{self.name} at learning rate {rate:.2g}: {np.sqrt(error):.2e}")
            if error < least:
                best, least = found, error
        return best

    def _calibrated(
        self, graph: Graph, context: Context, points: Array, rate: float
    ) -> tuple[Graph, float]:
        """The graph with all layers calibrated, and the relative square error of what leaves."""
        error = size = 0.0
        for name in [node.name for node in graph.nodes]:
            layer = spiking_layer(graph, name, context.source)
            if layer is None:
                continue
            arriving, wanted = layer.arriving(points), layer.wanted(context.source, points)
            found = self._trained(layer, arriving, wanted, rate, context.seed)
            graph = with_parameters(graph, found)
            if isinstance(layer.end.op, IF):
                moved = layer.corrected_potentials(found, arriving, wanted, _mean_square)
                graph = with_potentials(graph, name, moved)
            else:
                error += _loss(layer, found, arriving, wanted)
                size += float((wanted**2).mean())
        return graph, error / size if size else 0.0

    def _trained(
        self, layer: SpikingLayer, arriving: Arriving, wanted: Array, rate: float, seed: int
    ) -> Parameters:
        """The parameters with the least loss of the simulated neurons."""
        rng = np.random.default_rng(seed)
        start = layer.parameters
        averages = {node: mean_over_steps(values) for node, values in arriving.items()}
        least = _loss(layer, start, arriving, wanted)
        training = Training(start, least, rate, self.iterations, ratio_first=True)
        interval = max(1, self.iterations // self.checks)
        rows = np.arange(len(wanted))
        while training.done < self.iterations:
            if isinstance(layer.end.op, IF):
                rows = rng.integers(len(wanted), size=self.batch)
            batch = {node: values[rows] for node, values in averages.items()}
            training.step(_gradient(layer, training.parameters, batch, wanted[rows]))
            if training.done % interval == 0 or training.done == self.iterations:
                training.judge(_loss(layer, training.parameters, arriving, wanted))
        return training.best


def _loss(layer: SpikingLayer, parameters: Parameters, arriving: Arriving, wanted: Array) -> float:
    errors = layer.simulate(parameters, layer.potentials, arriving) - wanted
    return float(_mean_square(errors).sum())


def _mean_square(errors: Array) -> Array:
    return np.asarray((errors**2).mean(axis=0))


def _gradient(
    layer: SpikingLayer, parameters: Parameters, batch: Mapping[Node, Array], wanted: Array
) -> Parameters:
    """Derivatives of the loss by the parameters, straight through the floor."""
    run = layer.run(parameters, batch)
    value = layer.current(run)
    slope: Array | float = 1.0
    if isinstance(layer.end.op, IF):
        value, slope = _counted(layer.end.op, value, layer.potentials, layer.graph.steps)
    return layer.derivatives(run, (2 / len(wanted)) * (value - wanted) * slope)


def _counted(neuron: IF, current: Array, potentials: Array, steps: int) -> tuple[Array, Array]:
    """Mean value and slope of neurons with a constant current, ``(samples, units)`` each."""
    charge = (steps * (current + neuron.bias) + potentials) / neuron.threshold
    least = -steps if neuron.signed else 0
    count = np.clip(np.floor(charge) if neuron.rounds else np.trunc(charge), least, steps)
    inside = (charge > least) & (charge < steps)
    return count * (neuron.threshold / steps), inside.astype(np.float64)
