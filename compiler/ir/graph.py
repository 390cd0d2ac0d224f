"""The graph: frozen nodes that hold their operands, and what each operation means.

One graph type serves all three levels. A pass never changes a node; it builds a new graph, and
nodes that did not change are shared. At every level the operands of an ``Affine``, an
``Activation``, a ``Staircase`` or a neuron population are *summed* first, as NIR readers sum
several in-edges; a ``Primitive`` takes its operands in order, as ONNX does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import GraphError, PinnirError
from pinnir.numerics.bucket_table import BucketTable
from pinnir.numerics.matrix import Array, Matrix
from pinnir.numerics.operators import OPERATORS, Operator

if TYPE_CHECKING:
    from pinnir.ir.placement import Placement

# Samples for which a staircase makes a table, and samples that are looked up at once.
_WORTH_A_TABLE = 512
_AT_ONCE = 1024

HOST = "host"
CORE = "core"


class Level(Enum):
    """What a graph may hold; the rules of each level are in ``rules.py``."""

    TENSOR = "tensor"
    STAIRCASE = "staircase"
    SPIKING = "spiking"


@dataclass(frozen=True, eq=False)
class Op:
    """What a node computes. Subclasses hold the parameters."""


AnyOp = TypeVar("AnyOp", bound=Op)
Error = TypeVar("Error", bound=PinnirError)
AnyScalar = TypeVar("AnyScalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Input(Op):
    """A model input ``(samples, width)``.

    Attributes:
        width: Number of columns, None where the model leaves it open.
        axis: Which sample axis its rows run along. Inputs of one axis are given row by row; a
            separable network has an axis a coordinate, and values at all combinations of rows.
    """

    width: int | None = None
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """A fixed tensor."""

    value: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Primitive(Op):
    """An ONNX operator in its opset-18 form.

    Attributes:
        kind: Its name.
        attributes: As ONNX has them, but for types, which are numpy's names.
    """

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operator(self) -> Operator:
        """What is known of it, by ``numerics/operators.py``."""
        return OPERATORS[self.kind]


@dataclass(frozen=True, eq=False)
class Affine(Op):
    """``y = x W^T + b``; on the spiking level a dense map of synapses, or an expansion.

    Attributes:
        weight: ``(outputs, inputs)``.
        bias: ``(outputs,)``.
    """

    weight: Matrix
    bias: Array


@dataclass(frozen=True, eq=False)
class Scheduled(Affine):
    """Synapses whose effect a schedule scales: ``y_t = g_t W (x_t - c) + b`` in step ``t``.

    With ``c = 1/2`` a spike and its absence act with opposite signs, ``g_t W (2 s_t - 1) / 2``.

    Attributes:
        gains: ``g``, one number a step, ``(steps,)``.
        centre: ``c``.
    """

    gains: Array
    centre: float = 0.0

    @property
    def steps(self) -> int:
        """Steps of the schedule."""
        return int(self.gains.size)


@dataclass(frozen=True, eq=False)
class Activation(Op):
    """A function of one value, or of several, applied to every neuron.

    Attributes:
        function: Its name in ``activations.py``; with a body, a name for people.
        parameters: Parameters of a function of that table, numbers or one number a column.
        body: The function itself, where the network spells it out: a graph of primitives with
            an input for each argument and one output.
        arguments: How many values it is a function of. They stand side by side in the columns of
            its operand: first those of the first argument for all neurons, and so on.
    """

    function: str
    parameters: tuple[float | Array, ...] = ()
    body: Graph | None = None
    arguments: int = 1


@dataclass(frozen=True, eq=False)
class Staircase(Op):
    """A piecewise-constant activation: neuron ``i`` is at level ``start + sum_j d_ij [z >= t_ij]``.

    Its value is ``base + step * level``.

    Attributes:
        boundaries: ``t``, ``(neurons, boundaries)``, ascending, padded with ``inf``.
        directions: ``d``, same shape: +1 where the function rises, -1 where it falls, 0 padding.
        start: Level below the first boundary, ``(neurons,)``.
        base: Value of level 0, ``(neurons,)``.
        step: Value between two levels, ``(neurons,)``.
    """

    boundaries: Array
    directions: NDArray[np.int8]
    start: NDArray[np.int32]
    base: Array
    step: Array

    @cached_property
    def level_table(self) -> NDArray[np.int32]:
        """Level after passing ``j`` boundaries, ``(neurons, boundaries + 1)``."""
        rises = np.cumsum(self.directions, axis=1, dtype=np.int32)
        return np.concatenate([self.start[:, None], self.start[:, None] + rises], axis=1)

    @cached_property
    def lookup(self) -> StaircaseLookup:
        """Finds levels and values of many samples quickly."""
        return StaircaseLookup.of(self)

    def levels(self, z: Array) -> NDArray[np.int32]:
        """Level of each neuron for pre-activations ``z`` ``(samples, neurons)``."""
        if self._many(z):
            return self.lookup.picked(self.lookup.level_of, z)
        table = self.level_table
        return table[np.arange(len(table)), self.intervals(z)]

    def intervals(self, z: Array) -> NDArray[np.intp]:
        """Boundaries that pre-activations ``z`` ``(samples, neurons)`` have passed."""
        if self._many(z):
            return self.lookup.picked(self.lookup.passed, z)
        result = np.empty(z.shape, np.intp)
        for i, boundaries in enumerate(self.boundaries):
            result[:, i] = np.searchsorted(boundaries, z[:, i], side="right")
        return result

    def __call__(self, z: Array) -> Array:
        """Value of each neuron for pre-activations ``z`` ``(samples, neurons)``."""
        if self._many(z):
            return self.lookup.picked(self.lookup.value_of, z)
        return self.base + self.step * self.levels(z)

    def _many(self, z: Array) -> bool:
        """Whether there are so many samples that they are worth a table; none may be NaN."""
        return len(z) >= _WORTH_A_TABLE and not np.isnan(z).any()


@dataclass(frozen=True, eq=False)
class StaircaseLookup:
    """A staircase as a table of intervals, and what it says in each of them.

    Boundaries that are equal are one: nothing lies between them.

    Attributes:
        table: Finds the interval.
        passed: Boundaries that were passed in each interval, counted over all neurons.
        level_of: Level in each.
        value_of: Value in each.
    """

    table: BucketTable
    passed: NDArray[np.intp]
    level_of: NDArray[np.int32]
    value_of: Array

    @classmethod
    def of(cls, op: Staircase) -> StaircaseLookup:
        """The table of a staircase."""
        finite = np.isfinite(op.boundaries)
        last = finite.copy()
        last[:, :-1] &= op.boundaries[:, :-1] != op.boundaries[:, 1:]
        counts = last.sum(axis=1)
        table = BucketTable.of(op.boundaries[last], counts)
        passed = np.zeros(table.intervals, np.intp)
        neuron, place = np.nonzero(last)
        passed[np.arange(neuron.size) + neuron + 1] = place + 1
        owner = np.repeat(np.arange(counts.size), counts + 1)
        level = op.level_table[owner, passed]
        return cls(table, passed, level, op.base[owner] + op.step[owner] * level)

    def picked(self, told: NDArray[AnyScalar], z: Array) -> NDArray[AnyScalar]:
        """What is told of every number's interval.

        Args:
            told: Of every interval.
            z: ``(samples, neurons)``, none of them NaN.
        """
        found = np.empty(z.shape, told.dtype)
        for first in range(0, len(z), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            rows = np.ascontiguousarray(z[part].T)
            places = self.table.find(rows, np.empty(rows.shape, np.intp), np.empty_like(rows))
            found[part] = told[places].T
        return found


class Neuron(Op):
    """A population of spiking units. The models are in ``pinnir.neurons``, one file each.

    Attributes:
        exact: Whether a streamed form of such neurons gives the values of the graph beside it.
    """

    exact: ClassVar[bool] = True

    @property
    def units(self) -> int:
        """Number of units in the population."""
        raise NotImplementedError

    @property
    def columns(self) -> int:
        """Columns of its input current: one a unit, but for units of several arguments."""
        return self.units

    @property
    def steps(self) -> int | None:
        """Steps of its schedule, if it has one."""
        return None

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """State before the first step, arrays ``(samples, units)``."""
        raise NotImplementedError

    def events(self, value: Array) -> Array:
        """How many spikes each of these values of units is."""
        return np.abs(value)

    def step(self, state: tuple[Array, ...], current: Array) -> tuple[Array, tuple[Array, ...]]:
        """Advance one step: ``(spikes, new state)`` for input ``current`` ``(samples, units)``."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """One value of the graph: an operation applied to operands.

    Attributes:
        name: Unique in its graph; the ONNX node's name where there is one.
        op: What is computed.
        operands: The nodes it is computed from.
        segment: ``""`` before ``split-host``, then the program segment it belongs to
            (``host.0``, ``core.1``, ...; segments run in order of their number).
    """

    name: str
    op: Op
    operands: tuple[Node, ...] = ()
    segment: str = ""

    def __repr__(self) -> str:
        """Operands by name only: spelled out, a shared node would be printed again and again."""
        operands = ", ".join(operand.name for operand in self.operands)
        return f"<Node {self.name}: {kind_of(self)}({operands})>"

    @property
    def in_core(self) -> bool:
        """Whether the node is in a spiking core."""
        return self.segment.startswith(CORE)

    def op_as(self, kind: type[AnyOp]) -> AnyOp:
        """The operation of a node that is known to be of that kind."""
        assert isinstance(self.op, kind)
        return self.op

    def error(self, kind: type[Error], problem: str, hint: str = "") -> Error:
        """An error that names the node."""
        return kind(problem, node=self.name, op=kind_of(self), hint=hint)

    def with_operands(self, *operands: Node) -> Node:
        """The same operation on other operands (the node itself if they are the same)."""
        if len(operands) == len(self.operands) and all(
            a is b for a, b in zip(operands, self.operands, strict=True)
        ):
            return self
        return replace(self, operands=operands)

    def with_op(self, op: Op) -> Node:
        """Another operation under the same name, on the same operands."""
        return replace(self, op=op)


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed acyclic graph, held by its outputs.

    Attributes:
        level: Which rules it obeys.
        inputs: The model's inputs, in order, used or not.
        outputs: The model's outputs, in order.
        steps: Time steps of one inference (spiking level).
        read_out: What leaves a spiking core: the ``last`` step's value or the ``mean`` over steps.
        streamed: The same network for programmable neurons, of the codings that have no NIR form
            (spiking level). Its segments and what they take and give have the same names.
        placement: Which core of a chip every unit is on, of the streamed form if there is one
            (spiking level).
    """

    level: Level
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    steps: int = 1
    read_out: str = "last"
    streamed: Graph | None = None
    placement: Placement | None = None

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes in topological order: inputs first, then by need of the outputs."""
        order: dict[Node, None] = dict.fromkeys(self.inputs)
        for output in self.outputs:
            stack: list[tuple[Node, Iterator[Node]]] = [(output, iter(output.operands))]
            while stack:
                node, rest = stack[-1]
                missing = next((n for n in rest if n not in order), None)
                if missing is not None:
                    stack.append((missing, iter(missing.operands)))
                    continue
                order[node] = None
                stack.pop()
        return tuple(order)

    @cached_property
    def users(self) -> dict[Node, tuple[Node, ...]]:
        """For each node the nodes that use it, in topological order."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                users[operand].append(node)
        return {node: tuple(found) for node, found in users.items()}

    @cached_property
    def segments(self) -> dict[str, tuple[Node, ...]]:
        """Nodes of each program segment, in running order; inputs and constants left out."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            if not isinstance(node.op, Input | Constant):
                found.setdefault(node.segment, []).append(node)
        ordered = sorted(found, key=lambda label: int(label.partition(".")[2] or 0))
        return {label: tuple(found[label]) for label in ordered}

    @property
    def executed(self) -> Graph:
        """The form that the target runs: the streamed one if there is one."""
        return self if self.streamed is None else self.streamed

    @cached_property
    def meaning(self) -> Graph:
        """The form that the oracle evaluates: this one, unless the streamed one's values differ."""
        neurons = (node.op for node in self.executed.nodes if isinstance(node.op, Neuron))
        return self if all(neuron.exact for neuron in neurons) else self.executed

    @property
    def model_inputs(self) -> list[tuple[str, int | None, int]]:
        """Name, columns (None where they are open) and sample axis of each input."""
        ops = [(node.name, node.op) for node in self.inputs]
        return [(name, op.width, op.axis) for name, op in ops if isinstance(op, Input)]

    def leaves(self, node: Node) -> bool:
        """Whether a node's value leaves its segment: as an output, or to another segment."""
        users = self.users[node]
        return node in self.outputs or any(user.segment != node.segment for user in users)

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            GraphError: If there is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise GraphError("the graph has no such node", node=name)

    def rewrite(self, change: Callable[[Node], Node], **fields: Any) -> Graph:
        """Rebuild the graph bottom-up: ``change`` sees each node with its new operands.

        Args:
            change: Returns the node to put in the given node's place.
            **fields: Graph attributes to set, such as ``level`` or ``steps``.
        """
        new: dict[Node, Node] = {}
        for node in self.nodes:
            new[node] = change(node.with_operands(*(new[operand] for operand in node.operands)))
        return self.replaced(new, **fields)

    def replaced(self, new: Mapping[Node, Node], **fields: Any) -> Graph:
        """The graph that new nodes make, given for each input and output."""
        inputs, outputs = (tuple(new[one] for one in ends) for ends in (self.inputs, self.outputs))
        return replace(self, inputs=inputs, outputs=outputs, **fields)

    def bind(self, points: Array | tuple[Array, ...]) -> dict[str, Array]:
        """Split points into the model's inputs, by name.

        Args:
            points: ``(samples, columns)``, where every sample axis gets ``samples`` samples; or
                one table ``(samples, columns)`` for each axis.
        """
        if not isinstance(points, tuple):
            return split_columns(points, [(node.name, width(node)) for node in self.inputs])
        found: dict[str, Array] = {}
        for axis, table in enumerate(points):
            own = [n for n in self.inputs if isinstance(n.op, Input) and n.op.axis == axis]
            found |= split_columns(table, [(node.name, width(node)) for node in own])
        return found


