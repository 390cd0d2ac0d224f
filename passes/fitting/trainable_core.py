"""A core as something to train: what its neurons do forwards, and their slopes backwards.

Forwards runs what is asked for: exact activations, staircases, or the integrate-and-fire neurons
that rate coding puts in the staircases' place, whose values are means over T steps. Backwards, the
slope of a staircase is that of a line through its levels, as if the rounding were not there
(straight-through: Bengio et al., arXiv 1308.3432).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinnir.codings.rate import integrate_fire
from pinnir.diagnosis.derivatives import slope_of
from pinnir.ir.evaluate import add, apply_activation, trace
from pinnir.ir.graph import Activation, Affine, Graph, Node, Staircase
from pinnir.ir.sample_axes import axes_of, layouts
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, apply, entries
from pinnir.passes.fitting.runs import Run, maps_of
from pinnir.passes.fitting.staircase_tables import StaircaseTable

# Values of the widest layer that are simulated at a time: what a step writes stays in the cache.
_CACHED = 2**16


def core_labels(graph: Graph) -> tuple[str, ...]:
    """Labels of the cores of a tensor or staircase graph, in running order."""
    kinds = (Activation, Staircase)
    found = {n.segment for n in graph.nodes if n.in_core and isinstance(n.op, kinds)}
    return tuple(label for label in graph.segments if label in found)


@dataclass(frozen=True, eq=False)
class TrainableCore:
    """One core of a graph.

    Attributes:
        graph: A staircase graph; or a tensor graph after ``gather-synapses``.
        label: Of the core.
        names: Maps that may change, those that the source network has as well.
        steps: Time steps of the integrate-and-fire neurons that the staircases stand for; 0 runs
            the staircases.
    """

    graph: Graph
    label: str
    names: frozenset[str]
    steps: int = 0

    @classmethod
    def of(cls, graph: Graph, label: str, source: Graph, steps: int = 0) -> TrainableCore:
        """The core of that label: maps that the source network has as well may change."""
        here = {node.name for node in graph.segments[label] if isinstance(node.op, Affine)}
        there = {node.name for node in source.nodes if isinstance(node.op, Affine)}
        return cls(graph, label, frozenset(here & there), steps)

    def entering_values(self, points: Array) -> dict[Node, Array]:
        """Values that enter at points ``(samples, columns)``, from the parts before the core."""
        inputs = self.graph.bind(points)
        values = inputs | trace(self.graph, inputs, {node.name for node in self.entering})
        return {node: values[node.name] for node in self.entering}

    def thinned(self, points: Array) -> Array:
        """Fewer points, where the core runs at all combinations of several axes' samples."""
        axes = len(axes_of(layouts(self.graph)[self.nodes[0]]))
        return points if axes < 2 else points[: round(len(points) ** (1 / axes))]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The core's nodes in running order."""
        return self.graph.segments[self.label]

    @cached_property
    def leaving(self) -> tuple[Node, ...]:
        """Nodes whose values leave the core."""
        return tuple(node for node in self.nodes if self.graph.leaves(node))

    @cached_property
    def entering(self) -> tuple[Node, ...]:
        """Values of other segments that the core takes."""
        inside = set(self.nodes)
        found = [o for node in self.nodes for o in node.operands if o not in inside]
        return tuple(dict.fromkeys(found))

    @property
    def parameters(self) -> Parameters:
        """Weights and biases that may change, by the name of their map."""
        return {
            node.name: (entries(node.op.weight), node.op.bias)
            for node in self.nodes
            if isinstance(node.op, Affine) and node.name in self.names
        }

    @cached_property
    def _tables(self) -> dict[Node, StaircaseTable]:
        """The staircases, to be looked up."""
        return {n: StaircaseTable(n.op) for n in self.nodes if isinstance(n.op, Staircase)}

    def side_by_side(self, values: Mapping[Node, Array]) -> Array:
        """What leaves the core, ``(samples, columns)``."""
        return np.concatenate([values[node] for node in self.leaving], axis=1)

    def apart(self, leaving: Array) -> dict[Node, Array]:
        """The columns of each value that leaves, ``side_by_side`` undone."""
        widths = [node.op.bias.size for node in self.leaving if isinstance(node.op, Affine)]
        parts = np.split(leaving, np.cumsum(widths)[:-1], axis=1)
        return dict(zip(self.leaving, parts, strict=True))

    def forward(
        self, parameters: Parameters, entering: Mapping[Node, Array], until: Node | None = None
    ) -> Run:
        """Run the core.

        Args:
            parameters: Of :attr:`parameters`.
            entering: Values that enter, ``(samples, columns)``.
            until: Last node to run, if not all are wanted; slopes, which tell what a whole core
                makes of an error, are then left out.
        """
        nodes = self.nodes if until is None else self.nodes[: self.nodes.index(until) + 1]
        run = self.begun(parameters, entering, nodes)
        if self.steps:
            run.values.update(self._over_time(nodes, run.maps, entering))
            firing = [node for node in nodes if node not in run.maps] if until is None else []
            run.slopes.update({n: self._tables[n](run.arriving(n))[1] for n in firing})
            return run
        for node in nodes:
            if until is None and node not in run.maps:
                z = run.arriving(node)
                run.values[node], run.slopes[node] = self._with_slope(node, z)
            else:
                self.go_on(run, node)
        return run

    def begun(
        self, parameters: Parameters, entering: Mapping[Node, Array], nodes: tuple[Node, ...] = ()
    ) -> Run:
        """A run of the core, or of some of its nodes, of which nothing has run yet."""
        nodes = nodes or self.nodes
        return Run(nodes, maps_of(nodes, parameters), dict(entering))

    def go_on(self, run: Run, node: Node) -> None:
        """Compute the next node of a run without steps: its value alone."""
        if node in run.maps:
            run.compute(node)
        elif isinstance(node.op, Activation):
            run.values[node] = apply_activation(node.op, run.arriving(node))
        else:
            run.values[node] = node.op_as(Staircase)(run.arriving(node))

    def _with_slope(self, node: Node, z: Array) -> tuple[Array, Array]:
        if isinstance(node.op, Activation):
            value = apply_activation(node.op, z)
            return value, slope_of(node.op, z, value)
        return self._tables[node](z)

    def _over_time(
        self, nodes: Sequence[Node], maps: Mapping[Node, Affine], entering: Mapping[Node, Array]
    ) -> dict[Node, Array]:
        """Mean values of integrate-and-fire neurons, some samples after the others."""
        widest = max(len(op.bias) for op in maps.values())
        samples = len(next(iter(entering.values())))
        count = max(1, round(samples * widest / _CACHED))
        parts: list[dict[Node, Array]] = []
        for rows in np.array_split(np.arange(samples), count):
            some = {node: value[rows] for node, value in entering.items()}
            parts.append(self._simulated(nodes, maps, some))
        return {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}

    def _simulated(
        self, nodes: Sequence[Node], maps: Mapping[Node, Affine], entering: Mapping[Node, Array]
    ) -> dict[Node, Array]:
        """Mean values over the steps, as :mod:`pinnir.codings.rate` lowers staircases."""
        neurons = {n: integrate_fire(n, self.steps) for n in nodes if n not in maps}
        samples = len(next(iter(entering.values())))
        state = {node: neuron.initial_state(samples) for node, neuron in neurons.items()}
        for node, neuron in neurons.items():
            if neuron.rounds:
                state[node] = (state[node][0] + neuron.threshold / 2, state[node][1])
        constant = {n for n in maps if all(operand in entering for operand in n.operands)}
        now, total = dict(entering), dict[Node, Array]()
        for step in range(self.steps):
            for node in nodes:
                if step and node in constant:
                    continue
                current = add([now[operand] for operand in node.operands])
                if node in maps:
                    now[node] = apply(maps[node].weight, current) + maps[node].bias
                else:
                    op = node.op_as(Staircase)
                    spikes, state[node] = neurons[node].step(state[node], current)
                    now[node] = op.base + (op.step * self.steps) * spikes
                if node not in constant:
                    total[node] = total[node] + now[node] if step else now[node]
        for node in total:
            total[node] = total[node] / self.steps
        return total | dict(entering) | {node: now[node] for node in constant}
