"""From a graph that computes one sample to the graph that computes tables of them.

Every shape is known from computing one sample. Every value becomes ``(samples, columns)``, its own
entries side by side: a state ``(n,)``, a batch of one ``(1, n)`` and MATLAB's ``(1, 1, 1, n)`` all
have n columns. No operator can mix samples that way; whether the file's own network does so is for
the caller to compare.

1. What does not depend on the inputs is a constant.
2. Element-wise operators take columns, or where they broadcast dimensions that stand for them.
3. Operators that move elements pick columns, known from moving the numbers of the columns.
4. Products with a matrix stay such, and what is linear in one row of columns becomes one.
5. Other operators run along dimensions: these are given back, and counted one further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import FrontendError
from pinnir.ir.evaluate import compute, evaluate
from pinnir.ir.graph import (
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Op,
    Primitive,
    is_elementwise,
    kind_of,
)
from pinnir.ir.names import Names
from pinnir.ir.value_types import is_floating

Tensor = NDArray[Any]
Dims = tuple[int, ...]

_ON_ITS_OWN = "export the network so that it computes one sample without it"
# Entries of a matrix that stands for an operator.
_LARGEST_MATRIX = 2**22
_WINDOWS = ("AveragePool", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool")


def over_tables(graph: Graph, sample: Mapping[str, Tensor]) -> Graph:
    """The graph that computes each row of tables as this one computes a sample.

    Args:
        graph: A tensor graph.
        sample: Value of each input for one sample, by name.

    Returns:
        A tensor graph whose inputs and outputs are ``(samples, columns)``.

    Raises:
        FrontendError: If an operator has no form for tables.
        GraphError: If the graph cannot be computed for this sample.
    """
    values: dict[Node, Tensor] = {n: np.asarray(sample[n.name], np.float64) for n in graph.inputs}
    values |= {n: n.op.value for n in graph.nodes if isinstance(n.op, Constant)}

    def keep(step: int, node: Node, value: Tensor) -> None:
        values[node] = value

    evaluate(graph, sample, keep)
    tables = _Tables(values, Names.of(graph))
    for node in graph.nodes:
        tables.add(node)
    inputs = tuple(tables.inputs[node] for node in graph.inputs)
    return Graph(Level.TENSOR, inputs, tuple(tables.output(node) for node in graph.outputs))


def _is_row(shape: Dims) -> bool:
    """Whether no more than one dimension is longer than 1."""
    return sum(size != 1 for size in shape) <= 1


class _Tables:
    """The new graph under construction.

    Args:
        values: Every value of the old graph for one sample.
        names: Those of the old graph.
    """

    def __init__(self, values: Mapping[Node, Tensor], names: Names) -> None:
        self.values, self.names = values, names
        self.inputs: dict[Node, Node] = {}
        self.new: dict[Node, Node] = {}  # of what depends on the inputs
        self._shaped: dict[tuple[Node, Dims], Node] = {}
        self._fixed: dict[Node, Node] = {}

    def add(self, node: Node) -> None:
        """Take over one node whose operands have been taken over."""
        if isinstance(node.op, Input):
            self.new[node] = self.inputs[node] = Node(node.name, Input(self.values[node].size))
        elif any(operand in self.new for operand in node.operands) and not _of_shape(node):
            if 0 in self.shape(node):
                raise node.error(FrontendError, "is empty for one sample", _ON_ITS_OWN)
            self.new[node] = self._changed(node)

    def output(self, node: Node) -> Node:
        """An old output as ``(samples, columns)``."""
        if node in self.new:
            return self.new[node]
        return self.constant(node.name, self.values[node].reshape(1, -1))

    def shape(self, node: Node) -> Dims:
        """Of an old value for one sample."""
        return self.values[node].shape

    def constant(self, wish: str, value: Any) -> Node:
        return Node(self.names.fresh(wish), Constant(np.asarray(value)))

    def fixed(self, node: Node) -> Node:
        """An old value that does not depend on the inputs."""
        if isinstance(node.op, Constant):
            return node
        if node not in self._fixed:
            self._fixed[node] = Node(node.name, Constant(self.values[node]))
        return self._fixed[node]

    def shaped(self, node: Node, dims: Dims) -> Node:
        """The new value of an old node, its columns in these dimensions."""
        if dims == (self.values[node].size,):
            return self.new[node]
        if (node, dims) not in self._shaped:
            shape = self.constant(f"{node.name}:dims", np.array([-1, *dims], np.int64))
            name = self.names.fresh(f"{node.name}:shaped")
            self._shaped[node, dims] = Node(name, Primitive("Reshape"), (self.new[node], shape))
        return self._shaped[node, dims]

    def part(self, node: Node, kind: str, *operands: Node, **attributes: Any) -> Node:
        """A step on the way to the value of an old node."""
        name = self.names.fresh(f"{node.name}:{kind.lower()}")
        return Node(name, Primitive(kind, attributes), operands)

    def value(self, node: Node, have: Dims | None, op: Op, *operands: Node) -> Node:
        """The new value of an old node, from an operation that gives it in dimensions ``have``."""
        columns = self.values[node].size
        if have == (columns,):
            return Node(node.name, op, operands)
        inner = Node(self.names.fresh(f"{node.name}:value"), op, operands)
        shape = self.constant(f"{node.name}:dims", np.array([-1, columns], np.int64))
        return Node(node.name, Primitive("Reshape"), (inner, shape))

    def refuse(self, node: Node) -> FrontendError:
        return node.error(FrontendError, "has no form for one sample after the other", _ON_ITS_OWN)

    def _changed(self, node: Node) -> Node:
        moving = [operand in self.new for operand in node.operands]
        if is_elementwise(node):
            return self._matrix(node) if self._widens(node, moving) else self._elementwise(node)
        if not isinstance(node.op, Primitive):
            raise self.refuse(node)
        kind, first_only = node.op.kind, moving[0] and sum(moving) == 1
        scatters = kind in ("ScatterElements", "ScatterND") and not moving[1]
        if scatters and "reduction" not in node.op.attributes:
            return self._picked(node, (node.operands[0], node.operands[2]))
        if kind == "Concat":
            return self._picked(node, node.operands)
        if node.op.operator.moves and first_only:
            return self._picked(node, node.operands[:1])
        if kind in ("MatMul", "Gemm") and first_only and self._is_layer(node):
            return self._layer(node)
        rows = (_is_row(self.shape(one)) for one in (node, *node.operands) if one in self.new)
        linear = scatters or node.op.operator.is_linear_in(moving)
        if linear and is_floating(node) and all((*rows, _is_row(self.shape(node)))):
            return self._matrix(node)
        if kind == "Gather" and not moving[0] and node.op.attributes.get("axis", 0) == 0:
            return self._looked_up(node)
        if kind.startswith("Reduce"):
            return _reduced(self, node)
        if kind in _RULES and (first_only or kind in _OF_SEVERAL):
            return _RULES[kind](self, node)
        raise self.refuse(node)

    def _widens(self, node: Node, moving: Sequence[bool]) -> bool:
        """Whether it is a layer of one number: that times a row, or plus one."""
        columns = self.values[node].size
        return (
            isinstance(node.op, Primitive)
            and sum(moving) == 1
            and self.values[node.operands[moving.index(True)]].size == 1 < columns
            and node.op.operator.is_linear_in(moving)
            and is_floating(node)
            and _is_row(self.shape(node))
        )

    def _elementwise(self, node: Node) -> Node:
        """Case 2."""
        shape, columns = self.shape(node), self.values[node].size
        moving = [operand for operand in node.operands if operand in self.new]
        flat = all(self.values[operand].size in (1, columns) for operand in moving)
        kept = [i for i, size in enumerate(shape) if size != 1]
        operands = []
        for operand in node.operands:
            own, value = self.shape(operand), self.values[operand]
            whole = (1,) * (len(shape) - len(own)) + own
            dims = tuple(whole[i] for i in kept)
            if operand in self.new:
                operands.append(self.shaped(operand, (value.size,) if flat else dims))
                continue
            value = np.broadcast_to(value, shape).reshape(-1) if flat else value.reshape(dims)
            value = self.values[operand].reshape(()) if prod(own) == 1 else value
            unchanged = own in ((), value.shape)
            fixed = self.fixed(operand) if unchanged else self.constant(operand.name, value)
            operands.append(fixed)
        have = (columns,) if flat else tuple(shape[i] for i in kept)
        return self.value(node, have, node.op, *operands)

    def _picked(self, node: Node, sources: Sequence[Node]) -> Node:
        """Case 3: every entry of the value is one of the sources'."""
        op = node.op_as(Primitive)
        ends = np.cumsum([0, *(self.values[source].size for source in sources)])
        numbers = {
            index: np.arange(first, last).reshape(self.shape(node.operands[index]))
            for index, first, last in zip(
                (i for i, one in enumerate(node.operands) if one in sources),
                ends[:-1],
                ends[1:],
                strict=False,
            )
        }
        if len(numbers) != len(sources) or not all(
            one in sources or one not in self.new for one in node.operands
        ):
            raise self.refuse(node)
        given = [numbers.get(i, self.values[one]) for i, one in enumerate(node.operands)]
        order = compute(op.kind, op.attributes, given, node.name).reshape(-1)
        count = int(ends[-1])
        same = np.array_equal(order, np.arange(count))
        if len(sources) > 1:
            rows = [self._row(node, source) for source in sources]
            if same:
                return self.value(node, (count,), Primitive("Concat", {"axis": 1}), *rows)
            x = self.part(node, "Concat", *rows, axis=1)
        elif same:
            return Node(node.name, Primitive("Identity"), (self.new[sources[0]],))
        else:
            x = self.new[sources[0]]
        index = self.constant(f"{node.name}:columns", order.astype(np.int64))
        return self.value(node, (order.size,), Primitive("Gather", {"axis": 1}), x, index)

    def _row(self, node: Node, source: Node) -> Node:
        """A source as ``(samples, columns)``; one that is fixed is repeated for every sample."""
        size = self.values[source].size
        if source in self.new:
            return self.new[source]
        first = next(one for one in node.operands if one in self.new)
        count = self.part(node, "Shape", self.new[first], start=0, end=1)
        width = self.constant(f"{node.name}:width", np.array([size]))
        shape = self.part(node, "Concat", count, width, axis=0)
        row = self.constant(source.name, self.values[source].reshape(1, -1))
        return self.part(node, "Expand", row, shape)

    def _is_layer(self, node: Node) -> bool:
        """Whether it is a product of rows with a fixed matrix."""
        x, weight = (self.shape(operand) for operand in node.operands[:2])
        if kind_of(node) == "MatMul":
            return len(weight) == 2 and len(x) > 0
        return x[0] == 1 and not node.op_as(Primitive).attributes.get("transA", 0)

    def _layer(self, node: Node) -> Node:
        """Case 4, as it stands."""
        x, weight, *more = node.operands
        shape, out = self.shape(x), self.shape(node)
        before = tuple(size for size in shape[:-1] if size != 1)
        have = (*before, out[-1])
        bias = [self.constant(one.name, self.values[one].reshape(-1)) for one in more]
        operands = (self.shaped(x, (*before, shape[-1])), self.fixed(weight), *bias)
        return self.value(node, have, node.op, *operands)

    def _matrix(self, node: Node) -> Node:
        """Case 4, found by giving the operator each entry alone."""
        op, sources = node.op_as(Primitive), [n for n in node.operands if n in self.new]
        size = self.values[node].size
        if size * sum(self.values[one].size for one in sources) > _LARGEST_MATRIX:
            raise self.refuse(node)
        nothing = {one: np.zeros(self.shape(one)) for one in sources}

        def given(entries: Mapping[Node, Tensor]) -> Tensor:
            operands = [entries.get(one, self.values[one]) for one in node.operands]
            return compute(op.kind, op.attributes, operands, node.name).reshape(-1)

        bias = given(nothing)
        terms: list[Node] = []
        for source in dict.fromkeys(sources):
            columns = np.eye(self.values[source].size).reshape(-1, *self.shape(source))
            rows = [given({**nothing, source: column}) - bias for column in columns]
            weight = self.constant(f"{node.name}:weight", np.array(rows))
            terms.append(self.part(node, "MatMul", self.new[source], weight))
        if bias.any() or len(terms) > 1:
            terms.append(self.constant(f"{node.name}:bias", bias))
        last = terms[0].op if len(terms) == 1 else Primitive("Add" if len(terms) == 2 else "Sum")
        operands = terms[0].operands if len(terms) == 1 else terms
        return self.value(node, (size,), last, *operands)

    def _looked_up(self, node: Node) -> Node:
        """Rows of a fixed table that the inputs choose."""
        table, index = node.operands
        have = (self.values[index].size, *self.shape(table)[1:])
        return self.value(node, have, node.op, self.fixed(table), self.new[index])

    def along(self, node: Node, axes: Sequence[int]) -> tuple[Node, Dims, list[int]]:
        """The first operand with these dimensions kept: its new value, dimensions, and theirs."""
        shape = self.shape(node.operands[0])
        where = {axis % len(shape) for axis in axes}
        kept = [i for i, size in enumerate(shape) if size != 1 or i in where]
        dims = tuple(shape[i] for i in kept) or (1,)
        own = [1 + kept.index(i) for i in sorted(where)]
        return self.shaped(node.operands[0], dims), dims, own

    def whole(self, node: Node, rank: int = 0, *, column: bool = False) -> Node:
        """An operand with all its dimensions, one of length 1 for each that it lacks.

        Args:
            node: The operand.
            rank: Dimensions that it should have at least.
            column: Whether one of a single dimension is a column of a matrix, not a row.
        """
        shape = self.shape(node)
        shape = (*shape, 1) if column and len(shape) == 1 else shape
        dims = (1,) * (rank - len(shape)) + shape
        if node in self.new:
            return self.shaped(node, dims)
        if dims == self.shape(node):
            return self.fixed(node)
        return self.constant(node.name, self.values[node].reshape(dims))


