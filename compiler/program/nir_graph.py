"""Spiking cores as NIR graphs, and back.

One NIR node per graph node under the same name, plus ``input`` and ``output``. NIR sums several
in-edges, as our graphs do. Weights are written densely, because NIR knows no other form, and carry
the form that they had in the metadata (``nir_weights.py``). A population's feedback becomes a
``Linear`` in a loop; an edge of a loop arrives one step later.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

import nir
import numpy as np

from pinnir.base.errors import LegalizeError, ProgramFileError
from pinnir.base.hdf5 import Stored
from pinnir.ir.graph import Affine, Graph, Input, Level, Node, Op, Scheduled, width
from pinnir.neurons import IF, HardResetIF, Integrated, Threshold
from pinnir.numerics.matrix import Array, BlockDiagonal, Matrix, dense
from pinnir.program.file_check import BLOCKS, COPIES
from pinnir.program.nir_weights import (
    LEVELS,
    Metadata,
    forms,
    level_weights,
    read_blocks,
    read_copies,
    read_decoded,
    read_outer,
)

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


# A map of a core, or what NIR calls another node of one.
NirPart: TypeAlias = Node | nir.NIRNode


def to_nir(cores: Mapping[str, Graph]) -> nir.NIRGraph:
    """Spiking cores of one input and one output each as one NIR graph, in memory.

    Args:
        cores: By segment label. The input and output nodes of a single one are called ``input``
            and ``output``, those of several ``core_1_input`` and so on.

    Raises:
        LegalizeError: If a core has several inputs or outputs, or holds what NIR cannot say.
    """
    parts, edges = nir_parts(cores)
    told = forms(parts)
    nodes = {
        name: _linear(one.op_as(Affine), told.get(name)) if isinstance(one, Node) else one
        for name, one in parts.items()
    }
    return nir.NIRGraph(nodes=nodes, edges=edges)


def nir_parts(cores: Mapping[str, Graph]) -> tuple[dict[str, NirPart], list[tuple[str, str]]]:
    """The nodes of the NIR graph by name, maps as they are, and its edges; as :func:`to_nir`."""
    nodes: dict[str, NirPart] = {}
    loops: list[tuple[str, str]] = []
    edges: list[tuple[str, str]] = []
    for label, core in cores.items():
        _add_core(core, port_names(label, alone=len(cores) == 1), nodes, loops, edges)
    # Loops first: readers that walk edges in order then meet the feedback before the neuron.
    return nodes, loops + edges


def port_names(label: str, *, alone: bool) -> tuple[str, str]:
    """Names of the NIR input and output node of a core."""
    prefix = "" if alone else label.replace(".", "_") + "_"
    return prefix + _INPUT, prefix + _OUTPUT


def _add_core(
    core: Graph,
    ports: tuple[str, str],
    nodes: dict[str, NirPart],
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
        nodes[node.name] = _nir_part(node)
        for operand in node.operands:
            edges.append((entry if operand is source else operand.name, node.name))
        if isinstance(node.op, IF) and node.op.feedback is not None:
            loop = f"{node.name}{_FEEDBACK}"
            nodes[loop] = Node(loop, Affine(node.op.feedback, np.zeros(node.op.units)))
            loops += [(node.name, loop), (loop, node.name)]
    assert isinstance(sink.op, Affine)
    nodes[exit_] = nir.Output(output_type=np.array([sink.op.bias.size]))
    edges.append((sink.name, exit_))


def _nir_part(node: Node) -> NirPart:
    op = node.op
    if isinstance(op, Affine) and not isinstance(op, Scheduled):
        return node
    if isinstance(op, Threshold | IF | HardResetIF | Integrated):
        return op.to_nir()
    raise LegalizeError("NIR has no such node", node=node.name, op=type(op).__name__)


def _linear(op: Affine, form: Metadata | None) -> nir.NIRNode:
    metadata = {"pinnir": form} if form else {}
    # NIR's constructors keep what they are given, so they get copies.
    matrix = np.array(dense(op.weight), np.float64)
    if not np.any(op.bias):
        return nir.Linear(weight=matrix, metadata=metadata)
    return nir.Affine(weight=matrix, bias=np.array(op.bias), metadata=metadata)


@dataclass(frozen=True, eq=False)
class StoredMap:
    """A ``Linear`` or ``Affine`` whose weight may still be in its file.

    Attributes:
        weight: ``(outputs, inputs)``.
        bias: ``(outputs,)``, or None.
        form: What its metadata say.
    """

    weight: Stored
    bias: Array | None
    form: Mapping[str, Any]


def from_nir(
    graph: nir.NIRGraph, labels: Sequence[str], steps: int, read_out: str
) -> dict[str, Graph]:
    """The spiking cores that :func:`to_nir` wrote; arguments and errors as of :func:`read_cores`.

    Args:
        graph: As read from a file.
        labels: Segment labels of the cores.
        steps: Time steps of one inference, which NIR does not carry.
        read_out: ``last`` or ``mean``, likewise.
    """
    nodes = {name: _stored(node) for name, node in graph.nodes.items()}
    return read_cores(nodes, graph.edges, labels, steps, read_out)


def _stored(node: nir.NIRNode) -> StoredMap | nir.NIRNode:
    if not isinstance(node, nir.Linear | nir.Affine):
        return node
    bias = node.bias if isinstance(node, nir.Affine) else None
    return StoredMap(node.weight, bias, node.metadata.get("pinnir", {}))


def read_cores(
    nodes: Mapping[str, StoredMap | nir.NIRNode],
    edges: Sequence[tuple[str, str]],
    labels: Sequence[str],
    steps: int,
    read_out: str,
) -> dict[str, Graph]:
    """The spiking cores of a NIR graph.

    Args:
        nodes: Of the graph, by name.
        edges: Between them.
        labels: Segment labels of the cores.
        steps: Time steps of one inference, which NIR does not carry.
        read_out: ``last`` or ``mean``, likewise.

    Raises:
        ProgramFileError: If the graph holds what pinnir does not write.
    """
    ports = {label: port_names(label, alone=len(labels) == 1) for label in labels}
    missing = {name for pair in ports.values() for name in pair} - set(nodes)
    if missing:
        raise ProgramFileError(f"the NIR graph has no node {', '.join(sorted(missing))}")
    found = {}
    read: set[str] = set()
    for label, ends in ports.items():
        members = _connected(edges, ends[0])
        read |= members
        found[label] = _CoreReader(nodes, edges, members).core(label, ends, steps, read_out)
    if read != set(nodes):
        raise ProgramFileError("the NIR graph has nodes that belong to no core")
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


class _CoreReader:
    """Reads one core of a NIR graph.

    Args:
        nodes: Of the graph, by name.
        edges: Between them.
        members: Those of the core.
    """

    def __init__(
        self,
        nodes: Mapping[str, StoredMap | nir.NIRNode],
        edges: Sequence[tuple[str, str]],
        members: set[str],
    ) -> None:
        self._nodes = nodes
        self._loops = {name for name in members if name.endswith(_FEEDBACK)}
        self._operands: dict[str, list[str]] = {name: [] for name in members}
        for before, after in edges:
            if before in members:
                self._operands[after].append(before)
        self._outer: dict[str, Array] = {}

    def core(self, label: str, ports: tuple[str, str], steps: int, read_out: str) -> Graph:
        """The core, whose input and output node are called so."""
        entry, exit_ = ports
        built: dict[str, Node] = {}
        for name in self._order():
            if name in self._loops or name == exit_:
                continue
            sources = tuple(built[o] for o in self._operands[name] if o not in self._loops)
            own, segment = (_INPUT, "") if name == entry else (name, label)
            built[name] = Node(own, self._op(name), sources, segment)
        (sink,) = self._operands[exit_]
        return Graph(Level.SPIKING, (built[entry],), (built[sink],), steps, read_out)

    def _order(self) -> tuple[str, ...]:
        """The nodes, each behind those that it reads but by its loop."""
        order = TopologicalSorter[str](dict.fromkeys(sorted(self._operands), ()))
        for after, sources in self._operands.items():
            for before in sources:
                if not self._loops.intersection((before, after)):
                    order.add(after, before)
        try:
            return tuple(order.static_order())
        except CycleError as error:
            looped = error.args[1][0]
            raise ProgramFileError(f"the NIR graph has a loop through {looped!r}") from error

    def _op(self, name: str) -> Op:
        node = self._nodes[name]
        if isinstance(node, StoredMap):
            bias = np.zeros(node.weight.shape[0]) if node.bias is None else node.bias
            return Affine(self._weight(name, node), bias)
        if isinstance(node, nir.Input):
            return Input(int(node.input_type["input"][0]))
        if isinstance(node, nir.Threshold):
            return Threshold.from_nir(node)
        if isinstance(node, nir.IF) and HardResetIF.is_in(node):
            return HardResetIF.from_nir(node)
        if isinstance(node, nir.IF):
            return IF(IF.from_nir(node).threshold, feedback=self._feedback(name))
        if isinstance(node, nir.LIF) and "pinnir" in node.metadata:
            return Integrated.from_nir(node)
        raise ProgramFileError("is not something pinnir writes", node=name, op=type(node).__name__)

    def _feedback(self, name: str) -> BlockDiagonal | None:
        loop = self._nodes.get(f"{name}{_FEEDBACK}")
        if loop is None:
            return None
        if not isinstance(loop, StoredMap) or BLOCKS not in loop.form:
            raise ProgramFileError("has feedback between neurons", node=name, op="IF")
        return read_blocks(loop.weight, int(loop.form[BLOCKS]))

    def _weight(self, name: str, stored: StoredMap) -> Matrix:
        if BLOCKS in stored.form:
            return read_blocks(stored.weight, int(stored.form[BLOCKS]))
        if COPIES in stored.form:
            return read_copies(stored.weight)
        if LEVELS in stored.form:
            outer = self._outer_of(_text(stored.form[LEVELS]))
            return read_decoded(stored.weight, outer, self._levels(name))
        return np.asarray(stored.weight[()])

    def _outer_of(self, name: str) -> Array:
        """The map of the sums of levels that a node tells; maps of the same sums share it."""
        if name not in self._outer:
            node = self._nodes[name]
            assert isinstance(node, StoredMap)
            self._outer[name] = read_outer(node.weight, self._levels(name))
        return self._outer[name]

    def _levels(self, name: str) -> Array:
        (source,) = self._operands[name]
        node = self._nodes[source]
        if not isinstance(node, nir.Threshold):
            raise ProgramFileError("is no map of levels", node=name, op="Affine")
        return level_weights(Threshold.from_nir(node))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
