"""A shallow network of one membrane layer as a spiking program, for regression without a source.

M. De Florio, A. Kahana, G. E. Karniadakis, "Analysis of biologically plausible neuron models for
regression with spiking neural networks" (arXiv 2401.00369): an encoder turns the inputs into
constant currents, one membrane a unit fires for the program's steps, and a trained read-out weighs
the rates. Training is in ``backends/norse_regression.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np

from pinnir.domain import Domain
from pinnir.evaluate import evaluate
from pinnir.ir import Activation, Affine, Array, Graph, Input, Level, Neuron, Node, Op
from pinnir.layout import layouts
from pinnir.manager import Context
from pinnir.metrics import source_cost
from pinnir.neurons import LIF, Integrated
from pinnir.neurons.conversion import Conversion
from pinnir.neurons.integrators import Scheme
from pinnir.neurons.membrane import Membrane
from pinnir.neurons.stability import check_scheme
from pinnir.passes.legalise import Legalise
from pinnir.passes.refit import regression
from pinnir.program import Program
from pinnir.response import measured
from pinnir.segments import build_segments
from pinnir.target import TARGETS
from pinnir.text import print_graph
from pinnir.verify import verify

_CORE = "core.0"
# Points that the units of a program in NIR's place are laid out on.
_POINTS = 256


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
    def evaluations(self) -> int:
        """Evaluations of the right-hand side of one unit, an inference."""
        return self.steps * self.scheme.evaluations

    @property
    def graph(self) -> Graph:
        """The layer as a spiking graph, read out as the mean over its steps."""
        low, high = (np.full(len(self.encoder.bias), end) for end in self.model.drive)
        conversion = Conversion(self.model, self.scheme, self.model.drive)
        response = measured(conversion, (low, high), self.steps).by_current(self.steps)
        units = Integrated(self.model, self.scheme, response)
        return self._graph(Level.SPIKING, units, steps=self.steps, read_out="mean")

    def _graph(self, level: Level, units: Op, *, steps: int, read_out: str) -> Graph:
        source = Node("x", Input(self.encoder.weight.shape[1]))
        encoder = Node("encoder", self.encoder, (source,), _CORE)
        membranes = Node("membranes", units, (encoder,), _CORE)
        decoder = Node("decoder", self.decoder, (membranes,), _CORE)
        return Graph(level, (source,), (decoder,), steps, read_out)

    def rates(self, points: Array) -> Array:
        """Share of steps in which every unit fires, ``(samples, units)``."""
        graph, total = self.graph, np.zeros((len(points), len(self.encoder.bias)))

        def count(step: int, node: Node, value: Array) -> None:
            if isinstance(node.op, Neuron):
                total[:] += value

        evaluate(graph, graph.bind(points), count)
        return total / self.steps

    def outputs(self, points: Array) -> Array:
        """Values ``(samples, outputs)`` at points ``(samples, inputs)``."""
        (values,) = evaluate(self.graph, self.graph.bind(points))
        return values

    def with_decoder_fitted(self, points: Array, values: Array, ridge: float) -> RegressionLayer:
        """The layer with the read-out that fits these values best, by ridge regression.

        Args:
            points: ``(samples, inputs)``.
            values: ``(samples, outputs)``.
            ridge: Weight of the size of a weight, relative to its input's variance.
        """
        weight, bias = regression(self.rates(points), values, ridge)
        return replace(self, decoder=Affine(weight, bias))

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
        verify(graph)
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
    # A unit's current goes through half the range, around a place of its own, over half the domain.
    gain = (strong - weak) / 2 * directions / half
    places = middle + half * rng.uniform(-1, 1, size=(units, middle.size))
    bias = (strong + weak) / 2 - (gain * places).sum(axis=1)
    decoder = Affine(np.zeros((outputs, units)), np.zeros(outputs))
    return RegressionLayer(model, scheme, steps, Affine(gain, bias), decoder)
