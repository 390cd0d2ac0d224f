"""Inputs of any rank: as ``(samples, columns)``, which is what they are everywhere else.

A file may take one state ``(n,)``, samples ``(n,)`` of one coordinate, points ``(batch, points,
d)``, an image of one column ``(1, 1, 1, n)``, or a time ``()`` that all samples of a run share. It
does not say which. So readings are tried, those with the fewest columns first:

1. Every dimension but the last is one of samples, also the only one.
2. Fewer and fewer of the leading ones are.

For each, the graph over tables is made from the graph for one sample (``one_sample.py``), and
compared with the file's own network on several samples in the file's own shape: a network that
mixes samples differs. Where it does so for other numbers only, its operators show it
(``ir/owners.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from pinnir.base.errors import FrontendError, GraphError, PinnirError
from pinnir.frontend.loading import MOST_COLUMNS
from pinnir.frontend.one_sample import Tensor, over_tables
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Constant, Graph, Input, Node, Primitive, kind_of
from pinnir.ir.input_forms import RUN, SHORT, InputForm, Shape, samples_of_run
from pinnir.ir.names import Names
from pinnir.ir.owners import SHARED, owners
from pinnir.ir.sample_axes import MIXED, ON_ITS_OWN, same, separate_axes
from pinnir.ir.shape_values import made_of_shapes

Forms = Mapping[str, InputForm]
Shapes = Mapping[str, Shape]

# Inputs as the search for sample axes takes them; wider ones show mixing that a function hides
# which is flat there.
_NARROW = (0.1, 0.9)
_WIDE = ((-1.0, 1.0), (-4.0, 4.0))
# Lengths of open dimensions but the last that are not the one that runs have; of 1 it is the last
# one that is longer than in these.
_SHORT_LENGTHS = (3, 1)
_SHAPED = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}
_FIXED_BATCH = "export it with a dynamic number of samples, or for one sample"


def with_axes(graph: Graph, shapes: Shapes, names: Mapping[str, str]) -> Graph:
    """A graph whose inputs know their sample axes.

    Args:
        graph: A tensor graph of inputs ``(samples, columns)``.
        shapes: Of the inputs as the file declares them.
        names: What the file calls the first dimension of an input.

    Raises:
        PinnirError: If it mixes samples, or can only be computed for one number of them in a way
            that shows in its values.
    """
    try:
        return separate_axes(graph, names)
    except PinnirError as error:
        if any(len(shape) != 2 or shape[1] is None for shape in shapes.values()):
            raise
        try:
            return separate_axes(in_tables(graph, shapes), names)
        except PinnirError as other:
            mixed = other.message == MIXED and isinstance(error, GraphError)
            raise other if mixed else _advised(error, shapes) from None


def _advised(error: PinnirError, shapes: Shapes) -> PinnirError:
    """An error of computing, with what to do about a number of samples that is written down."""
    fixed = any(shape[:1] not in ((), (None,)) for shape in shapes.values())
    if not (fixed and error.node and isinstance(error, GraphError)):
        return error
    return FrontendError(error.message, node=error.node, op=error.op, hint=_FIXED_BATCH)


def in_tables(graph: Graph, shapes: Shapes) -> Graph:
    """The graph of inputs ``(samples, columns)`` that a graph of inputs of any rank means.

    Args:
        graph: A tensor graph that takes its inputs in the file's shapes.
        shapes: Those.

    Raises:
        PinnirError: If it mixes samples in every reading, or cannot be computed.
    """
    separable = _separable(graph, shapes)
    if separable is not None:
        return separable
    problems: list[PinnirError] = []
    for forms in _readings(graph, shapes):
        for single in _for_one_sample(graph, forms):
            try:
                return _compared(graph, single, forms)
            except PinnirError as error:
                problems.append(error)
    mixing = [error for error in problems if error.hint == ON_ITS_OWN]
    if not mixing and isinstance(problems[-1], _TooManyColumnsError):
        first = problems[0]
        problem = f"cannot be computed from a part of the input; the whole {problems[-1].message}"
        raise FrontendError(problem, node=first.node, op=first.op, hint=problems[-1].hint)
    raise _advised(mixing[0] if mixing else problems[-1], shapes)


class _TooManyColumnsError(FrontendError):
    """The input has too many columns if it is read in some way."""


def _readings(graph: Graph, shapes: Shapes) -> Iterator[dict[str, InputForm]]:
    """Which dimensions may be samples, those with the fewest columns first."""
    choices: dict[str, list[InputForm]] = {}
    for node in graph.inputs:
        shape = shapes[node.name]
        least, most = min(1, len(shape) - 1), max(len(shape) - 1, min(1, len(shape)))
        found: dict[int, InputForm] = {}
        for leading in range(most, max(least, 0) - 1, -1):
            rest = shape[leading:]
            if None not in rest:
                columns = prod(size for size in rest if size is not None)
                found[columns] = InputForm(shape, leading)
        if not found:
            raise node.error(
                FrontendError,
                "leaves its last dimension open, which holds the columns",
                "export the network with a fixed last dimension",
            )
        choices[node.name] = list(found.values())
    for level in range(max(map(len, choices.values()))):
        yield {name: found[min(level, len(found) - 1)] for name, found in choices.items()}


def _separable(graph: Graph, shapes: Shapes) -> Graph | None:
    """Coordinates ``(n,)`` at samples of their own, if values at all combinations are wanted."""
    ranks = {len(shape) for shape in shapes.values()}
    if 1 not in ranks or not ranks <= {1, 2} or len(shapes) < 2:
        return None
    if any(len(shape) == 2 and shape[1] is None for shape in shapes.values()):
        return None
    names, new = Names.of(graph), dict[Node, Node]()
    for node in graph.inputs:
        shape = shapes[node.name]
        new[node] = node.with_op(Input(1 if len(shape) == 1 else shape[1]))
    tables = tuple(new.values())
    for node, shape in zip(graph.inputs, shapes.values(), strict=True):
        if len(shape) == 1:
            line = Node(names.fresh(f"{node.name}:dims"), Constant(np.array([-1])))
            operands = (new[node], line)
            new[node] = Node(names.fresh(f"{node.name}:line"), Primitive("Reshape"), operands)
    for node in graph.nodes:
        new.setdefault(node, node.with_operands(*(new.get(o, o) for o in node.operands)))
    outputs = tuple(new[node] for node in graph.outputs)
    try:
        found = separate_axes(replace(graph, inputs=tables, outputs=outputs))
    except PinnirError:
        return None  # it may be computed row by row
    return found if max(axis for _, _, axis in found.model_inputs) else None


def _for_one_sample(graph: Graph, forms: Forms) -> Iterator[Graph]:
    """The graph, and what it is without the number of samples that was written into it."""
    yield graph
    batch = max(form.block for form in forms.values())
    if batch == 1:
        return

    def change(node: Node) -> Node:
        place = _SHAPED.get(kind_of(node))
        if place is None or not isinstance(node.operands[place].op, Constant):
            return node
        shape = node.operands[place]
        sizes = _without(shape.op_as(Constant).value, batch)
        if sizes is None:
            return node
        operands = list(node.operands)
        operands[place] = Node(names.fresh(shape.name), Constant(sizes))
        return node.with_operands(*operands)

    names = Names.of(graph)
    changed = graph.rewrite(change)
    yield changed
    yield changed.rewrite(lambda node: _one_row(node, batch))


def _without(sizes: Tensor, batch: int) -> Tensor | None:
    """A shape without the factor of the samples: one dimension's, or that of the first ones."""
    found = sizes.copy()
    whole = np.flatnonzero(sizes == batch)
    if whole.size:
        found[whole[0]] = 1
        return found
    rest = batch
    for index, size in enumerate(sizes):
        if size > 1 and rest % size == 0:
            found[index], rest = 1, rest // size
    return found if rest < batch else None


