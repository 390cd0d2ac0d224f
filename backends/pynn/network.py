"""Cores as what a simulator of cells can run: one population of membranes, constant currents.

In a simulator, spikes reach cells through its own synapses: pulses or decaying currents, at least
a time step later. The averages that carry rates from layer to layer in pinnir's programs are none
of these. So a core is written whose membranes get their currents from the inputs alone: regression
layers, and rate programs of networks with one hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.backends.exported_parts import ExportedCore
from pinnir.backends.recording import populations
from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Graph, Neuron, Node, width
from pinnir.neurons import LIF, HodgkinHuxley, Integrated, Izhikevich, Membrane
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# Of PyNN's Izhikevich cells, which cannot be set.
_PEAK = 30.0
_HINT = "compile with --neuron izhikevich or --neuron hodgkin-huxley"
# The parameters' names in PyNN, by their names here.
_NAMES = {
    Izhikevich: {"a": "a", "b": "b", "c": "c", "d": "d"},
    HodgkinHuxley: {
        "threshold": "v_thresh",
        "capacitance": "cm",
        "g_sodium": "gbar_Na",
        "g_potassium": "gbar_K",
        "g_leak": "g_leak",
        "e_sodium": "e_rev_Na",
        "e_potassium": "e_rev_K",
        "e_leak": "e_rev_leak",
    },
}


@dataclass(frozen=True, eq=False)
class ConstantCore(ExportedCore):
    """A core whose membranes get constant currents.

    Attributes:
        population: The membranes.
        steps: Time steps.
        encode: From what enters to currents: weight ``(units, inputs)`` and bias.
        decode: From rates to what leaves: weight ``(outputs, units)`` and bias.
    """

    population: Node
    steps: int
    encode: tuple[Array, Array]
    decode: tuple[Array, Array]

    @property
    def units(self) -> Integrated:
        """The membranes, as a neuron."""
        return self.population.op_as(Integrated)

    @property
    def parameters(self) -> dict[str, float]:
        """Of the cell type, in PyNN's names."""
        model = self.units.model
        return {told: float(getattr(model, name)) for name, told in _NAMES[type(model)].items()}


def cores_of(program: Program) -> list[ConstantCore]:
    """The cores of a program.

    Raises:
        LegalizeError: If a core has no form in PyNN.
    """
    return [
        constant_core(segment.label, segment.running)
        for segment in program.segments
        if segment.running is not None
    ]


def constant_core(label: str, core: Graph) -> ConstantCore:
    """A core of a program.

    Raises:
        LegalizeError: If a simulator cannot run it.
    """
    neurons = populations(core)
    for node in neurons:
        if not isinstance(node.op, Integrated):
            problem = "is no model of a membrane, and simulators of cells have no such neuron"
            raise node.error(LegalizeError, problem, _HINT)
        _check_model(node.op.model)
    if len(neurons) != 1:
        raise neurons[1].error(
            LegalizeError,
            f"{label} has {len(neurons)} populations, and the average of spikes that carries "
            "rates from one to the next is no synapse of PyNN",
            "export a regression layer, or a network with one hidden layer",
        )
    (population,) = neurons
    (source,), (sink,) = core.inputs, core.outputs
    encode = _affine(core, source, width(source), population.operands)
    decode = _affine(core, population, population.op_as(Integrated).units, (sink,))
    return ConstantCore(label, population, core.steps, encode, decode)


def _check_model(model: Membrane) -> None:
    problem, hint = "", _HINT
    held = "PyNN scripts hold Izhikevich and Hodgkin-Huxley neurons"
    if isinstance(model, LIF):
        problem = f"{held}; NIR has a primitive for lif"
        hint = "use the file itself, or pinnir export --target nir"
    elif type(model) not in _NAMES:
        problem = f"{held}; no simulator has {model.name}"
    elif isinstance(model, Izhikevich) and model.threshold != _PEAK:
        problem = f"its spikes peak at {model.threshold:g} mV, those of PyNN's at {_PEAK:g} mV"
        hint = ""
    if problem:
        raise LegalizeError(problem, op=model.name, hint=hint)


def _affine(core: Graph, begin: Node, columns: int, ends: tuple[Node, ...]) -> tuple[Array, Array]:
    """The map from one node's value to the sum of others', from its values at the unit vectors."""
    values = {begin: np.concatenate([np.zeros((1, columns)), np.eye(columns)])}
    for node in core.nodes:
        ready = node not in values and node.operands and all(o in values for o in node.operands)
        if ready and not isinstance(node.op, Neuron):
            values[node] = compute_node(node, values)
    total = np.sum([values[end] for end in ends], axis=0)
    return (total[1:] - total[0]).T, total[0]
