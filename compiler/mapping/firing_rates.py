"""How often units of a graph fire: mean spikes per inference, measured on calibration points.

Of streamed forms these are events per point of lines through the domain (``line_points.py``), of
separable networks spikes per sample of each population's own axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph, Level, Node, Staircase
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import Delta, Phase
from pinnir.neurons.phase import weight
from pinnir.neurons.programmable import LevelNeuron
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context
from pinnir.points.line_points import line_points
from pinnir.points.streaming_order import along_curve

# Points, and lines of points of a streamed program, that are run: powers of two, so that sums of
# mean spikes are exact, and a placement does not depend on the order in which they are added.
POINTS, LINES = 256, 16


def graph_rates(graph: Graph, context: Context) -> dict[str, Array]:
    """Mean spikes of every unit of a spiking graph on calibration points, by population.

    Args:
        graph: The graph; of its streamed form, if it has one, events are counted.
        context: Of the compilation. Without a domain, points are streamed as they come.
    """
    if graph.streamed is not None:
        return _streamed_rates(graph.streamed, context)
    counter = SpikeCounter()
    rows = np.linspace(0, len(context.calibration) - 1, min(POINTS, len(context.calibration)))
    points = graph.bind(context.calibration[rows.astype(int)])
    samples: dict[str, int] = {}

    def count(step: int, node: Node, value: Array) -> None:
        counter(step, node, value)
        samples[node.name] = len(value)

    evaluate(graph, points, count)
    return {name: spikes / samples[name] for name, spikes in counter.spikes.items()}


def _streamed_rates(graph: Graph, context: Context) -> dict[str, Array]:
    """Events per point; hysteresis is not counted, which makes them fewer."""
    points = _streamed_points(context)
    neurons = {n.name: n.op for n in graph.nodes if isinstance(n.op, LevelNeuron)}
    found: dict[str, Array] = {}

    def count(step: int, node: Node, value: Array) -> None:
        if node.name in neurons:
            sent = _events(neurons[node.name], value.astype(np.int64))
            found[node.name] = sent.sum(axis=0) / len(value)

    levels = graph.rewrite(_giving_levels, level=Level.STAIRCASE)
    evaluate(levels, levels.bind(points), count)
    return found


def _streamed_points(context: Context) -> Array | tuple[Array, ...]:
    domain = context.domain
    if domain is None:
        return context.calibration[:POINTS]
    points = line_points(domain, LINES, context.seed)
    if domain.axis_count == 1:
        return points
    tables = enumerate(domain.tables(points))
    return tuple(table[along_curve(table, domain.part(axis))] for axis, table in tables)


def _giving_levels(node: Node) -> Node:
    """Streamed neurons send their levels, and maps behind them add these up."""
    if not isinstance(node.op, LevelNeuron):
        return node
    op = node.op.staircase
    zeros = np.zeros_like(op.base)
    return node.with_op(Staircase(op.boundaries, op.directions, op.start, zeros, zeros + 1.0))


def _events(op: LevelNeuron, levels: NDArray[np.int64]) -> Array:
    """Events of each point, ``(points, neurons)``, for levels one after the other."""
    if isinstance(op, Phase):
        return weight(levels).astype(np.float64)
    assert isinstance(op, Delta)
    return op.events(np.diff(levels, axis=0, prepend=0).astype(np.float64))
