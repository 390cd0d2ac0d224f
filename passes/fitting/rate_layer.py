"""One layer of a rate program: from the values that arrive to the spikes it fires.

A layer is what lies between spikes: the affine maps that values or spikes arrive at, the fixed
maps behind them (the expansion to ramps, or the sum where a core ends), and either a population
of integrate-and-fire neurons or a value that leaves the core. Calibration looks at one layer at a
time, so what arrives is simulated once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir.evaluate import add, evaluate, trace
from pinnir.ir.graph import Activation, Affine, Graph, Neuron, Node
from pinnir.neurons import IF
from pinnir.neurons.start_units import START, potentials
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, entries
from pinnir.passes.fitting.runs import Run, run_maps
from pinnir.passes.fitting.spike_sums import Arriving, mean_over_steps
from pinnir.pipeline.manager import Pass


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """A layer of a rate program that the source network has as well.

    Attributes:
        graph: The rate program.
        end: The population, or the map whose value leaves the core.
        maps: The maps that values arrive at, all of which the network has.
        fixed: The maps between those and the end, in running order.
    """

    graph: Graph
    end: Node
    maps: tuple[Node, ...]
    fixed: tuple[Node, ...]

    @property
    def parameters(self) -> Parameters:
        """Weights and biases of the maps, by name."""
        ops = {node.name: node.op_as(Affine) for node in self.maps}
        return {name: (entries(op.weight), op.bias) for name, op in ops.items()}

    @property
    def potentials(self) -> Array:
        """Initial potentials ``(units,)``; zeros where nothing integrates."""
        if isinstance(self.end.op, IF):
            return potentials(self.end)
        return np.zeros(self.end.op_as(Affine).bias.size)

    def arriving(self, points: Array) -> Arriving:
        """What arrives at points ``(samples, columns)``, step by step."""
        wanted = dict.fromkeys(operand for node in self.maps for operand in node.operands)
        inputs = self.graph.bind(points)
        found = {node: inputs[node.name] for node in wanted if node.name in inputs}
        seen: dict[Node, list[Array]] = {node: [] for node in wanted if node not in found}

        def keep(step: int, node: Node, value: Array) -> None:
            if node in seen:
                spikes = isinstance(node.op, Neuron)
                seen[node].append(value.astype(np.int8) if spikes else value)

        if seen:
            evaluate(replace(self.graph, outputs=tuple(seen)), inputs, keep)
        for node, values in seen.items():
            found[node] = np.stack(values) if isinstance(node.op, Neuron) else values[-1]
        return found

    def wanted(self, source: Graph, points: Array) -> Array:
        """The network's value of this layer, ``(samples, units)``.

        Of units that count ramps of an activation, their ramps of its input in the network.
        """
        if not (isinstance(self.end.op, IF) and self.fixed):
            return trace(source, source.bind(points), {self.end.name})[self.end.name]
        z = self.wanted_current(source, points) + self.end.op.bias
        return np.asarray(np.clip(z, 0.0, self.end.op.threshold))

    def wanted_current(self, source: Graph, points: Array) -> Array:
        """Current into the population, or value that leaves, in the network."""
        values = trace(source, source.bind(points), {node.name for node in self.maps})
        return self.current(run_maps(self.fixed, {}, {n: values[n.name] for n in self.maps}))

    def run(self, parameters: Parameters, values: Mapping[Node, Array]) -> Run:
        """The layer's maps on values that arrive."""
        return run_maps((*self.maps, *self.fixed), parameters, values)

    def current(self, run: Run) -> Array:
        """Current into the population, or value that leaves."""
        if not isinstance(self.end.op, IF):
            return run.values[self.end]
        return add([run.values[operand] for operand in self.end.operands if operand in run.values])

    def derivatives(self, run: Run, by: Array) -> Parameters:
        """Derivatives of a loss by the parameters, from those by :meth:`current`."""
        ends = self.end.operands if isinstance(self.end.op, IF) else (self.end,)
        return run.derivatives(run.sweep(dict.fromkeys(ends, by)), self.parameters)

    def simulate(self, parameters: Parameters, potentials: Array, arriving: Arriving) -> Array:
        """Mean over the steps of what the layer gives, ``(samples, units)``.

        Of a population that is its spikes times its threshold.
        """
        neuron, steps = self.end.op, self.graph.steps
        if not isinstance(neuron, IF):
            means = {node: mean_over_steps(values) for node, values in arriving.items()}
            return self.current(self.run(parameters, means))
        constant = {node: values for node, values in arriving.items() if values.ndim == 2}
        samples = next(v.shape[-2] for v in arriving.values())
        state, fired = neuron.initial_state(samples), np.zeros((samples, neuron.units))
        current = np.zeros(0)
        for step in range(steps):
            if not step or len(constant) < len(arriving):
                now = {n: v if n in constant else v[step] for n, v in arriving.items()}
                current = self.current(self.run(parameters, now))
            first = current + potentials if step == 0 else current
            spikes, state = neuron.step(state, first)
            fired += spikes
        return fired * (neuron.threshold / steps)

    def corrected_potentials(
        self,
        parameters: Parameters,
        arriving: Arriving,
        wanted: Array,
        measure: Callable[[Array], Array],
    ) -> Array:
        """Initial potentials that make up for the mean difference, ``(units,)``.

        Args:
            parameters: Of :attr:`parameters`.
            arriving: From :meth:`arriving`.
            wanted: From :meth:`wanted`.
            measure: Of errors ``(samples, units)``, how bad each unit is; where a unit would not
                get better, its potential stays.
        """
        errors = self.simulate(parameters, self.potentials, arriving) - wanted
        moved = self.potentials - self.graph.steps * errors.mean(axis=0)
        after = self.simulate(parameters, moved, arriving) - wanted
        return np.where(measure(after) < measure(errors), moved, self.potentials)


def spiking_layer(graph: Graph, name: str, source: Graph) -> SpikingLayer | None:
    """The layer that ends in the node of that name; None if the source network has none such."""
    end = graph.node(name)
    known = {n.name for n in source.nodes if n.in_core and isinstance(n.op, Affine | Activation)}
    neurons = isinstance(end.op, IF)
    if name not in known or not (neurons or (isinstance(end.op, Affine) and graph.leaves(end))):
        return None
    start = f"{name}{START}"
    found: dict[Node, None] = {}
    todo = [o for o in end.operands if o.name != start] if neurons else [end]
    while todo:
        node = todo.pop()
        found[node] = None
        todo += [o for o in node.operands if o.in_core and isinstance(o.op, Affine)]
    order = [node for node in graph.nodes if node in found]
    maps = tuple(n for n in order if not any(o in found for o in n.operands))
    if not all(node.name in known for node in maps):
        return None
    return SpikingLayer(graph, end, maps, tuple(n for n in order if n not in maps))


def check_rate_program(current: Pass, graph: Graph, source: Graph) -> None:
    """Refuse what a calibration pass cannot look at layer by layer.

    Raises:
        PipelineError: For a lowered population program, whose maps are split over populations; and
            for a rate program whose signed neurons were split.
    """
    if graph.read_out == "last":
        hint = "run it before lower: the program equals its staircase network"
        raise current.refusal("cannot correct a population program", hint)
    known = {node.name for node in source.nodes}
    for node in graph.nodes:
        if isinstance(node.op, IF) and node.op.feedback is not None and node.name in known:
            problem = f"cannot correct {node.name!r}, whose signed neurons were split"
            raise current.refusal(problem, "run it before split-signs and legalise")
