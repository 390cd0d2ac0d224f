"""Compute an error budget: local errors of the layers, and what they do to the outputs.

A layer is an activation of the source network. Between the maps that feed it and those that read
it the program has something else: a staircase, ramps, neurons that fire over time. So all is
measured at the maps, which keep their names on the way, as means over the time steps: what a map
gives, minus what it would give if the activation were exact for the mean input that it really got,
is the error that the layer adds. Corrections of the reading maps (``refit``, ``calibrate-light``)
are part of it. Derivatives are differences in the direction of that error, through host parts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinnir.diagnosis.error_budget import Budget, LayerErrors
from pinnir.diagnosis.observed_layers import ObservedLayers, cut
from pinnir.diagnosis.sensitivity import sensitivities
from pinnir.ir.evaluate import compute_node, evaluate, trace
from pinnir.ir.graph import Activation, Affine, Graph, Neuron, Node
from pinnir.ir.sample_axes import Layout, layouts, side_by_side
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import Array, dense

# Step of differences, relative to the largest of the values that are changed.
_STEP = 1e-4
# Points that derivatives by single neurons are averaged over, of several sample axes: all
# combinations of fewer samples.
_COMBINATIONS = 2**12

_TRAINED = (
    "the maps were trained end to end, and no layer is meant to give what the network's gives"
)

Values = dict[str, Array]


def error_budget(
    observed: ObservedLayers, source: Graph, points: Array | tuple[Array, ...]
) -> Budget:
    """The error budget of a compilation.

    Args:
        observed: What was seen of it.
        source: The source network after ``gather-synapses``.
        points: ``(samples, columns)``; or one table for each sample axis.
    """
    comparison = _Comparison(observed, source, points)
    reason = _incomparable(observed)
    return comparison.budget() if reason is None else comparison.without_layers(reason)


def _incomparable(observed: ObservedLayers) -> str | None:
    """Why the layers of the program cannot be compared with those of the network, if so."""
    there = {node.name: node.op for node in observed.converted.nodes}
    graph = observed.reference
    for node in _core_nodes(graph):
        op, made = node.op, there.get(node.name)
        if isinstance(op, Activation):
            around = (*node.operands, *graph.users[node])
            plain = all(isinstance(one.op, Affine) and one.in_core for one in around)
            if not plain or not observed.can_read(node):
                return f"the pipeline leaves nothing that stands for {node.name} alone"
        elif isinstance(op, Affine):
            if not isinstance(made, Affine) or made.bias.size != op.bias.size:
                return f"the pipeline leaves nothing that stands for the map {node.name}"
            if len(node.operands) > 1 and any(_is_layer(o) for o in node.operands):
                return f"the map {node.name} reads several layers at once"
            enters = not any(operand.in_core for operand in node.operands)
            if enters and not _same(dense(made.weight), dense(op.weight)):
                return _TRAINED
    return None


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9)


def _core_nodes(graph: Graph) -> list[Node]:
    return [node for nodes in graph.segments.values() for node in nodes if node.in_core]


def _is_layer(node: Node) -> bool:
    return node.in_core and isinstance(node.op, Activation)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """A program's layers next to the network's, on some points.

    Attributes:
        observed: What was seen of the compilation.
        source: The source network.
        points: One table, or one for each sample axis.
    """

    observed: ObservedLayers
    source: Graph
    points: Array | tuple[Array, ...]

    @cached_property
    def _inputs(self) -> Values:
        """The model's inputs."""
        return self.source.bind(self.points)

    @cached_property
    def _shapes(self) -> list[Layout]:
        known = layouts(self.source)
        return [known[node] for node in self.source.outputs]

    @cached_property
    def _truth(self) -> Array:
        """The source network's outputs."""
        return self._of(self.source)

    def _of(self, graph: Graph, given: Mapping[str, Array] | None = None) -> Array:
        """All outputs, ``(points, outputs)``, with these values in place of the computed ones."""
        part = cut(graph, given or {}, [node.name for node in graph.outputs])
        return self._side_by_side(evaluate(part, self._inputs | dict(given or {})))

    def _side_by_side(self, values: Iterable[Array]) -> Array:
        """Values of the outputs as ``(points, outputs)``."""
        tables = self.points if isinstance(self.points, tuple) else (self.points,)
        grid = side_by_side(values, self._shapes, tuple(len(table) for table in tables))
        return grid.reshape(-1, grid.shape[-1])

    @property
    def _graph(self) -> Graph:
        """The network that layers are compared with."""
        return self.observed.reference

    @cached_property
    def _layers(self) -> list[Node]:
        return [node for node in _core_nodes(self._graph) if _is_layer(node)]

    @cached_property
    def _maps(self) -> list[Node]:
        return [node for node in _core_nodes(self._graph) if isinstance(node.op, Affine)]

    @cached_property
    def _exact(self) -> Values:
        """The network's values."""
        return self._traced(self._graph)

    @cached_property
    def _made(self) -> Values:
        """The program's values, means over the time steps."""
        return self._traced(self.observed.converted)

    def _traced(self, graph: Graph) -> Values:
        """Values of layers, populations, maps, what enters, and outputs; means over the steps."""
        names = {one.name for node in self._maps for one in (node, *node.operands)}
        names |= {node.name for node in graph.nodes if isinstance(node.op, Neuron)}
        names |= {node.name for node in graph.outputs}
        return self._inputs | trace(graph, self._inputs, names)

    @cached_property
    def _few(self) -> Array:
        """Points ``(samples, columns)`` for derivatives: of several axes, few samples of each."""
        tables = [self._inputs[node.name] for node in self._graph.inputs]
        count = min(len(table) for table in tables)
        if isinstance(self.points, tuple):
            count = min(count, round(_COMBINATIONS ** (1 / len(self.points))))
        return np.concatenate([table[:count] for table in tables], axis=1)

    @cached_property
    def _outputs(self) -> Array:
        """The outputs of the network that layers are compared with."""
        return self._side_by_side([self._exact[o.name] for o in self._graph.outputs])

    @cached_property
    def _size(self) -> float:
        """Norm of the source network's outputs."""
        return float(np.linalg.norm(self._truth)) or 1.0

    def without_layers(self, reason: str) -> Budget:
        """Where layers cannot be compared."""
        measured = relative_l2(self._of(self.observed.converted), self._truth)
        return Budget(
            points=len(self._truth),
            measured=measured,
            retrained=0.0,
            maps=0.0,
            together=0.0,
            layers=(),
            incomparable=reason,
        )

    def budget(self) -> Budget:
        """All of it."""
        made = self._side_by_side([self._made[o.name] for o in self._graph.outputs])
        weights = sensitivities(self._graph, self._few)
        moved = {node: self._moved(self._readers(node)) for node in self._layers}
        by_maps = self._moved(
            node for node in self._maps if not any(_is_layer(operand) for operand in node.operands)
        )
        retrained = self._outputs - self._truth
        together = sum(moved.values(), by_maps + retrained)
        return Budget(
            points=len(self._truth),
            measured=relative_l2(made, self._truth),
            retrained=self._norm(retrained),
            maps=self._norm(by_maps),
            together=self._norm(together),
            layers=tuple(self._layer(node, weights, moved[node]) for node in self._layers),
            incomparable=None,
        )

    def _layer(self, node: Node, weights: Mapping[str, Array], moved: Array) -> LayerErrors:
        levels = self.observed.staircases[node.name].level_table
        activation = self._activation(node)
        error = self.observed.read(node.name, self._made) - activation
        weight = weights.get(node.name, np.zeros(error.shape[1]))
        spread = np.sqrt((error**2).mean(axis=0))
        size = float(np.sqrt((self._truth**2).sum() / len(self._truth))) or 1.0
        alone = self._of(self._graph, self._converted_alone(node))
        without = self._of(self.observed.converted, self._exact_alone(node))
        return LayerErrors(
            name=node.name,
            core=node.segment,
            neurons=error.shape[1],
            units=self.observed.units_of(node.name),
            levels=float((levels.max(axis=1) - levels.min(axis=1)).sum() / error.shape[1] + 1),
            activation=_rms(activation),
            local_error=_rms(error),
            weight=_rms(weight),
            predicted=self._norm(moved),
            independent=float(np.linalg.norm(weight * spread)),
            identity=float(np.linalg.norm(spread)) / size,
            alone=self._norm(alone - self._outputs),
            without=relative_l2(without, self._truth),
        )

    @cached_property
    def _errors(self) -> Values:
        """What every map adds to the error, given what really arrives at the layer it reads."""
        found: Values = {}
        for node in self._maps:
            arriving = {operand: self._arriving(operand) for operand in node.operands}
            found[node.name] = self._made[node.name] - compute_node(node, arriving)
        return found

    def _arriving(self, node: Node) -> Array:
        return self._activation(node) if _is_layer(node) else self._made[node.name]

    def _activation(self, node: Node) -> Array:
        """The exact activation of what arrives at a layer."""
        return compute_node(node, {operand: self._made[operand.name] for operand in node.operands})

    def _readers(self, node: Node) -> list[Node]:
        return [one for one in self._maps if node in one.operands]

    def _converted_alone(self, node: Node) -> Values:
        """What reads the layer, if the layer is converted and gets what the network gives it."""
        entering = {operand.name: self._exact[operand.name] for operand in node.operands}
        readers = [one.name for one in self._readers(node)]
        part = cut(self.observed.converted, entering, readers)
        return trace(part, self._inputs | entering, readers)

    def _exact_alone(self, node: Node) -> Values:
        """What reads the layer, if it is exact and gets what the program gives it."""
        names = [one.name for one in self._readers(node)]
        return {name: self._made[name] - self._errors[name] for name in names}

    def _moved(self, maps: Iterable[Node]) -> Array:
        """How errors of maps move the outputs, to first order: the derivative in their direction.

        ``(points, outputs)``.
        """
        errors = {node.name: self._errors[node.name] for node in maps}
        largest = max((float(np.abs(error).max()) for error in errors.values()), default=0.0)
        if largest == 0.0:
            return np.zeros_like(self._truth)
        size = max(float(np.abs(self._exact[name]).max()) for name in errors)
        step = _STEP * (size or 1.0) / largest
        changed = [
            {name: self._exact[name] + side * error for name, error in errors.items()}
            for side in (step, -step)
        ]
        up, down = (self._of(self._graph, values) for values in changed)
        return np.asarray((up - down) / (2 * step))

    def _norm(self, error: Array) -> float:
        return float(np.linalg.norm(error)) / self._size


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