def _one_row(node: Node, batch: int) -> Node:
    """A constant that is the same for each of the samples that the network was traced with."""
    value = node.op.value if isinstance(node.op, Constant) else np.zeros(())
    if value.ndim < 2 or len(value) != batch or np.any(value != value[:1]):
        return node
    return node.with_op(Constant(value[:1]))


def _compared(graph: Graph, single: Graph, forms: Forms) -> Graph:
    """The graph over tables, if it computes what the file's network does on several samples.

    Args:
        graph: Of the file's shapes.
        single: The same for one sample.
        forms: How the inputs are read.

    Raises:
        FrontendError: If it does not.
    """
    columns = sum(form.columns for form in forms.values())
    if columns > MOST_COLUMNS:
        problem = f"makes {columns:,} columns of input; pinnir takes up to {MOST_COLUMNS}"
        raise graph.inputs[0].error(
            _TooManyColumnsError, problem, "export a network of the coordinates"
        )
    count = samples_of_run(forms.values(), most=1) or 5
    rng = np.random.default_rng(0)
    drawn = _drawn(rng, forms, count, *_NARROW)
    found = over_tables(single, {name: form.one(drawn[name]) for name, form in forms.items()})
    _compare(graph, found, forms, drawn)
    for low, high in _WIDE:
        drawn = _drawn(rng, forms, count, low, high)
        try:
            evaluate(graph, _given(forms, drawn))
        except PinnirError:
            continue  # numbers that choose rows of a table have bounds
        _compare(graph, found, forms, drawn)
    drawn = _drawn(rng, forms, count, *_NARROW)
    _check_owners(graph, found, forms, drawn)
    longer = _longer(forms)
    if longer is not None:
        many, short = longer
        drawn = _drawn(rng, forms, many, *_NARROW)
        _compare(graph, found, forms, drawn, short)
        _check_owners(graph, found, forms, drawn, short)
    return found


