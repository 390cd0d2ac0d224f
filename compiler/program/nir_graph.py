"""Spiking cores as NIR graphs, and back.

One NIR node per graph node under the same name, plus ``input`` and ``output``. NIR sums several
in-edges, as our graphs do. Block-diagonal weights are written densely, because NIR knows no other
form, and carry their number of blocks in the metadata. A population's feedback becomes a
``Linear`` in a loop; an edge of a loop arrives one step later.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import nir
import numpy as np

from pinnir.base.errors import LegalizeError, ProgramFileError
from pinnir.ir.graph import Affine, Graph, Input, Level, Node, Op, Scheduled, width
from pinnir.neurons import IF, HardResetIF, Integrated, Threshold
from pinnir.numerics.matrix import BlockDiagonal, Matrix, dense

_INPUT, _OUTPUT, _FEEDBACK = "input", "output", "_feedback"
# The inputs and outputs of the cores of one file are called core_1_input, core_1_output, ...
_PORT = re.compile(r"core_\d+_(input|output)")


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Names that NIR readers accept: letters, digits and underscores, all different.

    A slash breaks reading the file, a dot means a port, and ``input`` and ``output`` are taken.
    """
    taken = {_INPUT, _OUTPUT}
    result: dict[str, str] = {}
    for name in names:
        base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
        base = f"n{base}" if base[0].isdigit() else base
        candidate, number = base, 1
        while candidate in taken or candidate.endswith(_FEEDBACK) or _PORT.fullmatch(candidate):
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate)
        result[name] = candidate
    return result


def to_nir(cores: Mapping[str, Graph]) -> nir.NIRGraph:
    """Spiking cores of one input and one output each as one NIR graph.

    Args:
        cores: By segment label. The input and output nodes of a single one are called ``input``
            and ``output``, those of several ``core_1_input`` and so on.

    Raises:
        LegalizeError: If a core has several inputs or outputs, or holds what NIR cannot say.
    """
    nodes: dict[str, nir.NIRNode] = {}
    loops: list[tuple[str, str]] = []
    edges: list[tuple[str, str]] = []
    for label, core in cores.items():
        _add_core(core, port_names(label, alone=len(cores) == 1), nodes, loops, edges)
    # Loops first: readers that walk edges in order then meet the feedback before the neuron.
    return nir.NIRGraph(nodes=nodes, edges=loops + edges)


def port_names(label: str, *, alone: bool) -> tuple[str, str]:
    """Names of the NIR input and output node of a core."""
    prefix = "" if alone else label.replace(".", "_") + "_"
    return prefix + _INPUT, prefix + _OUTPUT


def _add_core(
    core: Graph,
    ports: tuple[str, str],
    nodes: dict[str, nir.NIRNode],
    loops: list[tuple[str, str]],
    edges: list[tuple[str, str]],
) -> None:
    if len(core.inputs) != 1 or len(core.outputs) != 1:
        raise LegalizeError(
            f"a core of {len(core.inputs)} inputs and {len(core.outputs)} outputs "
            "cannot be one NIR graph"
        )
    (source,), (sink,) = core.inputs, core.outputs
    entry, exit_ = ports
    nodes[entry] = nir.Input(input_type=np.array([width(source)]))
    for node in core.nodes:
        if node is source:
            continue
        nodes[node.name] = _to_nir_node(node.op, node.name)
        for operand in node.operands:
            edges.append((entry if operand is source else operand.name, node.name))
        if isinstance(node.op, IF) and node.op.feedback is not None:
            loop = f"{node.name}{_FEEDBACK}"
            nodes[loop] = _linear(node.op.feedback, np.zeros(node.op.units))
            loops += [(node.name, loop), (loop, node.name)]
    assert isinstance(sink.op, Affine)
    nodes[exit_] = nir.Output(output_type=np.array([sink.op.bias.size]))
    edges.append((sink.name, exit_))


def _to_nir_node(op: Op, name: str) -> nir.NIRNode:
    if isinstance(op, Affine) and not isinstance(op, Scheduled):
        return _linear(op.weight, op.bias)
    if isinstance(op, Threshold | IF | HardResetIF | Integrated):
        return op.to_nir()
    raise LegalizeError("NIR has no such node", node=name, op=type(op).__name__)


