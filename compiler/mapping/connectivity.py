"""Which unit hears which: the synapses of a spiking graph, flattened.

A spiking graph keeps its synapses factored: a dense map into one sum a neuron of the source
network, then copies of the sum to the neuron's units. A core without shared dendrites needs one
synapse for every pair of units that the product of the maps connects. A program has up to tens of
millions of them, but the units of a neuron hear the same ones, so each different fan-in is kept
once.

What carries real numbers is no synapse: the input of the first layer reaches its units as a
current, and what leaves a core is read out by the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from pinnir.ir.graph import Affine, Graph, Neuron, Node
from pinnir.ir.placement import Index
from pinnir.numerics.matrix import BlockDiagonal, Matrix


@dataclass(frozen=True, eq=False)
class Connectivity:
    """The units of a program, population after population, and the synapses between them.

    Attributes:
        populations: Name and units of every population, in running order.
        fan_in: ``(rows, units)`` of bool: each different set of units that a unit hears.
        row: The row of ``fan_in`` that belongs to each unit, ``(units,)``.
        neuron: Number of the source network's neuron that each unit speaks for, ``(units,)``,
            counted in running order; units of a neuron hear the same, but for synapses among
            themselves.
        read_out: Whether spikes of the unit leave a core as an output, ``(units,)``.
    """

    populations: tuple[tuple[str, int], ...]
    fan_in: csr_array
    row: Index
    neuron: Index
    read_out: NDArray[np.bool_]

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.row.size)

    @property
    def synapses(self) -> int:
        """Number of flattened synapses."""
        return int(np.diff(self.fan_in.indptr)[self.row].sum())

    def name_of(self, unit: int) -> str:
        """Population of a unit."""
        ends = np.cumsum([size for _, size in self.populations])
        return self.populations[int(np.searchsorted(ends, unit, side="right"))][0]

    def by_population(self, values: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Values of all units ``(units,)``, by population."""
        ends = np.cumsum([size for _, size in self.populations])[:-1]
        names = [name for name, _ in self.populations]
        return dict(zip(names, np.split(values, ends), strict=True))


def connectivity(graphs: Sequence[Graph]) -> Connectivity:
    """Flatten the synapses of spiking graphs: a whole one, or the cores of a program."""
    sizes = {node: node.op.units for g in graphs for node in g.nodes if isinstance(node.op, Neuron)}
    starts = np.cumsum([0, *sizes.values()])
    flat = _Flattening(dict(zip(sizes, starts.tolist(), strict=False)), int(starts[-1]))
    for node in sizes:
        flat.add(node)
    heard = np.zeros(flat.units, bool)
    for graph in graphs:
        for node in graph.nodes:
            if isinstance(node.op, Affine) and node.in_core and graph.leaves(node):
                heard[flat.sources(node).indices] = True
    return Connectivity(
        populations=tuple((node.name, size) for node, size in sizes.items()),
        fan_in=vstack([csr_array((0, flat.units), dtype=bool), *flat.rows], format="csr"),
        row=np.concatenate([np.zeros(0, np.int64), *flat.row]),
        neuron=np.array(flat.neuron, np.int64),
        read_out=heard,
    )


