"""What all codings share: walk the core, put populations in place of staircases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import add, trace
from pinnir.ir.graph import Affine, Graph, Level, Node, Staircase
from pinnir.ir.names import Names
from pinnir.numerics.matrix import (
    Array,
    BlockDiagonal,
    Decoded,
    Matrix,
    apply,
    dense,
    product,
    scaled,
)


@dataclass(frozen=True, eq=False)
class Population:
    """A neuron population that speaks for some neurons of a staircase.

    Attributes:
        node: The population.
        neurons: Which neurons of the staircase it speaks for.
        levels: How many steps one spike of each unit adds to its neuron's value,
            ``(neurons, units each)``.
        step: Size of a step, ``(neurons,)``.
    """

    node: Node
    neurons: NDArray[np.intp]
    levels: Array
    step: Array


@dataclass(frozen=True, eq=False)
class Spiking:
    """A staircase in spikes: its value is ``silent`` plus what the populations' spikes add.

    Attributes:
        populations: In the order their spikes are summed.
        silent: Value of each neuron without any spike, ``(neurons,)``.
    """

    populations: tuple[Population, ...]
    silent: Array


# (staircase node, nodes whose sum is its pre-activation, names of new nodes) -> its spiking form
Encoder = Callable[[Node, tuple[Node, ...], Names], Spiking]


def lower_core(graph: Graph, encode: Encoder, *, steps: int, read_out: str) -> Graph:
    """Put spikes in place of every staircase of the core.

    Each affine map that reads a staircase becomes one map of synapses per population: a sum of
    the levels of each neuron's units, and a dense map of these. The maps are summed where they are
    used. A sum that leaves the core gets a read-out node.

    Args:
        graph: Staircase graph.
        encode: Gives the populations of one staircase.
        steps: Time steps of the spiking graph.
        read_out: ``last`` or ``mean``.
    """
    parts: dict[Node, tuple[Node, ...]] = {}
    spiking: dict[Node, Spiking] = {}
    names = Names.of(graph)
    for node in graph.nodes:
        sources = tuple(part for o in node.operands if o in parts for part in parts[o])
        if isinstance(node.op, Staircase):
            spiking[node] = encode(node, sources, names)
        elif node.in_core and node.operands[0] in spiking:
            maps = _synapses(node, spiking[node.operands[0]], names)
            parts[node] = (_read_out(node, maps),) if graph.leaves(node) else maps
        else:
            parts[node] = (node.with_operands(*sources),)
    ends = {node: own[0] for node, own in parts.items()}
    return graph.replaced(ends, level=Level.SPIKING, steps=steps, read_out=read_out)


def _synapses(node: Node, layer: Spiking, names: Names) -> tuple[Node, ...]:
    """The affine map ``node`` fed by spikes: a map from each population."""
    op = node.op_as(Affine)
    bias = op.bias + apply(op.weight, layer.silent)
    maps: list[Node] = []
    by_level: dict[int, Matrix] = {}
    for population in layer.populations:
        # Populations of the same neurons share the map of their levels.
        group = id(population.neurons)
        if group not in by_level:
            columns = _columns(op.weight, population.neurons)
            by_level[group] = scaled(columns, np.ones(len(op.bias)), population.step)
        synapses = Affine(_on_spikes(by_level[group], population.levels), bias)
        name = node.name
        if len(layer.populations) > 1:
            name = names.fresh(f"{name}_{population.node.name}")
        maps.append(Node(name, synapses, (population.node,), node.segment))
        bias = np.zeros_like(bias)
    return tuple(maps)


def _on_spikes(weight: Matrix, levels: Array) -> Matrix:
    """A map of levels as a map of the spikes that add up to them."""
    if isinstance(weight, np.ndarray) and levels.shape[1] > 1:
        return Decoded(weight, levels)
    return product(weight, BlockDiagonal(levels[:, None, :]))


def _columns(weight: Matrix, picked: NDArray[np.intp]) -> Matrix:
    """Some columns of a weight; all of them in their order leave its blocks as they are."""
    if isinstance(weight, BlockDiagonal) and np.array_equal(picked, np.arange(weight.shape[1])):
        return weight
    # In the order in memory that a file gives it: sums then round alike.
    return np.ascontiguousarray(dense(weight)[:, picked])


def _read_out(node: Node, maps: tuple[Node, ...]) -> Node:
    if len(maps) == 1:
        return maps[0]
    columns = maps[0].op_as(Affine).bias.size
    identity = BlockDiagonal(np.ones((columns, 1, 1)))
    return Node(node.name, Affine(identity, np.zeros(columns)), maps, node.segment)


def upper_bounds(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """A value that each staircase's pre-activations never exceed, by the staircase's name.

    What comes from a staircase follows from that staircase's range. What comes from values that
    enter the core is the largest seen, widened by the range of the values.

    Args:
        graph: Staircase graph.
        inputs: Value of each input on calibration points, by name.
    """
    layers = [node for node in graph.nodes if isinstance(node.op, Staircase)]
    maps = {operand for node in layers for operand in node.operands}
    entering = {node.name for node in maps if not isinstance(node.operands[0].op, Staircase)}
    seen = trace(graph, inputs, entering)
    highest: dict[Node, Array] = {}
    for node in maps:
        previous = node.operands[0].op
        if isinstance(previous, Staircase):
            ends = previous.level_table
            low = previous.base + previous.step * ends.min(axis=1)
            high = previous.base + previous.step * ends.max(axis=1)
            highest[node] = _largest(node.op_as(Affine), low, high)
        else:
            z = seen[node.name]
            highest[node] = z.max(axis=0) + np.ptp(z, axis=0)
    return {node.name: add([highest[operand] for operand in node.operands]) for node in layers}


def _largest(op: Affine, low: Array, high: Array) -> Array:
    """Upper bound of an affine map's values from bounds of its input."""
    weight = dense(op.weight)
    return np.asarray(np.maximum(weight, 0) @ high + np.minimum(weight, 0) @ low + op.bias)