def _linear(weight: Matrix, bias: np.ndarray) -> nir.NIRNode:
    blocks = len(weight.blocks) if isinstance(weight, BlockDiagonal) else 0
    metadata = {"pinnir": {"blocks": blocks}} if blocks else {}
    # NIR's constructors keep what they are given, so they get copies.
    matrix = np.array(dense(weight), np.float64)
    if not np.any(bias):
        return nir.Linear(weight=matrix, metadata=metadata)
    return nir.Affine(weight=matrix, bias=np.array(bias), metadata=metadata)


def from_nir(
    graph: nir.NIRGraph, labels: Sequence[str], steps: int, read_out: str
) -> dict[str, Graph]:
    """The spiking cores that :func:`to_nir` wrote.

    Args:
        graph: As read from a file.
        labels: Segment labels of the cores.
        steps: Time steps of one inference, which NIR does not carry.
        read_out: ``last`` or ``mean``, likewise.

    Raises:
        ProgramFileError: If the graph holds what pinnir does not write.
    """
    ports = {label: port_names(label, alone=len(labels) == 1) for label in labels}
    missing = {name for pair in ports.values() for name in pair} - set(graph.nodes)
    if missing:
        raise ProgramFileError(f"the NIR graph has no node {', '.join(sorted(missing))}")
    found = {}
    for label, ends in ports.items():
        members = _connected(graph.edges, ends[0])
        found[label] = _read_core(graph, members, label, ends, steps, read_out)
    return found


def _connected(edges: Iterable[tuple[str, str]], start: str) -> set[str]:
    """All nodes that edges lead to from one, in either direction."""
    neighbours = defaultdict(list)
    for before, after in edges:
        neighbours[before].append(after)
        neighbours[after].append(before)
    found, left = {start}, [start]
    while left:
        new = set(neighbours[left.pop()]) - found
        found |= new
        left += new
    return found


def _read_core(
    graph: nir.NIRGraph,
    members: set[str],
    label: str,
    ports: tuple[str, str],
    steps: int,
    read_out: str,
) -> Graph:
    entry, exit_ = ports
    edges = [edge for edge in graph.edges if edge[0] in members]
    loops = {name for name in members if name.endswith(_FEEDBACK)}
    order = TopologicalSorter[str](dict.fromkeys(sorted(members), ()))
    for before, after in edges:
        if not loops.intersection((before, after)):
            order.add(after, before)
    try:
        names = tuple(order.static_order())
    except CycleError as error:
        raise ProgramFileError(f"the NIR graph has a loop through {error.args[1][0]!r}") from error
    operands: dict[str, list[str]] = {name: [] for name in members}
    for before, after in edges:
        operands[after].append(before)
    built: dict[str, Node] = {}
    for name in names:
        if name in loops or name == exit_:
            continue
        feedback = graph.nodes.get(f"{name}{_FEEDBACK}")
        sources = tuple(built[o] for o in operands[name] if o not in loops)
        op = _from_nir_node(graph.nodes[name], feedback, name)
        own, segment = (_INPUT, "") if name == entry else (name, label)
        built[name] = Node(own, op, sources, segment)
    (sink,) = operands[exit_]
    return Graph(Level.SPIKING, (built[entry],), (built[sink],), steps, read_out)


def _from_nir_node(node: nir.NIRNode, feedback: nir.NIRNode | None, name: str) -> Op:
    if isinstance(node, nir.Input):
        return Input(int(node.input_type["input"][0]))
    if isinstance(node, nir.Linear):
        return Affine(_weight(node), np.zeros(node.weight.shape[0]))
    if isinstance(node, nir.Affine):
        return Affine(_weight(node), node.bias)
    if isinstance(node, nir.Threshold):
        return Threshold.from_nir(node)
    if isinstance(node, nir.IF) and HardResetIF.is_in(node):
        return HardResetIF.from_nir(node)
    if isinstance(node, nir.IF):
        loop = None if feedback is None else _weight(feedback)
        if not (loop is None or isinstance(loop, BlockDiagonal)):
            raise ProgramFileError("has feedback between neurons", node=name, op="IF")
        return IF(IF.from_nir(node).threshold, feedback=loop)
    if isinstance(node, nir.LIF) and "pinnir" in node.metadata:
        return Integrated.from_nir(node)
    raise ProgramFileError("is not something pinnir writes", node=name, op=type(node).__name__)


def _weight(node: nir.NIRNode) -> Matrix:
    blocks = int(node.metadata.get("pinnir", {}).get("blocks", 0))
    weight: Matrix = BlockDiagonal.from_dense(node.weight, blocks) if blocks else node.weight
    return weight
