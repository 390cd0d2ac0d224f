"""Segments of a program: spiking cores and host parts, cut out of a legal spiking graph.

A core in a program has one input and one output, as a NIR graph that any reader runs: the values
that enter stand side by side in its input, those that leave in its output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pinnir.ir.graph import Affine, Constant, Graph, Input, Node
from pinnir.ir.sample_axes import Layout, columns_in
from pinnir.neurons import Programmable
from pinnir.numerics.matrix import BlockDiagonal, dense
from pinnir.program.host_parts import to_onnx
from pinnir.program.nir_graph import safe_names


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a program: a spiking core or a host part.

    Attributes:
        label: ``host.0``, ``core.1``, ...; segments run in this order.
        inputs: Names of the values it takes.
        outputs: Names of the values it gives.
        core: The spiking graph, if it is a core.
        host: The ONNX model, if it is a host part.
        streamed: The core as programmable neurons run it, of the codings that have no NIR form;
            ``core`` is then the population program that gives equal values, or values as close to
            the network; or None, if neurons are functions of several values.
    """

    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    core: Graph | None = None
    host: bytes | None = None
    streamed: Graph | None = None

    @property
    def running(self) -> Graph | None:
        """What runs, if it is a core."""
        return self.core if self.streamed is None else self.streamed


def build_segments(
    graph: Graph, dtype: str, layouts: Mapping[str, Layout]
) -> tuple[tuple[Segment, ...], dict[str, Layout]]:
    """Cut a legal spiking graph into segments.

    Args:
        graph: The graph.
        dtype: Of the host parts, ``float32`` or ``float64``.
        layouts: Of the values that enter or leave segments, by name.

    Returns:
        The segments, and the layouts of what they take and give.
    """
    names = program_names(graph)
    streamed_names = {} if graph.streamed is None else program_names(graph.streamed)
    found: list[Segment] = []
    for label, nodes in graph.segments.items():
        entering = _entering(nodes)
        leaving = tuple(node for node in nodes if graph.leaves(node))
        ports = tuple(n.name for n in entering), tuple(n.name for n in leaving)
        if nodes[0].in_core:
            core: Graph | None = _core(graph, label, ports, names, layouts)
            streamed = graph.streamed and _core(
                graph.streamed, label, ports, streamed_names, layouts
            )
            if any(isinstance(n.op, Programmable) and not n.op.in_nir for n in nodes):
                core, streamed = None, core
            found.append(Segment(label, *ports, core=core, streamed=streamed))
        else:
            shapes = {
                node.name: [dim if isinstance(dim, int) else None for dim in layouts[node.name]]
                for node in (*entering, *leaving)
            }
            host = to_onnx(nodes, entering, leaving, dtype, shapes)
            found.append(Segment(label, *ports, host=host))
    used = {name for one in found for name in (*one.inputs, *one.outputs)}
    used |= {node.name for node in (*graph.inputs, *graph.outputs)}
    return tuple(found), {name: layouts[name] for name in sorted(used)}


def program_names(graph: Graph) -> dict[str, str]:
    """What a program calls the nodes of a graph, by their names."""
    own = [node.name for nodes in graph.segments.values() for node in nodes]
    return safe_names([*own, *(f"{label}_joined" for label in graph.segments)])


def _entering(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    inside = set(nodes)
    operands = (operand for node in nodes for operand in node.operands)
    return tuple(
        dict.fromkeys(o for o in operands if o not in inside and not isinstance(o.op, Constant))
    )


def _core(
    graph: Graph,
    label: str,
    ports: tuple[tuple[str, ...], tuple[str, ...]],
    names: Mapping[str, str],
    layouts: Mapping[str, Layout],
) -> Graph:
    """A core as a graph of its own with one input and one output, under names that NIR accepts.

    Args:
        graph: That has it.
        label: Of its segment.
        ports: Names of the values that enter it, and of those that leave.
        names: By the names in ``graph``.
        layouts: Of the values that enter or leave.
    """
    nodes = graph.segments[label]
    entering, leaving = (tuple(graph.node(name) for name in side) for side in ports)
    into = _places([columns_in(layouts[node.name]) for node in entering])
    out_of = _places([columns_in(layouts[node.name]) for node in leaving])
    source = Node("input", Input(into[-1].stop))
    places = dict(zip(entering, into, strict=True))
    new: dict[Node, Node] = dict.fromkeys(entering, source)
    for node in nodes:
        op = node.op
        first = node.operands[0]
        if first in places and len(entering) > 1:
            assert isinstance(op, Affine)
            wide = np.zeros((op.bias.size, into[-1].stop))
            wide[:, places[first]] = dense(op.weight)
            op = replace(op, weight=wide)
        if node in leaving and len(leaving) > 1:
            assert isinstance(op, Affine)
            op = _placed(op, out_of[leaving.index(node)], out_of[-1].stop)
        operands = tuple(new[operand] for operand in node.operands)
        new[node] = Node(names[node.name], op, operands, node.segment)
    sink = new[leaving[0]]
    if len(leaving) > 1:
        join = Affine(BlockDiagonal(np.ones((out_of[-1].stop, 1, 1))), np.zeros(out_of[-1].stop))
        name = names[f"{nodes[0].segment}_joined"]
        sink = Node(name, join, tuple(new[node] for node in leaving), nodes[0].segment)
    return Graph(graph.level, (source,), (sink,), graph.steps, graph.read_out)


def _places(sizes: list[int]) -> list[slice]:
    """Consecutive slices of these sizes."""
    bounds = np.cumsum([0, *sizes]).tolist()
    return [slice(first, end) for first, end in pairwise(bounds)]


def _placed(op: Affine, place: slice, rows: int) -> Affine:
    """A map to one leaving value as a map to its place among all of them."""
    weight = dense(op.weight)
    tall, bias = np.zeros((rows, weight.shape[1])), np.zeros(rows)
    tall[place], bias[place] = weight, op.bias
    return replace(op, weight=tall, bias=bias)
