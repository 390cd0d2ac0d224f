"""Sample axes: which dimensions of a value run over points, and which inputs share them.

A network of points has one sample axis: every input gives row ``i`` of point ``i``. A separable
network takes each coordinate at samples of its own and gives values at all combinations, so it has
an axis a coordinate. No exporter says which it is. It is found by computing the graph for two
numbers of samples along every axis and looking at what changes: a dimension that follows an axis
runs along it. The same two runs show whether a value depends on *other* samples than its own, or on
its place among them: the second has more samples, and the first one's stand at other places. What
such runs cannot show, because a function is flat where they went, every operator shows by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import FrontendError, PinnirError
from pinnir.ir.evaluate import compute, evaluate
from pinnir.ir.graph import Constant, Graph, Input, Node, Primitive, is_elementwise, width
from pinnir.ir.shape_values import fixed_among, made_of_shapes
from pinnir.numerics.matrix import Array

# The length of a constant dimension, or the sample axes that run along it, slowest first.
Dim: TypeAlias = int | tuple[int, ...]
Layout: TypeAlias = tuple[Dim, ...]
Tensor: TypeAlias = NDArray[Any]

# Numbers of samples to try; those that the model's own shapes hold are left out.
_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
# Of an error about samples that are mixed.
MIXED = "its value at one point depends on the other points"
ON_ITS_OWN = "export a network in which every point is computed on its own"


def axes_of(layout: Layout) -> tuple[int, ...]:
    """The sample axes of a value, ascending."""
    return tuple(sorted(axis for dim in layout if isinstance(dim, tuple) for axis in dim))


def columns_in(layout: Layout) -> int:
    """Entries of a value for one sample of each axis."""
    return prod(dim for dim in layout if isinstance(dim, int))


def to_grid(value: Tensor, layout: Layout, sizes: tuple[int, ...]) -> Tensor:
    """A value as ``(samples of axis 0, samples of axis 1, ..., columns)``.

    Args:
        value: In its own layout.
        layout: What its dimensions are.
        sizes: Samples along every axis. Along an axis that the value does not depend on, the
            result has length 1.
    """
    dims = _apart(layout, sizes)
    axes = [axis for _, axis in dims]
    order = [axes.index(axis) for axis in sorted(a for a in axes if a is not None)]
    order += [i for i, axis in enumerate(axes) if axis is None]
    grid = value.reshape([length for length, _ in dims]).transpose(order)
    lengths = [size if axis in axes else 1 for axis, size in enumerate(sizes)]
    return grid.reshape(*lengths, columns_in(layout))


def _apart(layout: Layout, sizes: tuple[int, ...]) -> list[tuple[int, int | None]]:
    """Length and sample axis of the dimensions of a value, each axis in one of its own."""
    dims: list[tuple[int, int | None]] = []
    for dim in layout:
        dims += [(dim, None)] if isinstance(dim, int) else [(sizes[axis], axis) for axis in dim]
    return dims


def side_by_side(
    values: Iterable[Tensor], shapes: Iterable[Layout], sizes: tuple[int, ...]
) -> Tensor:
    """Values with their layouts as one, ``(*sizes, columns)``."""
    grids = [to_grid(v, layout, sizes) for v, layout in zip(values, shapes, strict=True)]
    return np.concatenate([np.broadcast_to(g, (*sizes, g.shape[-1])) for g in grids], axis=-1)


def is_table(layout: Layout) -> bool:
    """Whether a value is ``(samples, columns)``."""
    return len(layout) == 2 and isinstance(layout[0], tuple) and isinstance(layout[1], int)


def has_features(graph: Graph) -> bool:
    """Whether a tensor graph of one sample axis computes with several feature dimensions.

    Values that only have such dimensions, as what leaves the network may, are none of these.
    """
    known = layouts(graph)
    counts = made_of_shapes(graph)
    computed = [n for n in graph.nodes if not (_is_moved(n) or n in counts)]
    taken = dict.fromkeys(one for node in computed for one in (node, *node.operands))
    own = [known[n] for n in taken if not (isinstance(n.op, Constant) or n in counts)]
    along = [axes_of(layout) for layout in own]
    return set(along) == {(0,)} and not all(map(is_table, own))


def _is_moved(node: Node) -> bool:
    op = node.op
    return isinstance(op, Constant) or (isinstance(op, Primitive) and bool(op.operator.moves))


def separate_axes(graph: Graph, names: Mapping[str, str] | None = None) -> Graph:
    """Give every input its sample axis: as many axes as the graph can be computed with.

    Args:
        graph: A tensor graph.
        names: What the model calls the first dimension of each input, where it has a name. Inputs
            that share one and are never combined are taken row by row.

    Raises:
        PinnirError: If it cannot be computed even with all inputs row by row, or an output holds
            no values.
    """
    used = {node for node in graph.inputs if graph.users[node] or node in graph.outputs}
    axes = {node.name: i if node in used else -1 for i, node in enumerate(graph.inputs)}
    found: dict[Node, Layout] | None = None
    while found is None:
        axes = _numbered(axes)
        try:
            found = layouts(_with_axes(graph, axes))
        except _Clash as clash:
            axes = _joined(axes, *clash.axes)
    met = {frozenset(n for n in axes if axes[n] in axes_of(one)) for one in found.values()}
    given = names or {}
    for one, other in combinations(axes, 2):
        alike = given.get(one) is not None and given.get(one) == given.get(other)
        pair = {axes[one], axes[other]}
        if alike and not any(pair <= {axes[name] for name in together} for together in met):
            axes = _joined(axes, *pair)
    separate = _with_axes(graph, _numbered(axes))
    _check_outputs(separate, {node.name: layout for node, layout in found.items()})
    check_operators(separate)
    return separate


def _check_outputs(graph: Graph, found: Mapping[str, Layout]) -> None:
    """An output without values is no field; slices beyond the end of a dimension give such."""
    for node in graph.outputs:
        if columns_in(found[node.name]) == 0:
            shape = ", ".join(str(d) if isinstance(d, int) else "samples" for d in found[node.name])
            hint = "take it off the model's outputs, or mend the slice that leaves nothing of it"
            raise node.error(FrontendError, f"this output is empty: its shape is ({shape})", hint)


def _joined(axes: Mapping[str, int], first: int, second: int) -> dict[str, int]:
    return {name: first if axis == second else axis for name, axis in axes.items()}


def _numbered(axes: Mapping[str, int]) -> dict[str, int]:
    """Axes numbered from 0 in the order of the inputs; an unused input (-1) joins the first."""
    order = {axis: i for i, axis in enumerate(dict.fromkeys(a for a in axes.values() if a >= 0))}
    return {name: order.get(axis, 0) for name, axis in axes.items()}


def _with_axes(graph: Graph, axes: Mapping[str, int]) -> Graph:
    def change(node: Node) -> Node:
        op = node.op
        if not isinstance(op, Input) or op.axis == axes[node.name]:
            return node
        return node.with_op(Input(op.width, axes[node.name]))

    return graph.rewrite(change)


def layouts(graph: Graph) -> dict[Node, Layout]:
    """The layout of every value of a tensor graph.

    Raises:
        FrontendError: If a value mixes samples, or has a size that their numbers do not explain.
    """
    probes, counts = _probes(graph), made_of_shapes(graph)
    return {node: _layout(node, *probes, exact=node not in counts) for node in graph.nodes}


def check_operators(graph: Graph) -> None:
    """Refuse operators that mix samples, whatever numbers they are given.

    Each is given random numbers, and again with those of all samples but one exchanged for larger
    ones: its value for that sample may not change. Given each sample's numbers in the place of the
    next, its own must have moved as well. Element-wise operators do both, but for those that
    combine samples with what is made of their number.

    Raises:
        FrontendError: As :func:`layouts`.
    """
    known, counts = layouts(graph), made_of_shapes(graph)
    _, probe = _probes(graph)
    for node in graph.nodes:
        if not isinstance(node.op, Primitive) or node in counts:
            continue
        if is_elementwise(node):
            _check_counts(node, [one for one in node.operands if one in counts], known, probe)
        else:
            varied = [operand for operand in node.operands if operand not in counts]
            _check_operator(node, node.op, varied, known, probe)


def _check_counts(
    node: Node, counts: Sequence[Node], known: Mapping[Node, Layout], probe: _Probe
) -> None:
    """Refuse an element-wise operator that takes other counts for some samples than for others."""
    for count in counts:
        for axis in axes_of(known[count]):
            value = probe.values[count]
            if not same(value, _moved(value, known[count], axis, probe.sizes)):
                raise node.error(FrontendError, MIXED, ON_ITS_OWN)


def _check_operator(
    node: Node,
    op: Primitive,
    varied: Sequence[Node],
    known: Mapping[Node, Layout],
    probe: _Probe,
) -> None:
    """One operator, by varying these of its operands; the others are the same for any inputs."""
    rng = np.random.default_rng(0)
    layout = known[node]
    for axis in sorted({axis for operand in varied for axis in axes_of(known[operand])}):
        first, second, third = [], [], []
        for operand in node.operands:
            x, own = probe.values[operand], known[operand]
            x = x.astype(np.float64) if x.dtype.kind == "b" else x  # so that all of them differ
            if operand not in varied:
                own = ()
            elif axes_of(own) and x.dtype.kind == "f":
                x = rng.normal(size=x.shape)
            first.append(x)
            second.append(_others_changed(x, own, axis, probe.sizes, rng))
            third.append(_moved(x, own, axis, probe.sizes))
        value, changed, moved = (
            compute(op.kind, op.attributes, given, node.name) for given in (first, second, third)
        )
        one, other = (_of_one_sample(v, layout, axis, probe.sizes) for v in (value, changed))
        if not (same(one, other) and same(_moved(value, layout, axis, probe.sizes), moved)):
            raise node.error(FrontendError, MIXED, ON_ITS_OWN)


def _moved(value: Tensor, layout: Layout, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """A value with the numbers of each sample of an axis in the place of the next one's."""
    dims = _apart(layout, sizes)
    axes = [one for _, one in dims]
    if axis not in axes:
        return value
    apart = value.reshape([length for length, _ in dims])
    return np.roll(apart, 1, axis=axes.index(axis)).reshape(value.shape)


