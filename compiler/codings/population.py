"""Population coding: a staircase as memoryless threshold units, exact, in one step.

A neuron's boundaries are cut into blocks. The first boundary of each block but the first belongs
to a *coarse* unit, which fires from there on; so coarse spikes form a thermometer that says in
which block ``z`` lies. The other boundaries of all blocks share one bank of *fine* units: fine
unit ``i`` fires if ``z >= u(block, i)``, and any threshold that depends on the block is a linear
function of the thermometer,

    u(block, i) = u(0, i) + sum_m c_m (u(m, i) - u(m - 1, i)),

that is a set of lateral synapses from coarse to fine units. Where the activation falls, a second
bank of fine units with level weight -1 takes over. A bank without work in a block is held off by
a threshold at the end of the block. A staircase with L levels so needs about 2 sqrt(L) units.

A unit that fires more often than not is inverted: it fires for ``z < t``, its level weight is
negated and the constant goes into the next bias, so its spikes fall from p to 1 - p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.codings.coding import Coding
from pinnir.codings.common import Population, Spiking, lower_core, upper_bounds
from pinnir.ir.evaluate import preactivations
from pinnir.ir.graph import Affine, Graph, Node, Op, Staircase
from pinnir.ir.names import Names
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import Array, BlockDiagonal, Copies, Matrix
from pinnir.pipeline.context import Context

# Largest dense lateral matrix that a NIR file is asked to hold; larger layers are cut into
# groups of neurons.
_LATERAL_ENTRIES = 2**22
# Neurons whose banks are up to so many times larger than the smallest one's share a group.
_ALIKE = 1.2


@dataclass(frozen=True, eq=False)
class Table:
    """Thresholds of a layer's units, before inversion.

    Attributes:
        coarse: First boundary of each block but the first, ``(neurons, blocks - 1)``, padded
            with ``inf``.
        jump: What passing it adds to the level, same shape.
        fine: ``u``, ``(neurons, blocks, fine units)``.
        weight: Level weight of the fine units, +1 or -1, ``(fine units,)``.
        start: Level below all boundaries, ``(neurons,)``.
    """

    coarse: Array
    jump: NDArray[np.int32]
    fine: Array
    weight: NDArray[np.int32]
    start: NDArray[np.int32]

    def of(self, part: slice) -> Table:
        """The table of some of the neurons."""
        rows = (self.coarse[part], self.jump[part], self.fine[part])
        return Table(*rows, self.weight, self.start[part])


@dataclass(frozen=True)
class PopulationCoding(Coding):
    """Coarse and fine threshold units, in one step: they are memoryless."""

    name = "population"

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """Replace each staircase by units; calibration points say which are inverted."""
        points = graph.bind(context.calibration)
        values = preactivations(graph, points)
        bounds = upper_bounds(graph, points)

        def encode(node: Node, sources: tuple[Node, ...], names: Names) -> Spiking:
            return _encode(node, sources, bounds[node.name], values[node.name], names)

        return lower_core(graph, encode, steps=1, read_out="last")


def build_table(op: Staircase, upper: Array) -> Table:
    """Cut every neuron's boundaries into blocks.

    Args:
        op: The staircase.
        upper: A value that no pre-activation exceeds, ``(neurons,)``; it holds off the units
            that have no work in a neuron's last block.
    """
    size = int(_bank_size(np.array(op.boundaries.shape[1])))
    cuts = [_blocks(row[row != 0], size) for row in op.directions]
    blocks = max(len(cut) for cut in cuts)
    falls, rises = bool((op.directions < 0).any()), bool((op.directions > 0).any())
    banks = [sign for sign, used in ((1, rises), (-1, falls)) if used] or [1]
    neurons = len(cuts)
    coarse = np.full((neurons, blocks - 1), np.inf)
    jump = np.zeros((neurons, blocks - 1), np.int32)
    fine = np.empty((neurons, blocks, len(banks), size - 1))
    for i, cut in enumerate(cuts):
        t, d = op.boundaries[i], op.directions[i]
        last = t[cut[-1][1] - 1] if cut[-1][1] else upper[i]
        hold = max(upper[i], last) + 1.0
        for m, (first, end) in enumerate(cut):
            inner = first + (m > 0)
            if m > 0:
                before = cut[m - 1][0] + (m > 1)
                coarse[i, m - 1] = t[first]
                jump[i, m - 1] = d[before:inner].sum()
            fine[i, m] = t[end] if m + 1 < len(cut) else hold
            if end > inner:
                fine[i, m, banks.index(int(d[inner])), : end - inner] = t[inner:end]
        fine[i, len(cut) :] = fine[i, len(cut) - 1]
    weight = np.repeat(np.array(banks, np.int32), size - 1)
    return Table(coarse, jump, fine.reshape(neurons, blocks, -1), weight, op.start)


def _blocks(directions: NDArray[np.int8], size: int) -> list[tuple[int, int]]:
    """Cut boundaries into ranges ``(first, end)``: after the coarse one all go the same way."""
    cut: list[tuple[int, int]] = []
    first = 0
    while first < len(directions) or not cut:
        inner = first + (1 if cut else 0)
        end = min(inner + size - 1, len(directions))
        turns = np.flatnonzero(directions[inner:end] != directions[inner : inner + 1])
        end = inner + int(turns[0]) if turns.size else max(end, inner)
        cut.append((first, end))
        first = end
    return cut


def _encode(node: Node, sources: tuple[Node, ...], upper: Array, z: Array, names: Names) -> Spiking:
    """Coarse and fine populations of one layer, for each group of neurons."""
    stairs = node.op_as(Staircase)
    groups = list(_groups(stairs, upper))
    found: list[Population] = []
    silent = stairs.base.copy()
    for number, (members, table) in enumerate(groups):
        suffix = f"_g{number}" if len(groups) > 1 else ""
        step = stairs.step[members]
        group = _Group(node, sources, members, suffix, table, z, names)
        for op, population in group.populations():
            levels = op.level_weight.reshape(step.size, -1).astype(np.float64)
            found.append(Population(population, members, levels, step))
            silent[members] += step * op.level_offset
    return Spiking(tuple(found), silent)


def _groups(op: Staircase, upper: Array) -> Iterator[tuple[NDArray[np.intp], Table]]:
    """Neurons with about as many boundaries each, so that few units of a bank are idle."""
    sizes = _bank_size((op.directions != 0).sum(axis=1))
    order = np.argsort(sizes, kind="stable")
    first = 0
    while first < len(order):
        alike = sizes[order[first:]] <= _ALIKE * sizes[order[first]]
        members = np.sort(order[first : first + int(alike.sum())])
        table = build_table(_take(op, members), upper[members])
        _, blocks, units = table.fine.shape
        most = max(1, int(np.sqrt(_LATERAL_ENTRIES / max(1, units * (blocks - 1)))))
        for start in range(0, len(members), most):
            part = slice(start, start + most)
            yield members[part], table.of(part)
        first += len(members)


def _bank_size(boundaries: NDArray[np.intp]) -> NDArray[np.int64]:
    """One more than the fine units that so many boundaries need."""
    return np.maximum(2, np.ceil(np.sqrt(boundaries + 1))).astype(np.int64)


def _take(op: Staircase, members: NDArray[np.intp]) -> Staircase:
    """The staircase of some neurons, without padding that they do not need."""
    longest = int((op.directions[members] != 0).sum(axis=1).max(initial=0))
    return Staircase(
        op.boundaries[members, :longest],
        op.directions[members, :longest],
        op.start[members],
        op.base[members],
        op.step[members],
    )


@dataclass(frozen=True, eq=False)
class _Group:
    """Some neurons of a layer, on their way to two populations.

    Attributes:
        node: The layer.
        sources: Nodes whose sum is its pre-activation.
        members: Which of its neurons.
        suffix: Of the populations' names.
        table: Thresholds of the members' units.
        z: Pre-activations of the whole layer on calibration points.
        names: Of new nodes.
    """

    node: Node
    sources: tuple[Node, ...]
    members: NDArray[np.intp]
    suffix: str
    table: Table
    z: Array
    names: Names

    def populations(self) -> Iterator[tuple[Threshold, Node]]:
        coarse, jump = self.table.coarse, self.table.jump
        fine, start = self.table.fine, self.table.start
        inverted, fine_inverted = _mostly_firing(coarse, fine, self.z[:, self.members])
        sign = np.where(inverted, np.int64(-1), np.int64(1))
        fine_sign = np.where(fine_inverted, np.int64(-1), np.int64(1))
        laterals: tuple[Node, ...] = ()
        if coarse.shape[1]:
            offset = start + (inverted * jump).sum(axis=1, dtype=np.int32)
            op = _units(np.where(inverted, _just_above(-coarse), coarse), sign * jump, offset)
            population = self._named("coarse", op, (self._expand("coarse", sign),))
            yield op, population
            start = np.zeros_like(start)
            laterals = (self._lateral(population, fine, sign, fine_sign),)
        # An inverted coarse unit says 1 - c, so its share of the threshold is constant.
        threshold = fine[:, 0] + (np.diff(fine, axis=1) * inverted[:, :, None]).sum(axis=1)
        threshold = np.where(fine_inverted, _just_above(-threshold), threshold)
        weight = fine_sign * self.table.weight
        offset = start + (fine_inverted * self.table.weight).sum(axis=1, dtype=np.int32)
        op = _units(threshold, weight, offset)
        yield op, self._named("fine", op, (self._expand("fine", fine_sign), *laterals))

    def _named(self, kind: str, op: Op, operands: tuple[Node, ...]) -> Node:
        name = self.names.fresh(f"{self.node.name}_{kind}{self.suffix}")
        return Node(name, op, operands, self.node.segment)

    def _expand(self, kind: str, sign: NDArray[np.int64]) -> Node:
        """Copy each neuron's accumulated input, with the unit's sign, to its units."""
        factor = sign.astype(np.float64)
        neurons = self.z.shape[1]
        weight: Matrix = BlockDiagonal(factor[:, :, None])
        if len(sign) < neurons:
            source = np.repeat(self.members, sign.shape[1])
            weight = Copies(source, factor.reshape(-1), neurons)
        return self._named(f"{kind}_in", Affine(weight, np.zeros(sign.size)), self.sources)

    def _lateral(
        self, coarse: Node, fine: Array, sign: NDArray[np.int64], fine_sign: NDArray[np.int64]
    ) -> Node:
        """Synapses that move the fine thresholds as the thermometer rises."""
        change = np.diff(fine, axis=1) * sign[:, :, None]  # (neurons, coarse, fine)
        blocks = -fine_sign[:, :, None] * change.swapaxes(1, 2)
        return self._named(
            "lateral", Affine(BlockDiagonal(blocks), np.zeros(fine_sign.size)), (coarse,)
        )


def _units(
    threshold: Array, weight: NDArray[np.signedinteger[Any]], offset: NDArray[np.int32]
) -> Threshold:
    return Threshold(
        threshold.reshape(-1), weight.reshape(-1).astype(np.int32), offset.astype(np.int32)
    )


def _just_above(value: Array) -> Array:
    # -z > -t is wanted, and units compare with >=.
    return np.nextafter(value, np.inf)


def _mostly_firing(
    coarse: Array, fine: Array, z: Array
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which coarse and fine units fire on more than half of the points ``z``."""
    inverted = np.empty(coarse.shape, bool)
    fine_inverted = np.empty((len(fine), fine.shape[2]), bool)
    for i, thresholds in enumerate(coarse):
        block = np.searchsorted(thresholds, z[:, i], side="right")
        inverted[i] = (z[:, i, None] >= thresholds).mean(axis=0) > 0.5
        fine_inverted[i] = (z[:, i, None] >= fine[i][block]).mean(axis=0) > 0.5
    return inverted, fine_inverted