def _of_shape(node: Node) -> bool:
    return isinstance(node.op, Primitive) and (
        node.op.operator.of_shape or node.op.kind == "EyeLike"
    )


# Case 5. Each makes the new value of an old node.


def _softmax(tables: _Tables, node: Node) -> Node:
    axis = node.op_as(Primitive).attributes.get("axis", -1)
    x, dims, (own,) = tables.along(node, [axis])
    return tables.value(node, dims, Primitive(kind_of(node), {"axis": own}), x)


def _layer_normalization(tables: _Tables, node: Node) -> Node:
    attributes = node.op_as(Primitive).attributes
    shape = tables.shape(node.operands[0])
    first = attributes.get("axis", -1) % len(shape)
    if any(np.ndim(tables.values[one]) > len(shape) - first for one in node.operands[1:]):
        raise tables.refuse(node)  # other weights for each row that it normalises
    x, dims, own = tables.along(node, range(first, len(shape)))
    rows = [
        np.broadcast_to(tables.values[one], shape[first:]).reshape(dims[own[0] - 1 :])
        for one in node.operands[1:]
    ]
    constants = [tables.constant(f"{node.name}:row", row) for row in rows]
    op = Primitive("LayerNormalization", {**attributes, "axis": own[0]})
    return tables.value(node, dims, op, x, *constants)