def _others_changed(
    value: Tensor, layout: Layout, axis: int, sizes: tuple[int, ...], rng: np.random.Generator
) -> Tensor:
    """A value with larger numbers for all samples of an axis but one; indices become that one's."""
    dims = _apart(layout, sizes)
    axes = [one for _, one in dims]
    if axis not in axes:
        return value
    where = axes.index(axis)
    apart = value.reshape([length for length, _ in dims])
    kept = np.take(apart, [sizes[axis] // 2], axis=where)
    others = 10 * rng.normal(size=apart.shape) if value.dtype.kind == "f" else kept
    shape = [-1 if i == where else 1 for i in range(len(dims))]
    is_kept = (np.arange(sizes[axis]) == sizes[axis] // 2).reshape(shape)
    return np.asarray(np.where(is_kept, kept, others)).reshape(value.shape)


def _of_one_sample(value: Tensor, layout: Layout, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """What belongs to the sample that was kept; of a value without the axis all."""
    dims = _apart(layout, sizes)
    axes = [one for _, one in dims]
    if axis not in axes:
        return value
    apart = value.reshape([length for length, _ in dims])
    return np.asarray(np.take(apart, sizes[axis] // 2, axis=axes.index(axis)))


def fixed_counts(graph: Graph) -> dict[str, Tensor]:
    """Values made from shapes that are the same for every number of samples, by node name.

    There are none in a graph that can only be computed for one number of samples.
    """
    if not made_of_shapes(graph):
        return {}
    try:
        small, large = (probe.values for probe in _probes(graph))
    except PinnirError:
        return {}
    return {node.name: small[node] for node in fixed_among(graph, small, large)}


def tables(graph: Graph) -> dict[Node, int]:
    """Columns of every value that is ``(samples, columns)``, each row computed on its own.

    There are none in a graph that can only be computed for one number of samples, or that mixes
    samples.
    """
    try:
        known = layouts(graph)
    except PinnirError:
        return {}
    return {node: columns_in(layout) for node, layout in known.items() if is_table(layout)}


class _Clash(Exception):  # noqa: N818 (caught in this file; no error)
    """A node wants two axes equally long."""

    def __init__(self, axes: tuple[int, int]) -> None:
        super().__init__()
        self.axes = axes


@dataclass(frozen=True, eq=False)
class _Probe:
    """Every value of a graph for some number of samples along each axis."""

    sizes: tuple[int, ...]
    values: dict[Node, Tensor]


def _probes(graph: Graph) -> tuple[_Probe, _Probe]:
    taken = {size for node in graph.nodes for size in _fixed_sizes(node)}
    primes = [prime for prime in _PRIMES if prime not in taken]
    axes = 1 + max((node.op.axis for node in graph.inputs if isinstance(node.op, Input)), default=0)
    rng = np.random.default_rng(0)
    tables = {n.name: rng.uniform(0.1, 0.9, (primes[2 * axes - 1], width(n))) for n in graph.inputs}
    small, large = (tuple(primes[first : 2 * axes : 2]) for first in (0, 1))
    moves = tuple(_move(*pair) for pair in zip(small, large, strict=True))
    return _probe(graph, tables, small), _probe(graph, tables, large, moves)


def _move(small: int, large: int) -> int:
    """How far samples move round: no place stays the same, counted from neither end."""
    return large - small + 1


def _fixed_sizes(node: Node) -> tuple[int, ...]:
    if isinstance(node.op, Constant):
        return node.op.value.shape
    return (node.op.width or 0,) if isinstance(node.op, Input) else ()


def _probe(
    graph: Graph, tables: Mapping[str, Array], sizes: tuple[int, ...], moves: tuple[int, ...] = ()
) -> _Probe:
    values: dict[Node, Tensor] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            own = tables[node.name][: sizes[node.op.axis]]
            values[node] = np.roll(own, moves[node.op.axis], axis=0) if moves else own
        elif isinstance(node.op, Constant):
            values[node] = node.op.value

    def keep(step: int, node: Node, value: Array) -> None:
        values[node] = value

    try:
        evaluate(graph, {node.name: values[node] for node in graph.inputs}, keep)
    except PinnirError as error:
        failed = next(node for node in graph.nodes if node not in values)
        shapes = [values[operand].shape for operand in failed.operands]
        met = [axis for shape in shapes for dim in shape for axis in _axes_along(dim, sizes)]
        different = tuple(dict.fromkeys(met))
        if len(different) < 2:
            raise
        raise _Clash((different[0], different[1])) from error
    return _Probe(sizes, values)


def _axes_along(dim: int, sizes: tuple[int, ...]) -> list[int]:
    return [axis for axis, size in enumerate(sizes) if dim and dim % size == 0]


def _layout(node: Node, small: _Probe, large: _Probe, *, exact: bool) -> Layout:
    """The layout of one value; ``exact`` if its numbers may not depend on how many samples ran."""
    a, b = small.values[node], large.values[node]
    shapes = list(zip(a.shape, b.shape, strict=True)) if a.ndim == b.ndim else [(0, 1)]
    choices = [list(_dims(pair, small.sizes, large.sizes)) for pair in shapes]
    if not all(choices):
        problem = f"its size is {a.shape} for {small.sizes} samples and {b.shape} for {large.sizes}"
        raise node.error(FrontendError, problem, ON_ITS_OWN)
    for layout in product(*choices):
        axes = axes_of(layout)
        once = len(set(axes)) == len(axes)
        if once and (not exact or _agree(layout, node, small, large)):
            return layout
    raise node.error(FrontendError, MIXED, ON_ITS_OWN)


def _dims(
    lengths: tuple[int, int], small: tuple[int, ...], large: tuple[int, ...]
) -> Iterator[Dim]:
    """What a dimension may be that has these lengths in the two probes."""
    if lengths[0] == lengths[1]:
        yield lengths[0]
        return
    axes = [a for a in _axes_along(lengths[0], small) if a in _axes_along(lengths[1], large)]
    for count in range(1, len(axes) + 1):
        for some in combinations(axes, count):
            if lengths == (prod(small[a] for a in some), prod(large[a] for a in some)):
                yield from permutations(some)


def _agree(layout: Layout, node: Node, small: _Probe, large: _Probe) -> bool:
    """Whether the samples that both probes have got the same values."""
    one = to_grid(small.values[node], layout, small.sizes)
    other = to_grid(large.values[node], layout, large.sizes)
    for axis, pair in enumerate(zip(small.sizes, large.sizes, strict=True)):
        other = np.roll(other, -_move(*pair), axis) if other.shape[axis] > 1 else other
    other = other[tuple(slice(0, length) for length in one.shape)]
    return same(one, other)


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two values are the same but for rounding."""
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    scale = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return bool(np.allclose(one, other, rtol=0, atol=1e-9 * scale, equal_nan=True))
