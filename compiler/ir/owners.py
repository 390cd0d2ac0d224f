"""Owners: which sample every number of a value is computed from, whatever the inputs hold.

Values for a few inputs do not show what a function hides where it is flat: the sign of a maximum
over all samples is 1 as long as one of them is positive. So owners are found without values. Every
operator tells which numbers of its operands each of its own is made of:

1. Element-wise operators: those at the same place.
2. Operators that move or add up numbers do the same with marks, which are 1 where a number is made
   of some samples and 0 elsewhere; so does what takes the largest of some.
3. Products of marks with the magnitudes of a fixed factor are not 0 where the product is made of
   them; the other factor counts as 1 if it is computed too.
4. Normalisations: all along their dimensions.
5. Rows of a fixed table belong to whom the index does. Else a computed index, size or end makes
   everything depend on everything.

Two groups of samples are marked, and a number that is made of both is mixed. The groups are the
bits of the samples' numbers, so any two samples are in different groups once.

That a sample's numbers are its own does not say that they are computed as another's are: the third
row may have another weight. So element-wise operators must combine every sample with equal numbers;
others are given random numbers, and again each sample's in the place of the next: their own numbers
must have moved as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import FrontendError
from pinnir.ir.evaluate import compute, evaluate
from pinnir.ir.graph import Constant, Graph, Node, Primitive, is_elementwise
from pinnir.ir.sample_axes import MIXED, ON_ITS_OWN, same
from pinnir.ir.shape_values import made_of_shapes

Tensor = NDArray[Any]
# Of what all samples share.
SHARED = -1
# Which operands of an operator hold numbers; the others hold places and sizes.
_NUMBERS = {"Conv": (0, 1), "ScatterElements": (0, 2), "ScatterND": (0, 2)}
_EVERY = ("Concat", "Einsum", "Gemm", "MatMul")
_PRODUCTS = ("Conv", "Einsum", "Gemm", "MatMul")
# Their marks are their own values of marks.
_AS_MARKS = ("AveragePool", "CumSum", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Trilu")


def owners(
    graph: Graph, inputs: Mapping[str, Tensor], samples: Mapping[str, Tensor]
) -> dict[Node, Tensor]:
    """The sample that each number of a value is made of, or SHARED.

    Args:
        graph: A tensor graph.
        inputs: Value of each input, by name, in any shape. The numbers in it do not matter, but
            for those that choose rows of a table.
        samples: Number of the sample of each of its elements, in the same shape, or SHARED.

    Returns:
        Numbers of samples in the shape of the value, for every node.

    Raises:
        FrontendError: At the first operator that mixes samples, or goes by their places.
        GraphError: If the graph cannot be computed for these inputs.
    """
    values = {node: node.op.value for node in graph.nodes if isinstance(node.op, Constant)}
    values |= {node: np.asarray(inputs[node.name]) for node in graph.inputs}

    def keep(step: int, node: Node, value: Tensor) -> None:
        values[node] = value

    evaluate(graph, inputs, keep)
    count = 1 + max((int(own.max(initial=SHARED)) for own in samples.values()), default=SHARED)
    found = _found(graph, samples, values, count)
    rng = np.random.default_rng(0)
    for node in graph.nodes:
        if isinstance(node.op, Primitive):
            _check_places(node, node.op, values, found, count, rng)
    return found


def _found(
    graph: Graph, samples: Mapping[str, Tensor], values: Mapping[Node, Tensor], count: int
) -> dict[Node, Tensor]:
    """The owners of every value."""
    found = {node: np.full(values[node].shape, SHARED) for node in graph.nodes}
    counts = made_of_shapes(graph)
    for bit in range(max(1, (count - 1).bit_length())):
        groups = [_marked(graph, samples, values, counts, bit, side) for side in (0, 1)]
        for node in graph.nodes:
            zero, one = (group[node] for group in groups)
            if np.any(zero & one):
                raise node.error(FrontendError, MIXED, ON_ITS_OWN)
            own = np.maximum(found[node], 0) + (one.astype(np.int64) << bit)
            found[node] = np.where(zero | one, own, found[node])
    return found


def _check_places(
    node: Node,
    op: Primitive,
    values: Mapping[Node, Tensor],
    found: Mapping[Node, Tensor],
    count: int,
    rng: np.random.Generator,
) -> None:
    """Refuse an operator that computes some of so many samples otherwise than others."""
    if not any(np.any(found[operand] != SHARED) for operand in node.operands):
        return
    if is_elementwise(node):
        alike = all(
            _takes_alike(values[operand], found[operand], found[node], count)
            for operand in node.operands
        )
    else:
        numbers = _numbers(op.kind, len(node.operands))
        first = [
            _drawn(values[operand], found[operand], rng) if i in numbers else values[operand]
            for i, operand in enumerate(node.operands)
        ]
        second = [_moved(x, found[one], count) for x, one in zip(first, node.operands, strict=True)]
        given = [x for x in second if x is not None]  # an operand of them was refused
        one, other = (compute(op.kind, op.attributes, x, node.name) for x in (first, given))
        wanted = _moved(one, found[node], count)
        alike = wanted is not None and same(wanted, other)
    if not alike:
        raise node.error(FrontendError, MIXED, ON_ITS_OWN)


def _takes_alike(value: Tensor, own: Tensor, owner: Tensor, count: int) -> bool:
    """Whether an element-wise operator combines each sample with the same numbers of an operand.

    Args:
        value: That operand.
        own: The owners of it.
        owner: Those of the operator's value.
        count: Number of samples.
    """
    shared = np.where(own == SHARED, value, np.zeros((), value.dtype))
    for told in (shared, _places(own)):
        whole = np.broadcast_to(told, owner.shape)
        moved = _moved(whole, owner, count)
        if moved is None or not same(whole, moved):
            return False
    return True


def _places(own: Tensor) -> Tensor:
    """The place of every number among those of its sample, or SHARED."""
    places = np.full(own.size, SHARED)
    order = np.argsort(own.reshape(-1), kind="stable")
    owner = own.reshape(-1)[order]
    places[order] = np.arange(own.size) - np.searchsorted(owner, owner)
    return np.where(own == SHARED, SHARED, places.reshape(own.shape))


def _drawn(value: Tensor, own: Tensor, rng: np.random.Generator) -> Tensor:
    """Random numbers in the place of those of samples, also of whole ones and truth values."""
    return np.where(own == SHARED, value, rng.uniform(0.5, 2.0, value.shape))


def _moved(value: Tensor, own: Tensor, samples: int) -> Tensor | None:
    """A value with the numbers of each sample in the place of the next one's.

    There is none if samples do not have equally many.
    """
    places = np.flatnonzero(own != SHARED)
    if not places.size:
        return value
    owner = own.reshape(-1)[places]
    counts = np.bincount(owner, minlength=samples)
    if np.any(counts != counts[0]):
        return None
    order = places[np.argsort(owner, kind="stable")].reshape(samples, -1)
    moved = value.reshape(-1).copy()
    moved[np.roll(order, -1, axis=0)] = moved[order]
    return moved.reshape(value.shape)


def _marked(
    graph: Graph,
    samples: Mapping[str, Tensor],
    values: Mapping[Node, Tensor],
    counts: set[Node],
    bit: int,
    side: int,
) -> dict[Node, Tensor]:
    """Which numbers of every value are made of samples whose number has this bit."""
    marks: dict[Node, Tensor] = {}
    for node in graph.inputs:
        own = samples[node.name]
        marks[node] = (own != SHARED) & ((own >> bit) & 1 == side)
    for node in graph.nodes:
        if node in marks:
            continue
        taken = [marks[operand] for operand in node.operands]
        if node in counts or not any(mark.any() for mark in taken):
            marks[node] = np.zeros(values[node].shape, bool)
            continue
        made = _made_of(node, taken, values)
        marks[node] = np.broadcast_to(made != 0, values[node].shape)
    return marks


def _made_of(node: Node, marks: Sequence[Tensor], values: Mapping[Node, Tensor]) -> Tensor:
    """Not 0 where the value is made of marked numbers; of a shape that broadcasts to its own."""
    if is_elementwise(node):
        return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*marks)))
    if not isinstance(node.op, Primitive):
        return np.ones(())
    kind, attributes = node.op.kind, node.op.attributes
    operands = [values[operand] for operand in node.operands]
    numbers = _numbers(kind, len(marks))
    if any(mark.any() for i, mark in enumerate(marks) if i not in numbers):
        return _chosen(attributes, marks, operands) if kind == "Gather" else np.ones(())
    if kind in _PRODUCTS:
        return _product(kind, attributes, marks, operands)
    rest = [marks[i] if i in numbers else one for i, one in enumerate(operands)][1:]
    first = marks[0].astype(np.float64)
    if kind in _NORMALISATIONS:
        return _NORMALISATIONS[kind](first, attributes)
    if kind.startswith("Reduce"):
        return compute("ReduceSum", attributes, [first, *rest])
    if kind == "Pad":
        return compute(kind, attributes, [first, rest[0], np.zeros(()), *rest[2:]])
    if kind in _AS_MARKS or kind in _NUMBERS or node.op.operator.moves:
        return compute(kind, attributes, [first, *rest])
    return np.zeros(()) if kind == "EyeLike" else np.ones(())


def _numbers(kind: str, operands: int) -> Sequence[int]:
    return range(operands) if kind in _EVERY else _NUMBERS.get(kind, (0,))


def _product(
    kind: str, attributes: Mapping[str, Any], marks: Sequence[Tensor], operands: Sequence[Tensor]
) -> Tensor:
    """Of factors; what a layer adds to them is made of itself."""
    factors = len(operands) if kind == "Einsum" else 2
    told = {key: one for key, one in attributes.items() if key not in ("alpha", "beta")}
    sizes = [
        np.ones(one.shape) if mark.any() else (one != 0).astype(np.float64)
        for one, mark in zip(operands, marks, strict=True)
    ]
    total = np.zeros(())
    for i in range(factors):
        if marks[i].any():
            given = [marks[j].astype(np.float64) if i == j else sizes[j] for j in range(factors)]
            total = total + compute(kind, told, given)
    for mark in marks[factors:]:
        total = total + mark if mark.any() else total
    return np.asarray(total)


def _chosen(
    attributes: Mapping[str, Any], marks: Sequence[Tensor], operands: Sequence[Tensor]
) -> Tensor:
    """Rows of a table that a computed index chooses."""
    table, index = operands
    if marks[0].any():
        return np.ones(())
    after = table.ndim - 1 - attributes.get("axis", 0) % table.ndim
    return marks[1].reshape(index.shape + (1,) * after)


def _along(mark: Tensor, axes: tuple[int, ...]) -> Tensor:
    return np.asarray(np.max(mark, axis=axes, keepdims=True, initial=0))


_NORMALISATIONS: dict[str, Callable[[Tensor, Mapping[str, Any]], Tensor]] = {
    **dict.fromkeys(
        ("LogSoftmax", "Softmax"), lambda mark, told: _along(mark, (told.get("axis", -1),))
    ),
    "LayerNormalization": lambda mark, told: _along(
        mark, tuple(range(told.get("axis", -1) % mark.ndim, mark.ndim))
    ),
}
