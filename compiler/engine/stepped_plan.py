"""A core of integrate-and-fire units, layer by layer over all its steps.

Feed-forward spikes arrive in the step they were fired in, so that a layer can run over all steps
before the next one begins: its sums are then one product of matrices.

1. What no input reaches, such as start units, is the same for all samples. It runs once.
2. Maps of one column to the units of a neuron are part of the neurons' loop.
3. Where all maps that read a population weigh a neuron's units in one and the same proportion, as
   the ramps of one neuron are, its spikes are added up in that proportion first.
4. The mean over the steps is taken before the last maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.engine.planning import NotCoveredError
from pinnir.engine.scans import Integrators
from pinnir.ir.evaluate import add, compute_node
from pinnir.ir.graph import Affine, Graph, Neuron, Node, Scheduled
from pinnir.neurons import IF, FlooredIF, HardResetIF
from pinnir.numerics.matrix import Array, BlockDiagonal, dense, nonzeros

Index = NDArray[np.intp]

# How far apart the proportions may lie that different synapses say.
_SAME = 1e-13


@dataclass(frozen=True, eq=False)
class SteppedMap:
    """A map that is computed.

    Attributes:
        node: The map.
        parts: What it reads, with the weight of each, ``(rows, columns)``.
        constant: Its bias and what comes from units that no input reaches, ``(rows, steps)``, or
            one step if that is all.
        last: Whether no population comes after it.
    """

    node: Node
    parts: tuple[tuple[Node, Array], ...]
    constant: Array
    last: bool


@dataclass(frozen=True, eq=False)
class SteppedLayer:
    """A population, and the maps that it adds up.

    Attributes:
        units: The population.
        sources: Maps that add up to its sum.
    """

    units: Integrators
    sources: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class SteppedPlan:
    """A core in running order.

    Attributes:
        core: The core.
        operations: Maps and layers.
        once: Spikes of units that no input reaches, for one sample, by population.
    """

    core: Graph
    operations: tuple[SteppedMap | SteppedLayer, ...]
    once: tuple[tuple[Node, Array], ...]

    @classmethod
    def of(cls, core: Graph) -> SteppedPlan:
        """The plan of a core of integrate-and-fire units.

        Raises:
            NotCoveredError: If it has other units, or they read what this does not know.
        """
        for node in core.nodes:
            if isinstance(node.op, Scheduled):
                raise NotCoveredError("synapses with a schedule")
            if isinstance(node.op, Neuron) and not isinstance(node.op, IF | HardResetIF):
                raise NotCoveredError(f"{type(node.op).__name__} units")
        return _Planner(core).plan()


class _Planner:
    def __init__(self, core: Graph) -> None:
        self.core = core
        self.constants = _constants(core)
        self.needed = self._needed()
        self.last = self._last()
        # Case 2.
        self.inner = {node for node in core.nodes if self._copies(node)}

    def plan(self) -> SteppedPlan:
        operations: list[SteppedMap | SteppedLayer] = []
        populations: dict[Node, Integrators] = {}
        for node in self.core.nodes[1:]:
            if node not in self.needed or node in self.inner:
                continue
            if isinstance(node.op, Affine):
                operations.append(self._map(node, populations))
            else:
                layer = self._layer(node)
                populations[node] = layer.units
                operations.append(layer)
        once = tuple(
            (node, node.op.events(value).sum(axis=1))
            for node, value in self.constants.items()
            if isinstance(node.op, Neuron)
        )
        return SteppedPlan(self.core, tuple(operations), once)

    def _needed(self) -> set[Node]:
        """What outputs need and no constant stands for."""
        found = set(self.core.outputs)
        for node in reversed(self.core.nodes):
            if node in found:
                found.update(one for one in node.operands if one not in self.constants)
        return found

    def _last(self) -> set[Node]:
        """Maps that no population comes after."""
        found: set[Node] = set()
        for node in reversed(self.core.nodes):
            users = [user for user in self.core.users[node] if user in self.needed]
            if isinstance(node.op, Affine) and all(user in found for user in users):
                found.add(node)
        return found

    def _copies(self, node: Node) -> bool:
        """Whether a map copies columns to units, and nothing but populations reads it."""
        users = [user for user in self.core.users[node] if user in self.needed]
        copying = isinstance(node.op, Affine) and (
            isinstance(node.op.weight, BlockDiagonal) and node.op.weight.blocks.shape[2] == 1
        )
        alone = all(isinstance(user.op, Neuron) for user in users) and bool(users)
        return copying and alone and not any(o in self.core.inputs for o in node.operands)

    def _steady(self, nodes: Sequence[Node], rows: int) -> Array:
        """Sum of the constant ones, ``(rows, steps)``."""
        total = np.zeros((rows, self.core.steps))
        for node in nodes:
            if node in self.constants:
                total = total + self.constants[node]
        return total

    def _map(self, node: Node, populations: dict[Node, Integrators]) -> SteppedMap:
        op = node.op_as(Affine)
        weight = dense(op.weight)
        parts = []
        for operand in node.operands:
            if operand in self.constants:
                continue
            own = weight
            if operand in populations:
                units = populations[operand]
                own = weight.reshape(len(weight), -1, units.together)[:, :, 0]
                # The first unit of a sum has the height one.
            parts.append((operand, np.ascontiguousarray(own)))
        constant = op.bias[:, None]
        if any(operand in self.constants for operand in node.operands):
            steady = self._steady(node.operands, weight.shape[1])
            constant = constant + weight @ steady
        return SteppedMap(node, tuple(parts), constant, node in self.last)

    def _layer(self, node: Node) -> SteppedLayer:
        op = node.op_as(Neuron)
        moving = [operand for operand in node.operands if operand not in self.constants]
        after = self._steady(node.operands, op.units)
        unit = np.arange(op.units)
        column, weight, offset = unit, np.ones(op.units), np.zeros(op.units)
        before = np.zeros((op.units, self.core.steps))
        copies = [one for one in moving if one in self.inner]
        if copies:
            if len(moving) > 1:
                raise NotCoveredError("units that read copies of several sums")
            copy = copies[0].op_as(Affine)
            assert isinstance(copy.weight, BlockDiagonal)
            neurons, each, _ = copy.weight.blocks.shape
            column, weight, offset = unit // each, copy.weight.blocks.reshape(-1), copy.bias
            before = self._steady(copies[0].operands, neurons)
            moving = [one for one in copies[0].operands if one not in self.constants]
        if not all(isinstance(one.op, Affine) for one in moving):
            raise NotCoveredError("units that read spikes without synapses")
        heights, together = self._heights(node, op.units, column)
        rules = _rules(op)
        units = Integrators(node, column, weight, offset, before, after, *rules, heights, together)
        return SteppedLayer(units, tuple(moving))

    def _heights(self, node: Node, units: int, column: Index) -> tuple[Array, int]:
        """Case 3: what a unit counts beside the first of its neuron, and how many are added up."""
        each = int(np.count_nonzero(column == column[0]))
        alone = np.ones(units), 1
        if each == 1 or not np.array_equal(column, np.arange(units) // each):
            return alone
        heights: Array | None = None
        for user in self.core.users[node]:
            weight = dense(user.op_as(Affine).weight)
            weight = weight.reshape(len(weight), -1, each)
            if heights is None:
                best = np.abs(weight[:, :, 0]).argmax(axis=0)
                rows = weight[best, np.arange(weight.shape[1])]
                if not rows[:, 0].all():
                    return alone
                heights = rows / rows[:, :1]
            if not np.allclose(weight, weight[:, :, :1] * heights, rtol=_SAME, atol=0):
                return alone
        return alone if heights is None else (heights.reshape(-1), each)


def _rules(op: Neuron) -> tuple[Array, Array, Array, bool, bool, Array]:
    """Threshold, lower threshold, first potential, kind of reset, floor and feedback."""
    none = np.zeros((0, 1, 1))
    if isinstance(op, HardResetIF):
        floored = isinstance(op, FlooredIF)
        start = op.potential if isinstance(op, FlooredIF) else np.zeros(op.units)
        return op.threshold, np.full(op.units, -np.inf), start, True, floored, none
    assert isinstance(op, IF)
    if np.any(op.bias):
        raise NotCoveredError("units with a constant current")
    low = np.full(op.units, -np.inf)
    if op.signed:
        low = np.zeros(op.units) if op.centred else -op.threshold
    feedback = none if op.feedback is None else op.feedback.blocks
    return op.threshold, low, np.zeros(op.units), False, False, feedback


def _constants(core: Graph) -> dict[Node, Array]:
    """Case 1: values that no input reaches, ``(columns, steps)``."""
    steady: list[Node] = []
    for node in core.nodes[1:]:
        op = node.op
        cut = isinstance(op, Affine) and not nonzeros(op.weight)
        if cut or all(operand in steady for operand in node.operands):
            steady.append(node)
    found: dict[Node, list[Array]] = {node: [] for node in steady}
    values: dict[Node, Array] = {}
    state = {n: n.op.initial_state(1) for n in steady if isinstance(n.op, Neuron)}
    for _ in range(core.steps):
        for node in steady:
            if isinstance(node.op, Neuron):
                current = add([values[operand] for operand in node.operands])
                values[node], state[node] = node.op.step(state[node], current)
            elif all(operand in values for operand in node.operands):
                values[node] = compute_node(node, values)
            else:
                values[node] = node.op_as(Affine).bias[None]
            found[node].append(values[node][0])
    return {node: np.stack(each, axis=1) for node, each in found.items()}