def _reduced(tables: _Tables, node: Node) -> Node:
    attributes = node.op_as(Primitive).attributes
    told = [int(a) for one in node.operands[1:] for a in np.atleast_1d(tables.values[one])]
    every = range(len(tables.shape(node.operands[0])))
    if any(one in tables.new for one in node.operands[1:]):
        raise tables.refuse(node)
    axes = told or ([] if attributes.get("noop_with_empty_axes", 0) else list(every))
    x, dims, own = tables.along(node, axes)
    own = own or ([] if every else [1])  # of a single number the dimension that stands for it
    where = tables.constant(f"{node.name}:axes", np.array(own or [], np.int64))
    op = Primitive(kind_of(node), {"keepdims": 1, **({} if own else {"noop_with_empty_axes": 1})})
    left = tuple(1 if i + 1 in own else size for i, size in enumerate(dims))
    return tables.value(node, left, op, x, where)


def _running_sum(tables: _Tables, node: Node) -> Node:
    axis = int(tables.values[node.operands[1]].item())
    x, dims, (own,) = tables.along(node, [axis])
    where = tables.constant(f"{node.name}:axis", np.array(own))
    return tables.value(node, dims, node.op, x, where)


def _triangle(tables: _Tables, node: Node) -> Node:
    rest = [tables.fixed(one) for one in node.operands[1:]]
    return tables.value(node, tables.shape(node), node.op, tables.whole(node.operands[0]), *rest)