def split_columns(points: Array, inputs: Iterable[tuple[str, int]]) -> dict[str, Array]:
    """Cut ``points`` ``(samples, columns)`` into the inputs, given as ``(name, columns)``."""
    found: dict[str, Array] = {}
    first = 0
    for name, size in inputs:
        found[name] = points[:, first : first + size]
        first += size
    return found


def width(node: Node) -> int:
    """Number of columns of an input.

    Raises:
        GraphError: If the model leaves it open.
    """
    if not isinstance(node.op, Input) or node.op.width is None:
        raise GraphError(
            "the number of columns of this input is not fixed in the model",
            node=node.name,
            op="Input",
            hint="export the model with a fixed last dimension",
        )
    return node.op.width


def kind_of(node: Node) -> str:
    """What a node is called in messages: its ONNX operator, or its operation's name."""
    return node.op.kind if isinstance(node.op, Primitive) else type(node.op).__name__


def is_elementwise(node: Node) -> bool:
    """Whether a node treats every element alike: an activation, or such an operator."""
    op = node.op
    return isinstance(op, Activation) or (isinstance(op, Primitive) and op.operator.elementwise)


def columns_of(node: Node) -> int | None:
    """Columns of a node's value where its operation fixes them, else None."""
    arguments = 1
    while isinstance(node.op, Activation):
        arguments *= node.op.arguments
        node = node.operands[0]
    columns = _own_columns(node.op)
    return None if columns is None else columns // arguments


def _own_columns(op: Op) -> int | None:
    if isinstance(op, Affine):
        return int(op.weight.shape[0])
    if isinstance(op, Input):
        return op.width
    if isinstance(op, Staircase):
        return int(op.base.size)
    return op.units if isinstance(op, Neuron) else None
