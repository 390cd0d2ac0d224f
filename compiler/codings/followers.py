"""Neurons that follow the activations of a tensor graph: sign-gradient coding's lowering."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import apply_activation, preactivations
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Primitive, Scheduled
from pinnir.ir.names import Names
from pinnir.neurons import SignGradient
from pinnir.numerics.matrix import Array, BlockDiagonal, apply, dense
from pinnir.numerics.step_schedules import Schedule

# How far ranges of values and arguments reach beyond the calibration points, as a share of their
# width. An argument never loses its sign, so that roots and quotients stay what they are.
_VALUE_MARGIN, _ARGUMENT_MARGIN = 0.05, 0.25

Scale = Literal["neuron", "none"]


@dataclass(frozen=True, eq=False)
class Range:
    """What a layer's values were on the calibration points, with a margin.

    Attributes:
        arguments: Lower and upper end of its activation's arguments, ``(arguments x neurons,)``.
        middle: Middle of its values, ``(neurons,)``.
        half: Half their width.
    """

    arguments: tuple[Array, Array]
    middle: Array
    half: Array


@dataclass(frozen=True, eq=False)
class Layers:
    """A tensor graph whose cores hold maps and activations only, ready to be lowered.

    Attributes:
        graph: The graph after ``gather-synapses``.
        calibration: Points, ``(samples, columns)``.
        scale: Of steps and starting points, see case 1.
    """

    graph: Graph
    calibration: Array
    scale: Scale = "neuron"

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """Ranges of all activations of the cores, by name."""
        values = preactivations(self.graph, self.graph.bind(self.calibration))
        ops = {n.name: n.op for n in self.graph.nodes if isinstance(n.op, Activation)}
        return {name: self._range(ops[name], z) for name, z in values.items()}

    def _range(self, op: Activation, z: Array) -> Range:
        low, high = _widened(z, _ARGUMENT_MARGIN)
        low = np.where(z.min(axis=0) > 0, np.maximum(low, z.min(axis=0) / 2), low)
        high = np.where(z.max(axis=0) < 0, np.minimum(high, z.max(axis=0) / 2), high)
        bottom, top = _widened(apply_activation(op, z), _VALUE_MARGIN)
        return Range((low, high), (bottom + top) / 2, (top - bottom) / 2)

    @cached_property
    def depths(self) -> dict[Node, int]:
        """How many layers of the same core come before each activation."""
        found: dict[Node, int] = {}
        reached: dict[Node, int] = {}
        for node in self.graph.nodes:
            before = [reached[o] for o in node.operands if o.segment == node.segment]
            reached[node] = max(before, default=0)
            if node.in_core and isinstance(node.op, Activation):
                found[node] = reached[node]
                reached[node] += 1
        return found

    def lower(self, schedule: Schedule, steps: int) -> Graph:
        """The spiking graph.

        Raises:
            LegalizeError: If the schedule does not reach a neuron's range.
        """
        return _Lowering(self, schedule, steps).graph()

    def start(self, name: str) -> tuple[Array, Array]:
        """``y`` before the first step and the scale of steps of a layer's neurons."""
        found = self.ranges[name]
        if self.scale == "none":
            return np.zeros_like(found.middle), np.ones_like(found.half)
        return found.middle, found.half


def _widened(values: Array, margin: float) -> tuple[Array, Array]:
    low, high = values.min(axis=0), values.max(axis=0)
    reach = margin * (high - low)
    return low - reach, high + reach