def _padded(tables: _Tables, node: Node) -> Node:
    x, widths, *rest = node.operands
    before, after = np.split(tables.values[widths], 2)
    axes = list(range(len(tables.shape(x))))
    if len(rest) > 1:
        axes = [int(axis) % len(axes) for axis in tables.values[rest[1]]]
    every = np.zeros((2, 1 + len(tables.shape(x))), np.int64)
    every[:, [1 + axis for axis in axes]] = before, after
    pads = tables.constant(f"{node.name}:pads", every.reshape(-1))
    filling = [tables.fixed(one) for one in rest[:1]]
    return tables.value(node, tables.shape(node), node.op, tables.whole(x), pads, *filling)


def _windows(tables: _Tables, node: Node) -> Node:
    """Samples are one more batch of images."""
    x, *weights = node.operands
    shape, out = tables.shape(x), tables.shape(node)
    images = tables.shaped(x, shape[1:])
    have = out[1:] if shape[0] == 1 else None
    return tables.value(node, have, node.op, images, *map(tables.fixed, weights))


def _product(tables: _Tables, node: Node) -> Node:
    a, b = node.operands
    rank = max(2, len(tables.shape(a)), len(tables.shape(b)))
    operands = tables.whole(a, rank), tables.whole(b, rank, column=True)
    shapes = [_matrices(tables.shape(one), rank, column=one is b) for one in (a, b)]
    stack = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    have = (*stack, shapes[0][-2], shapes[1][-1])
    return tables.value(node, have, node.op, *operands)


