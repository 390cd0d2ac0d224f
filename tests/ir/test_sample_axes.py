"""Sample axes are found by computing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from pinnir.base.errors import FrontendError
from pinnir.frontend import Model
from pinnir.ir.graph import Graph, Input
from pinnir.ir.sample_axes import (
    Layout,
    axes_of,
    columns_in,
    fixed_counts,
    layouts,
    separate_axes,
    to_grid,
)
from pinnir.ir.shape_values import made_of_shapes
from tests.networks import FAMILIES, Net, graph_of
from tests.strategies import SEEDS


def apart(model: Model) -> Graph:
    return separate_axes(model.graph, model.samples)


def axes(graph: Graph) -> list[int]:
    return [node.op.axis for node in graph.inputs if isinstance(node.op, Input)]


def output_layouts(graph: Graph) -> list[Layout]:
    known = layouts(graph)
    return [known[node] for node in graph.outputs]


def refused(model: Model) -> str:
    with pytest.raises(FrontendError) as caught:
        layouts(apart(model))
    return str(caught.value)


# ------------------------------------------------------------------------------------- families

FOUND: dict[str, tuple[list[int], list[Layout]]] = {
    "pfnn": ([0], [((0,), 2)]),
    "resnet": ([0], [((0,), 2)]),
    "skip": ([0], [((0,), 1)]),
    "xpinn": ([0], [((0,), 1)]),
    "modified_mlp": ([0], [((0,), 1)]),
    "piratenet": ([0], [((0,), 1)]),
    "constrained_fourier": ([0], [((0,), 1)]),
    "kan": ([0], [((0,), 1)]),
    "spinn": ([0, 1], [((0,), (1,))]),
    "spinn3d": ([0, 1, 2], [((0,), (1,), (2,))] * 2),
    "deeponet": ([0, 0], [((0,), 1)]),
    "deeponet_cartesian": ([0, 1], [((0,), (1,))]),
    "mionet": ([0, 1, 0], [((0,), (1,))]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    graph = graph_of(name)
    assert (axes(graph), output_layouts(graph)) == FOUND[name]


# --------------------------------------------------------------------------------------- merges


def two(one: int | str | None = None, other: int | str | None = None) -> tuple[Net, str, str]:
    """Four values of each of two inputs."""
    net = Net(0)
    x, y = net.input("x", 1, one), net.input("y", 1, other)
    return net, net.layer(x, 1, 4), net.layer(y, 1, 4)


@pytest.mark.parametrize("kind", ["Add", "Mul", "Concat"])
def test_inputs_that_meet_row_by_row_share_an_axis(kind):
    net, a, b = two()
    graph = apart(net.model(net.op(kind, a, b, **({"axis": 1} if kind == "Concat" else {}))))
    assert axes(graph) == [0, 0]
    assert output_layouts(graph) == [((0,), 8 if kind == "Concat" else 4)]


def merged(how: str, net: Net, a: str, b: str) -> str:
    if how == "matmul":
        return net.op("MatMul", a, net.op("Transpose", b, perm=[1, 0]))
    if how == "gemm":
        return net.op("Gemm", a, b, transB=1)
    if how == "einsum":
        return net.op("Einsum", a, b, equation="ir,jr->ij")
    wide = net.op("Unsqueeze", a, net.constant(np.array([1])))
    product = net.op("Mul", wide, net.op("Unsqueeze", b, net.constant(np.array([0]))))
    return net.op("ReduceSum", product, net.constant(np.array([2])), keepdims=0)


@pytest.mark.parametrize("how", ["matmul", "gemm", "einsum", "mul and sum"])
def test_merges_at_all_combinations(how):
    net, a, b = two()
    graph = apart(net.model(merged(how, net, a, b)))
    assert axes(graph) == [0, 1]
    assert output_layouts(graph) == [((0,), (1,))]


@pytest.mark.parametrize("first", range(3))
def test_inputs_of_one_name_do_not_join_what_is_merged(first):
    """Three axes of one name: the coordinate that stands alone goes with one of the others."""
    net = Net(0)
    names = ["x", "y"]
    names.insert(first, "alone")
    parts = {name: net.layer(net.input(name, 1, "B"), 1, 4) for name in names}
    product = merged("einsum", net, parts["x"], parts["y"])
    graph = apart(net.model(product, parts["alone"]))
    assert output_layouts(graph)[0] in [((0,), (1,)), ((1,), (0,))]
    assert len(set(axes(graph))) == 2


@pytest.mark.parametrize("how", ["matmul", "gemm", "einsum", "mul and sum"])
def test_the_number_of_samples_at_export_does_not_matter(how):
    """An exporter that knows no dynamic shapes writes what it was traced with."""
    net, a, b = two(5, 5)
    assert axes(apart(net.model(merged(how, net, a, b)))) == [0, 1]


def test_axes_behind_a_transpose():
    net, a, b = two()
    value = net.op("Transpose", merged("einsum", net, a, b), perm=[1, 0])
    assert output_layouts(apart(net.model(value))) == [((1,), (0,))]


@pytest.mark.parametrize(("perm", "order"), [([0, 1], (0, 1)), ([1, 0], (1, 0))])
@pytest.mark.parametrize("shape", [[-1, 1], [-1]])
def test_flattened_outputs(perm, order, shape):
    net, a, b = two()
    grid = net.op("Transpose", merged("einsum", net, a, b), perm=perm)
    graph = apart(net.model(net.op("Reshape", grid, net.constant(np.array(shape)))))
    assert output_layouts(graph) == [(order, *shape[1:])]


def test_an_output_of_one_axis_beside_one_of_both():
    net, a, b = two()
    graph = apart(net.model(merged("einsum", net, a, b), b))
    assert output_layouts(graph) == [((0,), (1,)), ((1,), 4)]


def test_squeezed_outputs():
    net = Net(0)
    x = net.input("x", 2)
    value = net.op("Squeeze", net.mlp(x, (2, 4, 1)), net.constant(np.array([1])))
    assert output_layouts(apart(net.model(value))) == [((0,),)]


def test_columns_folded_into_more_dimensions():
    net = Net(0)
    value = net.op(
        "Reshape", net.mlp(net.input("x", 2), (2, 4, 6)), net.constant(np.array([-1, 2, 3]))
    )
    (found,) = output_layouts(apart(net.model(value)))
    assert found == ((0,), 2, 3)
    assert columns_in(found) == 6


# ---------------------------------------------------------------- inputs that are never combined


def test_an_unused_input_runs_along_the_first_axis():
    net = Net(0)
    net.input("t", 1)
    x, y = net.input("x", 1), net.input("y", 1)
    value = merged("einsum", net, net.layer(x, 1, 4), net.layer(y, 1, 4))
    assert axes(apart(net.model(value))) == [0, 0, 1]


@pytest.mark.parametrize(
    ("names", "found"), [(("n", "n"), [0, 0]), (("n", "m"), [0, 1]), ((None, None), [0, 1])]
)
def test_inputs_that_never_meet_share_an_axis_if_they_share_a_name(names, found):
    net, a, b = two(*names)
    assert axes(apart(net.model(net.dense(a, 4, 1), net.dense(b, 4, 1)))) == found


def test_one_name_for_inputs_that_are_combined_says_nothing():
    net, a, b = two("n", "n")
    assert axes(apart(net.model(merged("einsum", net, a, b)))) == [0, 1]


def test_an_input_that_is_an_output():
    net, a, b = two()
    graph = apart(net.model(merged("einsum", net, a, b), net.op("Identity", "y")))
    assert output_layouts(graph) == [((0,), (1,)), ((1,), 1)]


# --------------------------------------------------------------------- sizes that look like axes


@pytest.mark.parametrize("width", [5, 7, 11, 13, 17, 35])
def test_widths_that_are_numbers_of_samples_to_try(width):
    net = Net(0)
    x, y = net.input("x", 1), net.input("y", 1)
    a, b = (net.mlp(value, (1, width, width)) for value in (x, y))
    graph = apart(net.model(merged("matmul", net, a, b), a))
    assert output_layouts(graph) == [((0,), (1,)), ((0,), width)]


def test_counts_of_samples_and_of_columns():
    """``Shape`` gives a number of samples, which changes, and of columns, which does not."""
    net = Net(0)
    x = net.input("x", 3)
    shape = net.op("Shape", x)
    rows, columns = (net.op("Gather", shape, net.constant(np.array([i]))) for i in (0, 1))
    target = net.op("Concat", rows, columns, axis=0)
    graph = apart(net.model(net.op("Expand", x, target)))
    assert output_layouts(graph) == [((0,), 3)]
    assert {node.op.kind for node in made_of_shapes(graph)} == {"Shape", "Gather", "Concat"}
    (fixed,) = fixed_counts(graph).values()
    np.testing.assert_array_equal(fixed, [3])


def test_a_size_that_is_doubled_again_and_again():
    """Every step uses the last one twice: followed back, that would be 2^60 ways."""
    net = Net(0)
    x = net.input("x", 3)
    size = net.op("Shape", x)
    for _ in range(60):
        size = net.op("Sub", net.op("Add", size, size), size)
    graph = apart(net.model(net.op("Expand", x, size)))
    assert output_layouts(graph) == [((0,), 3)]


def test_a_long_chain():
    net = Net(0)
    value = net.input("x", 2)
    for _ in range(1500):
        value = net.op("Abs", value)
    assert output_layouts(apart(net.model(value))) == [((0,), 2)]


# ------------------------------------------------------------------------- networks that mix points

HINT = "hint: export a network in which every point is computed on its own"


def mean_over_the_batch(net: Net, value: str) -> str:
    mean = net.op("ReduceMean", value, net.constant(np.array([0])), keepdims=1)
    return net.op("Sub", value, mean)


def batch_normalisation(net: Net, value: str) -> str:
    centred = mean_over_the_batch(net, value)
    square = net.op("Mul", centred, centred)
    variance = net.op("ReduceMean", square, net.constant(np.array([0])), keepdims=1)
    return net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, 1e-5)))


def softmax_over_the_batch(net: Net, value: str) -> str:
    powers = net.op("Exp", value)
    total = net.op("ReduceSum", powers, net.constant(np.array([0])), keepdims=1)
    return net.op("Div", powers, total)


@pytest.mark.parametrize(
    ("mix", "node"),
    [
        (mean_over_the_batch, "ReduceMean 'reducemean2_node'"),
        (batch_normalisation, "ReduceMean 'reducemean2_node'"),
        (softmax_over_the_batch, "ReduceSum 'reducesum3_node'"),
    ],
)
def test_a_value_of_one_point_that_depends_on_the_others(mix, node):
    net = Net(0)
    value = mix(net, net.layer(net.input("x", 2), 2, 4))
    model = net.model(net.dense(value, 4, 1))
    assert refused(model) == f"{node}: its value at one point depends on the other points\n{HINT}"


def test_a_value_whose_size_is_no_number_of_samples():
    net = Net(0)
    x = net.input("x", 2)
    double = net.op("Concat", x, x, axis=0)
    message = refused(net.model(double))
    assert message == (
        f"Concat 'concat0_node': its size is (10, 2) for (5,) samples and (14, 2) for (7,)\n{HINT}"
    )


def test_a_sum_over_the_samples_of_another_axis():
    net, a, b = two()
    grid = merged("einsum", net, a, b)
    total = net.op("ReduceSum", grid, net.constant(np.array([1])), keepdims=1)
    assert refused(net.model(total)) == (
        f"ReduceSum 'reducesum5_node': its value at one point depends on the other points\n{HINT}"
    )


def test_neighbouring_points():
    net = Net(0)
    x = net.input("x", 2)
    backwards = net.op("Slice", x, *(net.constant(np.array([v])) for v in (-1, -(2**40), 0, -1)))
    assert refused(net.model(net.op("Add", x, backwards))) == (
        f"Slice 'slice0_node': its value at one point depends on the other points\n{HINT}"
    )


def test_integers_of_the_samples_are_compared_exactly():
    net = Net(0)
    x = net.input("x", 1)
    whole = net.op("Cast", net.op("Mul", x, 10.0), to=TensorProto.INT64)
    back = net.op("Cast", whole, to=TensorProto.DOUBLE)
    assert output_layouts(apart(net.model(back))) == [((0,), 1)]


# --------------------------------------------------------------------------------------- to_grid


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[Layout, tuple[int, ...]]:
    """A layout of some of up to three sample axes, and their sizes."""
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    used = draw(st.permutations(range(len(sizes))))[: draw(st.integers(0, len(sizes)))]
    dims: list[int | tuple[int, ...]] = [(axis,) for axis in used]
    if len(dims) > 1 and draw(st.booleans()):
        dims = [(used[0], used[1]), *dims[2:]]
    for length in draw(st.lists(st.integers(1, 3), max_size=2)):
        dims.insert(draw(st.integers(0, len(dims))), length)
    return tuple(dims), sizes


def entry(layout: Layout, sizes: tuple[int, ...], sample: tuple[int, ...], column: int) -> int:
    """Where the value of one combination of samples stands in the flat array."""
    lengths = [dim for dim in layout if isinstance(dim, int)]
    columns = list(np.unravel_index(column, lengths)) if lengths else []
    place = 0
    for dim in layout:
        for axis in (dim,) if isinstance(dim, int) else dim:
            if isinstance(dim, int):
                place = place * dim + int(columns.pop(0))
            else:
                place = place * sizes[axis] + sample[axis]
    return place


@given(case=laid_out(), seed=SEEDS)
def test_to_grid_against_a_loop(case, seed):
    layout, sizes = case
    used = axes_of(layout)
    count = columns_in(layout) * int(np.prod([sizes[axis] for axis in used]))
    flat = np.random.default_rng(seed).normal(size=count)
    shape = [d if isinstance(d, int) else int(np.prod([sizes[a] for a in d])) for d in layout]
    grid = to_grid(flat.reshape(shape), layout, sizes)
    lengths = tuple(size if axis in used else 1 for axis, size in enumerate(sizes))
    assert grid.shape == (*lengths, columns_in(layout))
    for index in np.ndindex(*grid.shape):
        assert grid[index] == flat[entry(layout, sizes, index[:-1], index[-1])]


def test_mixing_where_a_function_is_flat():
    """The largest of values below zero, cut off at zero, is zero for any samples but large ones."""
    net = Net(0)
    x = net.input("x", 2)
    below = net.op("Sub", net.layer(x, 2, 3), 5.0)
    largest = net.op("ReduceMax", net.op("Relu", below), net.constant(np.array([0])))
    assert "ReduceMax 'reducemax4_node': its value at one point depends" in refused(
        net.model(net.op("Add", below, largest))
    )


@pytest.mark.parametrize("kind", ["first", "last", "running sum"])
def test_the_place_of_a_sample_must_not_matter(kind):
    net = Net(0)
    x = net.input("x", 2)
    if kind == "running sum":
        value = net.op("CumSum", x, net.constant(np.array(0)))
    else:
        ends = (0, 1) if kind == "first" else (-1, 2**31)
        one = net.op("Slice", x, *(net.constant(np.array([v])) for v in (*ends, 0)))
        value = net.op("Sub", x, one)
    assert "its value at one point depends on the other points" in refused(net.model(value))


@pytest.mark.parametrize("kind", ["numbers", "written", "truth written"])
def test_the_place_of_a_sample_must_not_matter_where_a_function_is_flat(kind):
    """It does for very large inputs only."""
    net = Net(0)
    x = net.input("x", 2)
    large = net.op("Relu", net.op("Sub", x, 50.0))
    last = net.constant(np.array([[-1], [-2]]))
    if kind == "numbers":
        count = net.op("Gather", net.op("Shape", x), net.constant(np.array(0)), axis=0)
        rows = net.op("Range", net.constant(np.array(0)), count, net.constant(np.array(1)))
        column = net.op("Unsqueeze", rows, net.constant(np.array([1])))
        value = net.op("Mul", large, net.op("Cast", column, to=TensorProto.DOUBLE))
    elif kind == "written":
        value = net.op("ScatterND", large, last, net.constant(np.zeros((2, 2))))
    else:
        truth = net.op("Greater", large, 0.0)
        changed = net.op("ScatterND", truth, last, net.constant(np.zeros((2, 2), bool)))
        value = net.op("Cast", changed, to=TensorProto.DOUBLE)
    assert "its value at one point depends on the other points" in refused(net.model(value))


def test_columns_that_are_written_in_place():
    """The places are told by the numbers of the samples, which mixes none of them."""
    net = Net(0)
    x = net.input("x", 2)
    count = net.op("Gather", net.op("Shape", x), net.constant(np.array(0)), axis=0)
    rows = net.op("Range", net.constant(np.array(0)), count, net.constant(np.array(1)))
    index = net.op("Unsqueeze", rows, net.constant(np.array([1])))
    column = net.op("Mul", index, net.constant(np.array(0)))
    places = net.op("Concat", index, column, axis=1)
    changed = net.op("Squeeze", net.layer(x, 2, 1), net.constant(np.array([1])))
    graph = apart(net.model(net.op("ScatterND", x, places, changed)))
    assert output_layouts(graph) == [((0,), 2)]