@dataclass(frozen=True, eq=False)
class _Flattening:
    """The connectivity in the making.

    Attributes:
        starts: First unit of each population.
        units: Number of all units.
        rows: Different fan-ins of each population so far, ``(rows, units)``.
        row: Row of each of its units, counted from the first row of all.
        neuron: Neuron of every unit so far.
        neurons: Their numbers, by the sum that a neuron's units share.
        known: Units that maps hear, by map.
    """

    starts: dict[Node, int]
    units: int
    rows: list[csr_array] = field(default_factory=list)
    row: list[Index] = field(default_factory=list)
    neuron: list[int] = field(default_factory=list)
    neurons: dict[tuple[object, ...], int] = field(default_factory=dict)
    known: dict[Node, csr_array] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Add a population."""
        assert isinstance(node.op, Neuron)
        last = [pattern(operand.op.weight) for operand in node.operands
                if isinstance(operand.op, Affine)]  # fmt: skip
        feedback = getattr(node.op, "feedback", None)
        loop = [] if feedback is None else [pattern(feedback)]
        # Units that the last maps treat alike hear the same.
        first, inverse = _different(hstack([*last, *loop], format="csr"))
        heard = csr_array((len(first), self.units), dtype=bool)
        for operand, weight in zip(node.operands, last, strict=True):
            heard = heard + weight[first] @ self._into(operand)
        for weight in loop:
            heard = heard + weight[first] @ self._own(node)
        self.row.append(inverse + sum(rows.shape[0] for rows in self.rows))
        self.rows.append(heard)
        self._number(node, last)

    def sources(self, node: Node) -> csr_array:
        """Units that each row of a map hears, ``(rows, units)``."""
        if node not in self.known:
            assert isinstance(node.op, Affine)
            self.known[node] = pattern(node.op.weight) @ self._into(node)
        return self.known[node]

    def _into(self, node: Node) -> csr_array:
        """Units that each column of a map hears: those behind the sum of its operands."""
        assert isinstance(node.op, Affine)
        heard = csr_array((node.op.weight.shape[1], self.units), dtype=bool)
        for operand in node.operands:
            if operand in self.starts:
                heard = heard + self._own(operand)
            elif isinstance(operand.op, Affine) and operand.segment == node.segment:
                heard = heard + self.sources(operand)
        return heard

    def _own(self, node: Node) -> csr_array:
        """Each unit of a population hears itself."""
        assert isinstance(node.op, Neuron)
        size, start = node.op.units, self.starts[node]
        ones = np.ones(size, bool)
        return csr_array((ones, np.arange(size) + start, np.arange(size + 1)),
                         shape=(size, self.units))  # fmt: skip

    def _number(self, node: Node, last: list[csr_array]) -> None:
        """Number the units' neurons: those that copy one sum speak for one neuron."""
        assert isinstance(node.op, Neuron)
        copies = next(
            (one for one in zip(node.operands, last, strict=True) if _copies_sums(*one)), None
        )
        for unit in range(node.op.units):
            key: tuple[object, ...] = (node, unit)
            if copies is not None:
                operand, weight = copies
                column = weight.indices[weight.indptr[unit] : weight.indptr[unit + 1]]
                key = (*operand.operands, int(column[0])) if column.size else key
            self.neuron.append(self.neurons.setdefault(key, len(self.neurons)))


def _copies_sums(node: Node, weight: csr_array) -> bool:
    """Whether a map gives each row the sum of one neuron, as expansions do."""
    summed = all(isinstance(operand.op, Affine) for operand in node.operands)
    return summed and bool((np.diff(weight.indptr) <= 1).all())


def _different(matrix: csr_array) -> tuple[Index, Index]:
    """The first of each different rows, and which of these every row is."""
    matrix.sort_indices()
    found: dict[bytes, int] = {}
    first: list[int] = []
    inverse = np.empty(matrix.shape[0], np.int64)
    for i, (start, end) in enumerate(zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)):
        key = matrix.indices[start:end].tobytes()
        if key not in found:
            found[key] = len(first)
            first.append(i)
        inverse[i] = found[key]
    return np.array(first, np.int64), inverse


def pattern(matrix: Matrix) -> csr_array:
    """Where a matrix is not zero, ``(outputs, inputs)`` of bool."""
    if not isinstance(matrix, BlockDiagonal):
        return csr_array(matrix != 0)
    neurons, rows, columns = matrix.blocks.shape
    block, row, column = np.nonzero(matrix.blocks)
    places = (block * rows + row, block * columns + column)
    return csr_array((np.ones(block.size, bool), places), shape=(neurons * rows, neurons * columns))
