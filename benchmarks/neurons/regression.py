"""A shallow network of one membrane layer as a spiking program, for regression without a source.

M. De Florio, A. Kahana, G. E. Karniadakis, "Analysis of biologically plausible neuron models for
regression with spiking neural networks" (arXiv 2401.00369): an encoder turns the inputs into
constant currents, one membrane a unit fires for the program's steps, and a trained read-out weighs
the rates. Training is in ``regression_training.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import PinnirError
from pinnir.base.targets import TARGETS
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Op
from pinnir.ir.printing import print_graph
from pinnir.ir.rules import check_rules
from pinnir.ir.sample_axes import layouts
from pinnir.metrics.source_cost import source_cost
from pinnir.neurons import LIF, Integrated
from pinnir.neurons.membranes.conversion import Conversion
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.neurons.membranes.membrane import Membrane
from pinnir.neurons.membranes.response import counts, measured
from pinnir.neurons.membranes.stability import check_scheme
from pinnir.numerics.matrix import Array, apply
from pinnir.numerics.ridge import regression
from pinnir.passes.lowering.legalise import Legalise
from pinnir.pipeline.context import Context
from pinnir.points.domain import Domain
from pinnir.program.program import Program
from pinnir.program.segments import build_segments

_CORE = "core.0"
# Points that the units of a program in NIR's place are laid out on.
_POINTS = 256
# Weights of the size of a weight that a read-out is chosen from, relative to its input's variance.
RIDGES = tuple(10.0**power for power in range(-5, 1))
# Least and largest share of the domain over which a unit's current goes through the range.
_SHARES = (0.2, 1.0)
# Every so many points are held back, from the middle of the first so many on.
_HELD_BACK = 4


@dataclass(frozen=True, eq=False)
class RegressionLayer:
    """One layer of membranes between an encoder and a read-out.

    Attributes:
        model: The membrane.
        scheme: How it is simulated.
        steps: Time steps of an inference.
        encoder: From inputs to currents, in the model's unit.
        decoder: From the share of steps in which units fire to the outputs.
    """

    model: Membrane
    scheme: Scheme
    steps: int
    encoder: Affine
    decoder: Affine

    def __post_init__(self) -> None:
        check_scheme(self.model, self.scheme)

    @property
    def conversion(self) -> Conversion:
        """What the membranes run at; synapses keep currents in the range of all models but LIF."""
        tau = 0.0 if isinstance(self.model, LIF) else 1.0
        return Conversion(self.model, self.scheme, self.model.drive, tau=tau)

    @property
    def evaluations(self) -> int:
        """Evaluations of the right-hand side of one unit, an inference."""
        return self.steps * self.scheme.evaluations

    @cached_property
    def graph(self) -> Graph:
        """The layer as a spiking graph, read out as the mean over its steps."""
        low, high = (np.full(len(self.encoder.bias), end) for end in self.model.drive)
        response = measured(self.conversion, (low, high), self.steps).by_current(self.steps)
        units = Integrated(self.model, self.scheme, response, self.conversion.synapse)
        return self._graph(Level.SPIKING, units, steps=self.steps, read_out="mean")

    def _graph(self, level: Level, units: Op, *, steps: int, read_out: str) -> Graph:
        source = Node("x", Input(self.encoder.weight.shape[1]))
        encoder = Node("encoder", self.encoder, (source,), _CORE)
        membranes = Node("membranes", units, (encoder,), _CORE)
        decoder = Node("decoder", self.decoder, (membranes,), _CORE)
        return Graph(level, (source,), (decoder,), steps, read_out)

    def rates(self, points: Array) -> Array:
        """Spikes a step of every unit, ``(samples, units)``, as the oracle counts them."""
        currents = apply(self.encoder.weight, points) + self.encoder.bias
        synapse = self.conversion.synapse
        if synapse is not None:
            currents = synapse.saturated(currents)
        return counts(self.model, self.scheme, currents, self.steps) / self.steps

    def outputs(self, points: Array) -> Array:
        """Values ``(samples, outputs)`` at points ``(samples, inputs)``."""
        (values,) = evaluate(self.graph, self.graph.bind(points))
        return values

    def with_decoder_fitted(self, points: Array, values: Array) -> RegressionLayer:
        """The layer with its read-out fitted to data, by :func:`read_out`.

        Args:
            points: ``(samples, inputs)``, at least eight.
            values: ``(samples, outputs)``.
        """
        return replace(self, decoder=read_out(self.rates(points), values))

    def program(self, domain: Domain) -> Program:
        """The layer as a program, which is saved, read and run like any other.

        LIF layers are plain NIR; others are for ``--target programmable``.

        Args:
            domain: Of the inputs.
        """
        target = TARGETS["nir" if isinstance(self.model, LIF) else "programmable"]
        plain = self._graph(Level.TENSOR, Activation("tanh"), steps=1, read_out="last")
        context = Context(plain, domain.sample(_POINTS, 0), target)
        graph = Legalise().apply(self.graph, context)
        check_rules(graph)
        known = {node.name: layout for node, layout in layouts(plain).items()}
        segments, known = build_segments(graph, "float64", known)
        manifest = {
            "coding": "rate",
            "steps": self.steps,
            "read_out": "mean",
            "levels": self.steps + 1,
            "pipeline": "",
            "target": target.name,
            "dtype": "float64",
            "dt": 1.0,
            "metrics": {},
            "versions": {name: version(name) for name in ("pinnir", "nir", "numpy")},
        }
        inputs = (("x", int(self.encoder.weight.shape[1])),)
        return Program(
            segments=segments,
            inputs=inputs,
            outputs=("decoder",),
            layouts=known,
            domain=domain,
            cost=source_cost(plain),
            manifest=manifest,
            initial=print_graph(graph),
        )


def held_back(samples: int) -> NDArray[np.bool_]:
    """Which of the samples are held back to choose by, ``(samples,)``: a quarter, evenly spread."""
    return np.asarray(np.arange(samples) % _HELD_BACK == _HELD_BACK // 2)


def read_out(rates: Array, values: Array) -> Affine:
    """The map from rates to values by ridge regression.

    The ridge that is best on the samples held back is taken, and the map is then fitted to all.

    Args:
        rates: ``(samples, units)``.
        values: ``(samples, outputs)``.

    Raises:
        PinnirError: If there are too few samples.
    """
    held = held_back(len(rates))
    if len(rates) < 2 * _HELD_BACK:
        raise PinnirError(
            f"{len(rates)} samples are too few", hint=f"give {2 * _HELD_BACK} or more"
        )

    def error(ridge: float) -> float:
        weight, bias = regression(rates[~held], values[~held], ridge)
        return float(((rates[held] @ weight.T + bias - values[held]) ** 2).sum())

    return Affine(*regression(rates, values, min(RIDGES, key=error)))


def spread_layer(
    model: Membrane,
    scheme: Scheme,
    steps: int,
    units: int,
    domain: Domain,
    outputs: int,
    seed: int,
) -> RegressionLayer:
    """An untrained layer, whose currents cross the model's range at places all over the domain.

    Args:
        model: The membrane.
        scheme: How it is simulated.
        steps: Time steps of an inference.
        units: How many membranes.
        domain: Of the inputs.
        outputs: Columns of the read-out, which is zero.
        seed: Of the random directions and places.
    """
    rng = np.random.default_rng(seed)
    middle, half = (domain.high + domain.low) / 2, (domain.high - domain.low) / 2
    weak, strong = model.drive
    directions = rng.normal(size=(units, middle.size))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # A unit's current goes through the range around a place of its own, over a share of the domain.
    share = rng.uniform(*_SHARES, size=(units, 1))
    gain = (strong - weak) / 2 * directions / half / share
    places = middle + half * rng.uniform(-1, 1, size=(units, middle.size))
    bias = (strong + weak) / 2 - (gain * places).sum(axis=1)
    decoder = Affine(np.zeros((outputs, units)), np.zeros(outputs))
    return RegressionLayer(model, scheme, steps, Affine(gain, bias), decoder)