def _longer(forms: Forms) -> tuple[int, int] | None:
    """Samples of a run in which open dimensions have other lengths, and that of all but the last.

    Operators that take so many of them at most, as ``x[:2]`` does, do not show if there are no
    more, nor do those that mix samples along a dimension of length 1.
    """
    if not any(form.is_open for form in forms.values()):
        return None
    for short in _SHORT_LENGTHS:
        try:
            return samples_of_run(forms.values(), short=short) or RUN, short
        except GraphError:
            continue  # another input has a fixed number of samples
    return None


def _check_owners(
    graph: Graph, found: Graph, forms: Forms, tables: Mapping[str, Tensor], short: int = SHORT
) -> None:
    """Refuse operators that mix samples, and values that depend on the place of a sample.

    Args:
        graph: Of the file's shapes.
        found: That over tables.
        forms: How the inputs are read.
        tables: Samples of every input.
        short: As :meth:`~pinnir.ir.input_forms.InputForm.given`.

    Raises:
        FrontendError: Naming the operator.
    """
    numbers = {name: _numbers(form, tables[name]) for name, form in forms.items()}
    given, own = _given(forms, tables, short), _given(forms, numbers, short)
    known = owners(graph, given, own)
    values, rows = _all_values(graph, given), _all_values(found, tables)
    of_rows = {node.name: (rows[node], one) for node, one in owners(found, tables, numbers).items()}
    for node in graph.nodes:
        if node.name in of_rows and not _alike((values[node], known[node]), of_rows[node.name]):
            raise node.error(FrontendError, MIXED, ON_ITS_OWN)
    count = len(next(iter(tables.values())))
    for node, new in zip(graph.outputs, found.outputs, strict=True):
        parts = known[node].reshape(-1, rows[new].shape[1])
        wanted = np.arange(count)[:, None] if len(parts) == count else SHARED
        if np.any((parts != SHARED) & (parts != wanted)):
            raise _not_first(node)


