"""What all codings share: walk the core, put populations in place of staircases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pinnir.ir import Affine, Array, Graph, Level, Node, Staircase
from pinnir.matrix import BlockDiagonal, compose, dense


@dataclass(frozen=True, eq=False)
class Population:
    """A neuron population that speaks for some neurons of a staircase.

    Attributes:
        node: The population.
        neurons: Which neurons of the staircase it speaks for.
        decode: Value that one spike of each unit adds, blocks ``(neurons, 1, units each)``.
    """

    node: Node
    neurons: slice
    decode: BlockDiagonal


@dataclass(frozen=True, eq=False)
class Spiking:
    """A staircase in spikes: its value is ``silent`` plus what the populations' spikes add.

    Attributes:
        populations: In the order their spikes are summed.
        silent: Value of each neuron without any spike, ``(neurons,)``.
    """

    populations: tuple[Population, ...]
    silent: Array


# (staircase node, nodes whose sum is its pre-activation) -> its spiking form
Encoder = Callable[[Node, tuple[Node, ...]], Spiking]


def lower_core(graph: Graph, encode: Encoder, *, steps: int, read_out: str) -> Graph:
    """Put spikes in place of every staircase of the core.

    Each affine map that reads a staircase becomes one dense map of synapses per population; the
    maps are summed where they are used. A sum that leaves the core gets a read-out node.

    Args:
        graph: Staircase graph.
        encode: Gives the populations of one staircase.
        steps: Time steps of the spiking graph.
        read_out: ``last`` or ``mean``.
    """
    parts: dict[Node, tuple[Node, ...]] = {}
    spiking: dict[Node, Spiking] = {}
    for node in graph.nodes:
        sources = tuple(part for o in node.operands if o in parts for part in parts[o])
        if isinstance(node.op, Staircase):
            spiking[node] = encode(node, sources)
        elif node.in_core and node.operands[0] in spiking:
            maps = _synapses(node, spiking[node.operands[0]])
            parts[node] = (_read_out(node, maps),) if graph.leaves(node) else maps
        else:
            parts[node] = (node.with_operands(*sources),)
    inputs = tuple(parts[node][0] for node in graph.inputs)
    outputs = tuple(parts[node][0] for node in graph.outputs)
    return replace(
        graph, level=Level.SPIKING, inputs=inputs, outputs=outputs, steps=steps, read_out=read_out
    )


def _synapses(node: Node, layer: Spiking) -> tuple[Node, ...]:
    """The affine map ``node`` fed by spikes: a dense map from each population."""
    assert isinstance(node.op, Affine)
    weight = dense(node.op.weight)
    bias = node.op.bias + weight @ layer.silent
    maps: list[Node] = []
    for population in layer.populations:
        synapses = Affine(compose(weight[:, population.neurons], population.decode), bias)
        name = node.name if len(layer.populations) == 1 else f"{node.name}_{population.node.name}"
        maps.append(Node(name, synapses, (population.node,), node.segment))
        bias = np.zeros_like(bias)
    return tuple(maps)


def _read_out(node: Node, maps: tuple[Node, ...]) -> Node:
    if len(maps) == 1:
        return maps[0]
    columns = len(np.atleast_1d(_bias(maps[0])))
    identity = BlockDiagonal(np.ones((columns, 1, 1)))
    return Node(node.name, Affine(identity, np.zeros(columns)), maps, node.segment)


def _bias(node: Node) -> Array:
    assert isinstance(node.op, Affine)
    return node.op.bias


def upper_bounds(graph: Graph, first_inputs: dict[str, Array]) -> dict[str, Array]:
    """A value that each pre-activation of the core never exceeds, by affine node name.

    Behind a staircase it follows from the staircase's range. For the first map of the core it is
    the largest value in ``first_inputs`` widened by the range of the values.
    """
    spans: dict[str, tuple[Array, Array]] = {}
    for node in graph.nodes:
        if not (node.in_core and isinstance(node.op, Affine)):
            continue
        source, previous = node.operands[0].name, node.operands[0].op
        if isinstance(previous, Staircase):
            ends = previous.level_table
            low = previous.base + previous.step * ends.min(axis=1)
            high = previous.base + previous.step * ends.max(axis=1)
            spans[node.name] = _image(node.op, low, high)
        elif source in spans:
            spans[node.name] = _image(node.op, *spans[source])
        elif node.name in first_inputs:
            z = first_inputs[node.name]
            width = np.ptp(z, axis=0)
            spans[node.name] = z.min(axis=0) - width, z.max(axis=0) + width
    return {name: high for name, (_, high) in spans.items()}


def _image(op: Affine, low: Array, high: Array) -> tuple[Array, Array]:
    """Bounds of an affine map's values from those of its input."""
    weight = dense(op.weight)
    rising, falling = np.maximum(weight, 0), np.minimum(weight, 0)
    return rising @ low + falling @ high + op.bias, rising @ high + falling @ low + op.bias
