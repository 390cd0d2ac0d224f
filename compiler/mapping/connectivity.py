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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from pinnir.ir.graph import Affine, Graph, Neuron, Node
from pinnir.ir.placement import Index
from pinnir.mapping.multiplied_out import Chains, total
from pinnir.numerics.matrix import BlockDiagonal, Copies, Decoded, Matrix

# What a neuron of the source network is known by.
Key: TypeAlias = tuple[object, ...]


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
    units: dict[Node, Index] = {}
    count = 0
    for node in chain.from_iterable(graph.nodes for graph in graphs):
        if isinstance(node.op, Neuron):
            units[node] = np.arange(count, count + node.op.units)
            count += node.op.units
    maps = Chains(lambda node: pattern(node.op_as(Affine).weight), counts=units.__contains__)
    read_out = np.zeros(count, bool)
    fan_in, row = [csr_array((0, count), dtype=bool)], [np.zeros(0, np.int64)]
    neuron: list[int] = []
    numbers: dict[Key, int] = {}
    for node in units:
        rows, which, keys = _heard(node, maps, units)
        row.append(which + sum(before.shape[0] for before in fan_in))
        fan_in.append(rows)
        neuron += [numbers.setdefault(key, len(numbers)) for key in keys]
    for graph in graphs:
        for node in graph.nodes:
            if isinstance(node.op, Affine) and node.in_core and graph.leaves(node):
                for source, matrix in maps.of(node).items():
                    read_out[units[source][matrix.indices]] = True
    return Connectivity(
        populations=tuple((node.name, own.size) for node, own in units.items()),
        fan_in=vstack(fan_in, format="csr"),
        row=np.concatenate(row),
        neuron=np.array(neuron, np.int64),
        read_out=read_out,
    )


def _heard(
    node: Node, maps: Chains[csr_array], units: Mapping[Node, Index]
) -> tuple[csr_array, Index, list[Key]]:
    """What the units of a population hear.

    Args:
        node: The population.
        maps: Everything that it reads.
        units: Numbers of the units of all populations.

    Returns:
        Each different set of units, ``(sets, units)``, which of them is every unit's, and what the
        neuron of every unit is known by.
    """
    last = [pattern(operand.op_as(Affine).weight) for operand in node.operands]
    feedback = getattr(node.op, "feedback", None)
    loop = [] if feedback is None else [pattern(feedback)]
    # Units that the last maps treat alike hear the same.
    first, which = _different(hstack([*last, *loop], format="csr"))
    chains = [maps.behind(w[first], one) for one, w in zip(node.operands, last, strict=True)]
    found = total(chain(*chains, ((node, weight[first]) for weight in loop)))
    # Side by side, then with the columns of all units: most populations are not among them.
    columns = np.concatenate([np.zeros(0, np.int64), *(units[source] for source in found)])
    heard = hstack([csr_array((first.size, 0), dtype=bool), *found.values()], format="csr")
    shape = first.size, sum(one.size for one in units.values())
    placed = csr_array((heard.data, columns[heard.indices], heard.indptr), shape=shape)
    return placed, which, list(_neurons(node, last))


def _neurons(node: Node, last: list[csr_array]) -> Iterator[Key]:
    """What the neuron of each unit is known by: units that copy one sum speak for one neuron."""
    copies = next(
        (one for one in zip(node.operands, last, strict=True) if _copies_sums(*one)), None
    )
    for unit in range(node.op_as(Neuron).units):
        key: Key = (node, unit)
        if copies is not None:
            operand, weight = copies
            column = weight.indices[weight.indptr[unit] : weight.indptr[unit + 1]]
            key = (*operand.operands, int(column[0])) if column.size else key
        yield key


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
    if isinstance(matrix, Copies):
        (row,) = np.nonzero(matrix.factor)
        return csr_array((np.ones(row.size, bool), (row, matrix.source[row])), shape=matrix.shape)
    if isinstance(matrix, Decoded):
        sums = pattern(BlockDiagonal(matrix.weight[:, None, :]))
        return csr_array(csr_array(matrix.outer != 0) @ sums)
    if not isinstance(matrix, BlockDiagonal):
        return csr_array(matrix != 0)
    neurons, rows, columns = matrix.blocks.shape
    block, row, column = np.nonzero(matrix.blocks)
    places = (block * rows + row, block * columns + column)
    return csr_array((np.ones(block.size, bool), places), shape=(neurons * rows, neurons * columns))