def _matrices(shape: Dims, rank: int, *, column: bool) -> Dims:
    shape = (*shape, 1) if column and len(shape) == 1 else shape
    return (1,) * (rank - len(shape)) + shape


def _general_product(tables: _Tables, node: Node) -> Node:
    """Gemm of computed matrices, in its parts."""
    attributes = node.op_as(Primitive).attributes
    a, b, *c = node.operands
    turned = []
    for one, key in ((a, "transA"), (b, "transB")):
        equation = "...ij->...ji" if attributes.get(key, 0) else "...ij->...ij"
        turned.append(tables.part(node, "Einsum", tables.whole(one, 2), equation=equation))
    product = tables.part(node, "MatMul", *turned)
    alpha = tables.constant(f"{node.name}:alpha", np.float64(attributes.get("alpha", 1.0)))
    terms = [tables.part(node, "Mul", product, alpha)]
    for one in c:
        beta = tables.constant(f"{node.name}:beta", np.float64(attributes.get("beta", 1.0)))
        terms.append(tables.part(node, "Mul", tables.whole(one, 2), beta))
    return tables.value(node, tables.shape(node), Primitive("Sum"), *terms)


def _einsum(tables: _Tables, node: Node) -> Node:
    equation = node.op_as(Primitive).attributes["equation"].replace(" ", "")
    left, arrow, right = equation.partition("->")
    if not arrow:
        alone = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        right = "..." * ("..." in left) + "".join(alone)
    samples = next(letter for letter in ascii_letters if letter not in equation)
    terms = zip(left.split(","), node.operands, strict=True)
    told = ",".join(f"{samples}{term}" if one in tables.new else term for term, one in terms)
    op = Primitive("Einsum", {"equation": f"{told}->{samples}{right}"})
    return tables.value(node, tables.shape(node), op, *map(tables.whole, node.operands))


_OF_SEVERAL = ("Einsum", "Gemm", "MatMul")
_RULES: dict[str, Callable[[_Tables, Node], Node]] = {
    **dict.fromkeys(_WINDOWS, _windows),
    "CumSum": _running_sum,
    "Einsum": _einsum,
    "Gemm": _general_product,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax,
    "MatMul": _product,
    "Pad": _padded,
    "Softmax": _softmax,
    "Trilu": _triangle,
}
