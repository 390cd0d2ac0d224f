"""Inputs of any rank are read as columns and samples, and mean what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, seed, settings

from pinnir.base.errors import PinnirError
from pinnir.frontend import Model
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.sample_axes import is_table, layouts
from pinnir.points.domain import Domain
from pinnir.program.running import SourceNetwork
from tests.frontend.test_random_graphs import ROUNDING, nameless, run, values_of
from tests.input_forms import MIXES, AnyNet, Form, FormedNet, wrapped_nets
from tests.random_forms import formed_graphs
from tests.random_graphs import RandomModel


def net(build: Callable[..., str], dtype: str = "float64", **forms: Form) -> FormedNet:
    """A network of inputs of these forms; ``build`` is given their names."""
    made = AnyNet(dtype=dtype)
    names = [made.shaped(name, *shape) for name, (shape, _) in forms.items()]
    return FormedNet(made.proto(build(made, *names)), forms)


def column_of(n: AnyNet, x: str, index: int) -> str:
    """One number of a vector, as exporters write ``x[index]``."""
    return n.op("Gather", x, n.constant(np.array(index)), axis=0)


def pendulum(n: AnyNet, x: str) -> str:
    """A policy of one state: features stacked from single numbers, weights at the left."""
    angle, speed = column_of(n, x, 0), column_of(n, x, 1)
    parts = [n.op("Sin", angle), n.op("Cos", angle), speed]
    stacked = n.op("Concat", *(n.op("Unsqueeze", p, n.whole(0)) for p in parts), axis=0)
    left = n.op("MatMul", n.constant(n.rng.normal(size=(8, 3))), stacked)
    return n.op("Tanh", n.body(n.op("Tanh", left), 8, 2))


def stacked_lines(n: AnyNet, x: str, t: str) -> str:
    """``u(x, t)`` of two lines of samples."""
    parts = [n.op("Unsqueeze", one, n.whole(-1)) for one in (x, t)]
    return n.op("Squeeze", n.body(n.op("Concat", *parts, axis=-1), 2), n.whole(-1))


def elementwise_lines(n: AnyNet, x: str, t: str) -> str:
    """The same written number by number."""
    terms = []
    for _ in range(3):
        a, b, c = n.rng.normal(size=3)
        inner = n.op("Add", n.op("Mul", x, float(a)), n.op("Mul", t, float(b)))
        terms.append(n.op("Mul", n.op("Tanh", inner), float(c)))
    return n.op("Sum", *terms)


def broadcast_lines(n: AnyNet, x: str, t: str) -> str:
    """A first layer that is no product of matrices."""
    first = []
    for one in (x, t):
        column = n.op("Unsqueeze", one, n.whole(1))
        first.append(n.op("Mul", column, n.constant(n.rng.normal(size=(1, 6)))))
    hidden = n.op("Tanh", n.op("Add", n.op("Add", *first), n.constant(n.rng.normal(size=6))))
    return n.op("Reshape", n.linear(hidden, 6, 1), n.whole(-1))


def broadcast_time(n: AnyNet, x: str, t: str) -> str:
    """A time that all points share."""
    count = n.op("Slice", n.op("Shape", x), n.whole(0), n.whole(1))
    shape = n.op("Concat", count, n.whole(1), axis=0)
    return n.body(n.op("Concat", x, n.op("Expand", t, shape), axis=1), 2)


def added_time(n: AnyNet, x: str, t: str) -> str:
    return n.body(n.op("Add", n.linear(x, 1, 4), n.op("Sin", t)), 4)


def matlab(n: AnyNet, x: str) -> str:
    """A layer over the whole width, then kernels of one place."""
    first, second = n.rng.normal(size=(6, 1, 1, 5)), n.rng.normal(size=(3, 6, 1, 1))
    hidden = n.op("Tanh", n.op("Conv", x, n.constant(first / 2), n.constant(np.ones(6) / 3)))
    hidden = n.op("Relu", n.op("Conv", hidden, n.constant(second / 2)))
    return n.linear(n.op("Flatten", hidden), 3, 2)


def channels(n: AnyNet, x: str) -> str:
    """Columns that become channels, and back."""
    value = n.op("Transpose", x, perm=[0, 3, 1, 2])
    hidden = n.op("Conv", value, n.constant(n.rng.normal(size=(6, 5, 1, 1)) / 2))
    hidden = n.op("GlobalAveragePool", n.op("Tanh", hidden))
    return n.linear(n.op("Reshape", hidden, n.whole(1, 6)), 6, 2)


def literal_shapes(n: AnyNet, x: str) -> str:
    """What an exporter writes that knows how many samples it was given."""
    wide = n.op("Reshape", x, n.whole(8, 1, 1, 2, 3))
    flat = n.op("Reshape", n.op("Sin", wide), n.whole(8, 6))
    ones = n.constant(np.ones((8, 1)))
    return n.body(n.op("Concat", flat, ones, axis=1), 7)


CASES: dict[str, FormedNet] = {
    "state": net(lambda n, x: n.body(x, 4, 2), x=((4,), 0)),
    "pendulum": net(pendulum, x=((2,), 0)),
    "a state of one number": net(lambda n, x: n.body(x, 1), x=((1,), 0)),
    "lines": net(stacked_lines, x=(("n",), 1), t=(("n",), 1)),
    "lines of fixed length": net(stacked_lines, x=((6,), 1), t=((6,), 1)),
    "lines number by number": net(elementwise_lines, x=(("n",), 1), t=(("m",), 1)),
    "lines that are broadcast": net(broadcast_lines, x=(("n",), 1), t=(("n",), 1)),
    "points in a batch of one": net(lambda n, x: n.body(x, 2), x=((1, 16, 2), 2)),
    "points in batches": net(lambda n, x: n.body(x, 2, 3), x=(("b", "p", 2), 2)),
    "fixed batches of points": net(lambda n, x: n.body(x, 2), x=((4, 3, 2), 2)),
    "open batches of fixed points": net(lambda n, x: n.body(x, 2), x=(("b", 5, 2), 2)),
    "fixed batches of open points": net(lambda n, x: n.body(x, 2), x=((4, "p", 2), 2)),
    "a dimension of one": net(lambda n, x: n.body(x, 3), x=(("n", 1, 3), 1)),
    "matlab": net(matlab, "float32", x=((1, 1, 1, 5), 1)),
    "matlab in batches": net(matlab, "float32", x=(("n", 1, 1, 5), 1)),
    "channels": net(channels, "float32", x=((1, 1, 1, 5), 1)),
    "a time of two dimensions": net(broadcast_time, x=(("n", 1), 1), t=((1, 1), 1)),
    "a time of one": net(added_time, x=(("n", 1), 1), t=((1,), 0)),
    "a time of none": net(added_time, x=(("n", 1), 1), t=((), 0)),
    "a time beside a fixed batch": net(added_time, x=((16, 1), 1), t=((), 0)),
    "a time beside lines": net(elementwise_lines, x=(("n",), 1), t=((), 0)),
    "a fixed batch": net(lambda n, x: n.body(x, 2), x=((16, 2), 1)),
    "literal shapes": net(literal_shapes, x=((8, 6), 1)),
    "two states": net(
        lambda n, x, r: n.body(n.op("Concat", x, r, axis=0), 5), x=((2,), 0), r=((3,), 0)
    ),
}


def check_meaning(case: FormedNet, columns: dict[str, int]) -> Model:
    """The network is read with these columns, and computes what ONNX Runtime does."""
    model = import_bytes(case.proto.SerializeToString()).with_axes()
    assert {n: c for n, c, _ in model.graph.model_inputs} == columns
    known = layouts(model.graph)
    assert all(is_table(known[output]) for output in model.graph.outputs)
    tables = case.tables(5)
    values = evaluate(model.graph, tables)
    for one, other in zip(values, case.one_by_one(tables), strict=True):
        tolerance = 1e-12 if model.dtype == "float64" else 1e-5
        np.testing.assert_allclose(one, other, atol=tolerance)
    return model


@pytest.mark.parametrize("name", CASES)
def test_cases(name):
    model = check_meaning(CASES[name], CASES[name].columns)
    assert {axis for _, _, axis in model.graph.model_inputs} == {0}


@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime_is_given_the_shapes_of_the_file(name):
    """More samples than one run has, and a number of them that does not fill the last one."""
    case = CASES[name]
    model = import_bytes(case.proto.SerializeToString()).with_axes()
    inputs = tuple(case.columns.items())
    width = sum(case.columns.values())
    domain = Domain(tuple(f"c{i}" for i in range(width)), -np.ones(width), np.ones(width))
    outputs = tuple(node.name for node in model.graph.outputs)
    known = {node.name: layout for node, layout in layouts(model.graph).items()}
    network = SourceNetwork(model.data, domain, inputs, known, outputs)
    tables = case.tables(37)
    for first in tables.values():
        first[20:] = first[:17]  # some of which a run may share
    found = network(np.concatenate(list(tables.values()), axis=1))
    np.testing.assert_allclose(found, np.concatenate(case.one_by_one(tables), axis=1), atol=1e-6)


def test_a_time_that_one_coordinate_of_a_product_shares():
    """Every sample of that coordinate has a time of its own, and so a run of its own."""
    made = AnyNet()
    x, t = made.shaped("x", "n", 1), made.shaped("t", 1, 1)
    y = made.shaped("y", "m", 1)
    first = made.linear(made.op("Tanh", made.op("Add", made.linear(x, 1, 4), t)), 4, 3)
    second = made.op("Transpose", made.body(y, 1, 3), perm=[1, 0])
    proto = made.proto(made.op("MatMul", first, second))
    model = import_bytes(proto.SerializeToString()).with_axes()
    assert [axis for _, _, axis in model.graph.model_inputs] == [0, 0, 1]
    domain = Domain(("x", "t", "y"), -np.ones(3), np.ones(3), (0, 0, 1))
    known = {node.name: layout for node, layout in layouts(model.graph).items()}
    (output,) = model.graph.outputs
    inputs = (("x", 1), ("t", 1), ("y", 1))
    network = SourceNetwork(model.data, domain, inputs, known, (output.name,))
    rng = np.random.default_rng(0)
    rows, columns = rng.uniform(-1, 1, (6, 2)), rng.uniform(-1, 1, (4, 1))
    tables = {"x": rows[:, :1], "t": rows[:, 1:], "y": columns}
    (wanted,) = evaluate(model.graph, tables)
    np.testing.assert_allclose(network((rows, columns)).reshape(6, 4), wanted, atol=1e-12)


@settings(max_examples=100)
@given(drawn=wrapped_nets(mixing=False))
def test_networks_of_points_in_any_dimensions(drawn):
    case, _ = drawn
    check_meaning(case, case.columns)


@settings(max_examples=100)
@given(drawn=wrapped_nets(mixing=True))
def test_mixed_dimensions_are_no_samples(drawn):
    """What a network mixes are columns, if their number is fixed and samples come before them."""
    case, axis = drawn
    ((name, (shape, _)),) = case.forms.items()
    last_open = max((i for i, size in enumerate(shape) if isinstance(size, str)), default=-1)
    leading = max(1, last_open + 1)
    if leading <= axis:
        read = FormedNet(case.proto, {name: (shape, axis)})
        check_meaning(read, read.columns)
        return
    with pytest.raises(PinnirError) as caught:
        import_bytes(case.proto.SerializeToString()).with_axes()
    assert caught.value.op in MIXES
    assert caught.value.hint.startswith("export a network in which every point")


# --------------------------------------------------------------------------------------- mixing


def attention(n: AnyNet, x: str) -> str:
    """Of points to points."""
    turned = n.op("Transpose", x, perm=[0, 2, 1])
    scores = n.op("Softmax", n.op("MatMul", x, turned), axis=-1)
    return n.body(n.op("MatMul", scores, x), 2)


def centred(n: AnyNet, x: str, axis: int) -> str:
    return n.body(n.op("Sub", x, n.op("ReduceMean", x, n.whole(axis))), 2)


def from_first(n: AnyNet, x: str) -> str:
    """The place of a point matters, not how many there are."""
    first = n.op("Slice", x, n.whole(0), n.whole(1), n.whole(-2))
    return n.body(n.op("Sub", x, first), 2)


def hidden_where_flat(n: AnyNet, x: str) -> str:
    """The mean acts only where it is large."""
    mean = n.op("ReduceMean", x, n.whole(-2))
    return n.body(n.op("Add", x, n.op("Relu", n.op("Sub", mean, 1.0))), 2)


def running(n: AnyNet, x: str) -> str:
    return n.body(n.op("CumSum", x, n.constant(np.array(-2))), 2)


def numbered(n: AnyNet, x: str) -> str:
    return n.body(numbered_rows(n, x, 0), 2)


def numbered_rows(n: AnyNet, x: str, axis: int) -> str:
    """What is added to a point is its number."""
    count = n.op("Gather", n.op("Shape", x), n.constant(np.array(axis)), axis=0)
    zero, one = n.constant(np.array(0)), n.constant(np.array(1))
    numbers = n.op("Cast", n.op("Range", zero, count, one), to=n.kind)
    return n.op("Add", x, n.op("Unsqueeze", numbers, n.whole(-1)))


def numbered_where_large(n: AnyNet, x: str) -> str:
    """The same where no point is drawn."""
    return n.op("Add", x, n.op("Relu", n.op("Sub", numbered_rows(n, x, 1), 5000.0)))


def first_batches(n: AnyNet, x: str) -> str:
    """No more than runs have whose first dimension is short."""
    flat = n.op("Reshape", x, n.whole(-1, 2))
    same = n.op("Reshape", flat, n.op("Shape", x))
    return n.body(n.op("Slice", same, n.whole(0), n.whole(2), n.whole(0)), 2)


def beside_a_fixed_batch(n: AnyNet, x: str, y: str) -> str:
    """Runs of two samples, which are one batch of two or two batches of one."""
    flat = n.op("Reshape", y, n.whole(-1, 2))
    same = n.op("Reshape", flat, n.op("Shape", y))
    centre = n.op("Sub", same, n.op("ReduceMean", same, n.whole(1)))
    return n.body(n.op("Add", x, n.op("Reshape", centre, n.whole(-1, 2))), 2)


def normalised(n: AnyNet, x: str) -> str:
    """Its scale has one number a column; of one sample there is only one row to normalise."""
    flat = n.op("Reshape", x, n.whole(-1, 2))
    return n.op("LayerNormalization", flat, n.constant(np.array([[1.0, 2.0]])), axis=0)


POINTS, FLAT = (("b", "p", 2), 2), (("p", 2), 1)
MIXING: dict[str, tuple[FormedNet, str]] = {
    "attention": (net(attention, x=POINTS), "MatMul"),
    "attention in a batch of one": (net(attention, x=((1, "p", 2), 2)), "MatMul"),
    "the mean of points": (net(lambda n, x: centred(n, x, 1), x=POINTS), "ReduceMean"),
    "the mean of batches": (net(lambda n, x: centred(n, x, 0), x=POINTS), "ReduceMean"),
    "the mean of all": (net(lambda n, x: centred(n, x, 0), x=FLAT), "ReduceMean"),
    "the mean of a fixed batch": (
        net(lambda n, x: centred(n, x, 0), x=((16, 2), 1)),
        "ReduceMean",
    ),
    "the first of points": (net(from_first, x=POINTS), "Slice"),
    "the first of all": (net(from_first, x=FLAT), "Slice"),
    "hidden": (net(hidden_where_flat, x=POINTS), "ReduceMean"),
    "running sums": (net(running, x=POINTS), "CumSum"),
    "running sums of all": (net(running, x=FLAT), "CumSum"),
    "numbers of points": (net(numbered, x=FLAT), "Add"),
    "numbers of points where they are large": (
        net(numbered_where_large, x=((1, "p", 2), 2)),
        "Add",
    ),
    "the first batches": (net(first_batches, x=POINTS), "Slice"),
    "beside a fixed batch": (
        net(beside_a_fixed_batch, x=((2, 2), 1), y=POINTS),
        "ReduceMean",
    ),
    "normalised": (net(normalised, x=POINTS), "LayerNormalization"),
}


@pytest.mark.parametrize("name", MIXING)
def test_samples_that_mix_are_refused_by_the_operator(name):
    case, kind = MIXING[name]
    with pytest.raises(PinnirError) as caught:
        import_bytes(case.proto.SerializeToString()).with_axes()
    assert (caught.value.op, caught.value.hint) == (
        kind,
        "export a network in which every point is computed on its own",
    )


def largest_of_two(n: AnyNet, x: str) -> str:
    """What is added depends on both numbers, but is 0 where one of them is not very large."""
    both = n.op("Reshape", n.op("Reshape", x, n.whole(-1, 2)), n.whole(-1))
    largest = n.op("ReduceMax", both, n.whole(0))
    return n.op("Add", both, n.op("Relu", n.op("Sub", largest, 50.0)))


def masked(n: AnyNet, x: str) -> str:
    """Every row is compared with both numbers; none is that large."""
    rows = n.op("Greater", n.op("Reshape", x, n.whole(-1, 3)), 50.0)
    mask = n.constant(np.array([[[0], [0]], [[0], [1]]], bool))
    return n.op("Cast", n.op("And", rows, mask), to=n.kind)


@pytest.mark.parametrize(
    "case",
    [net(largest_of_two, x=((2,), 0)), net(masked, x=((1, 2, 3), 1))],
    ids=["largest of two", "masked"],
)
def test_samples_that_mix_where_none_are_drawn_are_columns(case):
    check_meaning(case, case.columns)


def test_weights_of_every_row_of_a_normalisation_are_refused():
    def build(n: AnyNet, x: str) -> str:
        return n.op("LayerNormalization", x, n.constant(np.ones((2, 3))), axis=-1)

    case = net(build, x=((1, 2, 3), 1))
    with pytest.raises(PinnirError) as caught:
        import_bytes(case.proto.SerializeToString()).with_axes()
    assert (caught.value.op, caught.value.message) == (
        "LayerNormalization",
        "has no form for one sample after the other",
    )


# --------------------------------------------------------------------------------- random graphs


def check_form(model: RandomModel) -> bool:
    """Whether it was read; then several samples in one run mean what their rows mean."""
    try:
        read = import_bytes(model.proto.SerializeToString()).with_axes()
    except PinnirError as error:
        assert error.message and error.hint
        return False
    axes = {axis for _, _, axis in read.graph.model_inputs}
    forms = {name: read.form(name) for name in model.inputs}
    tables = {name: value.reshape(-1, forms[name].columns) for name, value in model.inputs.items()}
    count = max(map(len, tables.values()))
    if len(axes) == 1:
        tables = {
            name: np.repeat(one, count // len(one), axis=0) if forms[name].takes_one else one
            for name, one in tables.items()
        }
    if len({len(table) for table in tables.values()}) > 1 and len(axes) == 1:
        return False  # row by row there would have to be equally many
    values, scale = values_of(read.graph, tables)
    dtype = np.dtype(read.dtype).type
    for one, other in zip(values, run(nameless(model.proto), model.inputs, dtype), strict=True):
        wanted = np.asarray(other, np.float64)
        if one.shape != wanted.shape:
            wanted = wanted.reshape(-1, one.shape[-1])
        one, wanted = np.broadcast_arrays(one, wanted)  # what all samples of a run share
        np.testing.assert_allclose(one, wanted, rtol=0, atol=scale * ROUNDING)
    return True


def test_random_graphs_are_refused_or_right():
    read = []

    @settings(max_examples=300)
    @given(model=formed_graphs())
    def check(model: RandomModel) -> None:
        read.append(check_form(model))

    check()
    assert sum(read) > 50
    assert not all(read)


@pytest.mark.long
@pytest.mark.parametrize("number", range(20))
def test_20_000_graphs_are_refused_or_right(number):
    """Larger graphs, from seeds of their own."""
    read = []

    @seed(number + 1)
    @settings(max_examples=1000, derandomize=False, database=None)
    @given(model=formed_graphs(max_nodes=12))
    def check(model: RandomModel) -> None:
        read.append(check_form(model))

    check()
    assert sum(read) > 200