@dataclass(frozen=True, eq=False)
class _Lowering:
    """One schedule put into a graph."""

    layers: Layers
    schedule: Schedule
    steps: int

    def graph(self) -> Graph:
        """The spiking graph."""
        source = self.layers.graph
        new: dict[Node, Node] = {}
        for node in source.nodes:
            operands = tuple(new[operand] for operand in node.operands)
            if not node.in_core:
                new[node] = node.with_operands(*operands)
            elif isinstance(node.op, Activation):
                new[node] = Node(node.name, self._neurons(node), operands, node.segment)
            else:
                new[node] = Node(node.name, self._synapses(node), operands, node.segment)
        return source.replaced(new, level=Level.SPIKING, steps=self.steps, read_out="mean")

    def _rates(self, node: Node) -> Array:
        return self.schedule.rates(self.steps, self.layers.depths[node])

    def _neurons(self, node: Node) -> SignGradient:
        found, rates = self.layers.ranges[node.name], self._rates(node)
        estimate, scale = self.layers.start(node.name)
        farthest = np.abs(found.middle - estimate) + found.half
        self._check_reach(node, rates, scale, farthest)
        potential = sum(self._constant(operand) for operand in node.operands)
        return SignGradient(
            node.op_as(Activation), rates, scale, *found.arguments, np.asarray(potential), estimate
        )

    def _check_reach(self, node: Node, rates: Array, scale: Array, farthest: Array) -> None:
        reach = scale * rates.sum()
        short = reach < farthest * (1 - 1e-9)
        if short.any():
            worst = int(np.argmax(farthest - reach))
            raise node.error(
                LegalizeError,
                f"the schedule ({self.schedule}) cannot reach the range of {int(short.sum())} of "
                f"{short.size} neurons: in {self.steps} steps a neuron moves by up to "
                f"{reach[worst]:.3g}, and its values lie up to {farthest[worst]:.3g} away",
                "give longer steps (eta), a slower decay, fewer steps between layers (delay), "
                "or more steps",
            )

    def _constant(self, node: Node) -> Array:
        """What a map gives before the first step: its bias, and what it makes of ``y`` then."""
        op, source = node.op_as(Affine), node.operands[0]
        if not _is_layer(source, node):
            return op.bias
        return apply(op.weight, self.layers.start(source.name)[0]) + op.bias

    def _synapses(self, node: Node) -> Affine:
        op, source, graph = node.op_as(Affine), node.operands[0], self.layers.graph
        into_neurons = any(_is_layer(user, node) for user in graph.users[node])
        assert not (into_neurons and graph.leaves(node)), node
        if not _is_layer(source, node):
            return _once(op, self.steps) if into_neurons else op
        # A spike takes 2 eta_t c away from what its absence leaves.
        weight = dense(op.weight) * (2 * self.layers.start(source.name)[1])
        rates = -self._rates(source)
        if into_neurons:
            return Scheduled(weight, np.zeros(len(weight)), rates, centre=0.5)
        # The mean over the steps of what leaves is the value after the last one.
        return Scheduled(weight, self._constant(node), rates * self.steps, centre=0.5)


def _is_layer(node: Node, other: Node) -> bool:
    """Whether a node becomes neurons of the core of another; the host has activations as well."""
    return node.segment == other.segment and isinstance(node.op, Activation)


def _once(op: Affine, steps: int) -> Scheduled:
    """Case 3: an analog value, which arrives in the first step."""
    gains = np.zeros(steps)
    gains[0] = 1.0
    return Scheduled(op.weight, np.zeros_like(op.bias), gains)


def with_input_neurons(graph: Graph) -> Graph:
    """The same graph with neurons that follow every value that enters a core."""
    followed: dict[tuple[Node, str], Node] = {}
    names = Names.of(graph)

    def change(node: Node) -> Node:
        if not (node.in_core and isinstance(node.op, Affine)):
            return node
        (source, *others) = node.operands
        if others or source.segment == node.segment:
            return node
        key = (source, node.segment)
        if key not in followed:
            followed[key] = _follower(source, node, names)
        return node.with_operands(followed[key])

    return graph.rewrite(change)


def _follower(source: Node, user: Node, names: Names) -> Node:
    columns = user.op_as(Affine).weight.shape[1]
    one = Affine(BlockDiagonal(np.ones((columns, 1, 1))), np.zeros(columns))
    entry = Node(names.fresh(f"{source.name}:{user.segment}"), one, (source,), user.segment)
    z = Node("z", Input(columns))
    body = Graph(Level.TENSOR, (z,), (Node("y", Primitive("Identity"), (z,)),))
    name = names.fresh(f"{entry.name}:spikes")
    return Node(name, Activation("identity", body=body), (entry,), user.segment)