def _numbers(form: InputForm, table: Tensor) -> Tensor:
    """The number of its sample for every entry of a table, or SHARED."""
    rows = np.full(len(table), SHARED) if form.takes_one else np.arange(len(table))
    return np.repeat(rows[:, None], table.shape[1], axis=1)


def _alike(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    """Whether each sample has the same numbers in two values, if it has equally many there."""
    numbers, samples = _by_sample(*one)
    others, theirs = _by_sample(*other)
    return not np.array_equal(samples, theirs) or same(numbers, others)


def _by_sample(value: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Its numbers in the order of samples, those of each by size; and the samples."""
    kept = own != SHARED
    order = np.lexsort((value[kept], own[kept]))
    return value[kept][order], own[kept][order]


def _drawn(
    rng: np.random.Generator, forms: Forms, count: int, low: float, high: float
) -> dict[str, Tensor]:
    """Samples of every input, ``(count, columns)``."""
    found: dict[str, Tensor] = {}
    for name, form in forms.items():
        own = 1 if form.takes_one else count
        drawn = rng.uniform(low, high, (own, form.columns))
        found[name] = np.repeat(drawn, count // own, axis=0)
    return found


def _given(forms: Forms, tables: Mapping[str, Tensor], short: int = SHORT) -> dict[str, Tensor]:
    """Samples as the file takes them in one run."""
    return {
        name: form.given(tables[name][:1] if form.takes_one else tables[name], short)
        for name, form in forms.items()
    }


def _compare(
    graph: Graph, found: Graph, forms: Forms, tables: dict[str, Tensor], short: int = SHORT
) -> None:
    count = len(next(iter(tables.values())))
    wanted = evaluate(graph, _given(forms, tables, short))
    values = evaluate(found, tables)
    for node, one, other in zip(graph.outputs, wanted, values, strict=True):
        if one.size not in (count * other.shape[1], other.shape[1]) or not same(
            np.broadcast_to(one.reshape(-1, other.shape[1]), (count, other.shape[1])),
            np.broadcast_to(other, (count, other.shape[1])),
        ):
            raise _why_not(graph, forms, tables, node, short)


def _why_not(
    graph: Graph, forms: Forms, tables: Mapping[str, Tensor], output: Node, short: int
) -> FrontendError:
    """The first value that is not made of the values for each sample alone."""
    together = _all_values(graph, _given(forms, tables, short))
    try:
        alone = [
            _all_values(graph, {name: form.one(tables[name][row:]) for name, form in forms.items()})
            for row in range(len(next(iter(tables.values()))))
        ]
    except PinnirError as error:
        return FrontendError(error.message, node=error.node, op=error.op, hint=_FIXED_BATCH)
    counts = made_of_shapes(graph)
    for node, value in together.items():
        parts = np.concatenate([each[node].reshape(-1) for each in alone])
        once = np.sort(alone[0][node].reshape(-1))
        whole = np.sort(value.reshape(-1))
        if node in counts or isinstance(node.op, Constant):
            continue
        if not (
            (whole.size == parts.size and same(whole, np.sort(parts)))
            or (whole.size == once.size and same(whole, once))
        ):
            return node.error(FrontendError, MIXED, ON_ITS_OWN)
    return _not_first(output)


def _not_first(output: Node) -> FrontendError:
    problem = "this output does not put its samples first"
    return output.error(FrontendError, problem, "let the network give (samples, columns)")


def _all_values(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[Node, Tensor]:
    values: dict[Node, Tensor] = {node: np.asarray(inputs[node.name]) for node in graph.inputs}
    values |= {node: node.op.value for node in graph.nodes if isinstance(node.op, Constant)}

    def keep(step: int, node: Node, value: Tensor) -> None:
        values[node] = value

    evaluate(graph, inputs, keep)
    return values
