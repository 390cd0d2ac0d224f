"""Programs of several sample axes in the forms that exporters give them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnir
from pinnir.frontend import Model
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph
from pinnir.ir.sample_axes import separate_axes
from pinnir.program.program import Program
from pinnir.search import job
from pinnir.search.compile import prepare
from tests.networks import Net


def two(one: int | str | None = None, other: int | str | None = None) -> tuple[Net, str, str]:
    """Four values of each of two coordinates."""
    net = Net(0, "float32")
    x, y = net.input("x", 1, one), net.input("y", 1, other)
    return net, net.mlp(x, (1, 5, 4)), net.mlp(y, (1, 5, 4))


def merged(net: Net, a: str, b: str) -> str:
    return net.op("Einsum", a, b, equation="ir,jr->ij")


def flattened_backwards() -> Model:
    """The second coordinate slowest, one row a point."""
    net, a, b = two()
    grid = net.op("Transpose", merged(net, a, b), perm=[1, 0])
    return net.model(net.op("Reshape", grid, net.constant(np.array([-1, 1]))))


def of_different_axes() -> Model:
    """A grid, four columns of the second coordinate, and the first coordinate itself."""
    net, a, b = two()
    return net.model(merged(net, a, b), b, net.op("Identity", "x"))


def constrained() -> Model:
    """``x (1 - x) tanh(y) N(x, y) + x``."""
    net, a, b = two()
    bump = net.op("Mul", "x", net.op("Sub", 1.0, "x"))
    factor = net.op("Mul", bump, net.op("Transpose", net.op("Tanh", "y"), perm=[1, 0]))
    return net.model(net.op("Add", net.op("Mul", factor, merged(net, a, b)), "x"))


def one_coordinate_without_neurons() -> Model:
    """A network of x, a linear map of y."""
    net = Net(1, "float32")
    a, b = net.mlp(net.input("x", 1), (1, 5, 4)), net.dense(net.input("y", 1), 1, 4)
    return net.model(net.op("MatMul", a, net.op("Transpose", b, perm=[1, 0])))


def neurons_on_the_grid() -> Model:
    """Layers behind the merge: a core of both axes."""
    net, a, b = two()
    grid = net.op("Einsum", a, b, equation="ir,jr->ijr")
    rows = net.op("Reshape", grid, net.constant(np.array([-1, 4])))
    return net.model(net.mlp(rows, (4, 3, 1)))


def graph_on_the_grid() -> Graph:
    """The same as a tensor graph, every input on its sample axis."""
    model = neurons_on_the_grid()
    return separate_axes(model.graph, model.samples)


def of_fixed_shape() -> Model:
    """Exported for five and seven samples."""
    net, a, b = two(5, 7)
    return net.model(merged(net, a, b))


def of_one_dimension_name() -> Model:
    """Exported with one name for two different numbers of samples."""
    net, a, b = two("n", "n")
    return net.model(merged(net, a, b))


FORMS = [
    flattened_backwards,
    of_different_axes,
    constrained,
    one_coordinate_without_neurons,
    neurons_on_the_grid,
    of_fixed_shape,
    of_one_dimension_name,
]


@cache
def compiled(form: Callable[[], Model]) -> tuple[Model, Program]:
    model = form()
    few = np.random.default_rng(0).uniform(-1, 1, (96, 2))  # of each axis, all combined
    return model, pinnir.compile(model, "-1:1", levels=24, calibration=few)


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(job, "GRID_POINTS", 2**12)


@pytest.mark.parametrize("form", FORMS)
def test_values_are_the_networks_at_each_point(form):
    """The network computed for one sample of every axis at a time, and the program likewise."""
    model, program = compiled(form)
    graph = separate_axes(model.graph, model.samples)
    tables = program.domain.part(0).sample(8, 3), program.domain.part(1).sample(8, 4)[:7]
    wanted = []
    for rows in product(*tables):
        values = evaluate(graph, graph.bind(tuple(row[None] for row in rows)))
        wanted.append(np.concatenate([value.reshape(-1) for value in values]))
    points = np.array([np.concatenate(rows) for rows in product(*tables)])
    grid, pairs = program.run(tables), program.run(points)
    for result in (grid, pairs):
        np.testing.assert_allclose(result.source, wanted, rtol=0, atol=1e-5)
        assert result.metrics["rel_l2"] < 0.3
    np.testing.assert_allclose(grid.outputs, pairs.outputs, rtol=0, atol=1e-5)


def test_a_grid_has_the_last_axis_fastest():
    _, program = compiled(flattened_backwards)
    shape = (6, 5)
    grid = program.run(program.domain.grid_tables(shape)).outputs
    pairs = program.run(program.domain.grid(shape)).outputs
    np.testing.assert_allclose(grid, pairs, rtol=0, atol=1e-5)


def test_cores_pay_for_samples_of_their_own_axis():
    """Figures are for one sample of every axis, however many combinations there are."""
    _, program = compiled(flattened_backwards)
    tables = program.domain.grid_tables((6, 5))
    metrics = program.run(tables).metrics
    assert metrics["points"] == 30
    ones = [program.run((row[None], tables[1][:1])).metrics["spikes"] for row in tables[0]]
    others = [program.run((tables[0][:1], row[None])).metrics["spikes"] for row in tables[1]]
    both = program.run((tables[0][:1], tables[1][:1])).metrics["spikes"]
    assert metrics["spikes"] == pytest.approx(np.mean(ones) + np.mean(others) - both)


def test_the_wrong_number_of_tables():
    _, program = compiled(flattened_backwards)
    with pytest.raises(pinnir.base.errors.DomainError) as caught:
        program.run(program.domain.grid_tables((3, 3))[:1])
    assert str(caught.value) == (
        "points has 1 tables, the network has 2 sample axes\n"
        "hint: give one array (samples, columns) an axis"
    )


def test_every_set_of_points_has_lines_on_the_faces_and_lines_of_its_own():
    at = prepare(flattened_backwards(), "-1:1")
    seen: list[set[float]] = []
    for points in (at.selection, at.evaluation):
        for tables in at.sets(points, job.MEASURED_POINTS):
            for axis, table in enumerate(tables):
                ends = {float(at.domain.low[axis]), float(at.domain.high[axis])}
                lines = set(table[:, 0].tolist())
                assert ends <= lines
                assert len(lines) == len(table)
                assert not any(lines - ends & other for other in seen)
                seen.append(lines - ends)


def test_the_tolerance_holds_on_a_uniform_grid():
    program = pinnir.compile(flattened_backwards(), "-1:1", rtol=1e-2, effort=1)
    metrics = program.metrics
    assert metrics["rel_l2"] <= metrics["rel_l2_upper"] <= 1e-2
    assert len(metrics["rel_l2_seeds"]) == job.SETS
    assert metrics["points"] <= job.MEASURED_POINTS
    assert program.run_grid((128, 128)).metrics["rel_l2"] <= 1e-2


MERGES = ("einsum", "product", "sum")


def of_many_outputs(axes: int, outputs: int, merge: str, place: int, flat: bool) -> Model:
    """A network of each coordinate; the outputs side by side as dimension ``place`` of the grid."""
    net = Net(3, "float32")
    parts = [net.mlp(net.input(name, 1), (1, 5, 3 * outputs)) for name in "xyzt"[:axes]]
    letters = "ijkl"[:axes]
    if merge == "einsum":
        shape = net.constant(np.array([-1, outputs, 3]))
        tables = [net.op("Reshape", part, shape) for part in parts]
        terms = ",".join(f"{letter}or" for letter in letters)
        grid = net.op("Einsum", *tables, equation=f"{terms}->{letters}o")
    else:
        shapes = [[-1 if a == axis else 1 for a in range(axes)] for axis in range(axes)]
        spread = [
            net.op("Reshape", part, net.constant(np.array([*shape, outputs, 3])))
            for part, shape in zip(parts, shapes, strict=True)
        ]
        grid = spread[0]
        for other in spread[1:]:
            grid = net.op("Mul" if merge == "product" else "Add", grid, other)
        grid = net.op("ReduceSum", grid, net.constant(np.array([axes + 1])), keepdims=0)
    if flat:
        return net.model(net.op("Reshape", grid, net.constant(np.array([-1, outputs]))))
    order = [*range(axes)]
    order.insert(place, axes)
    return net.model(net.op("Transpose", grid, perm=order))


@given(
    axes=st.integers(2, 4),
    outputs=st.integers(1, 4),
    merge=st.sampled_from(MERGES),
    place=st.integers(0, 4),
    flat=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_several_outputs_of_a_grid(axes, outputs, merge, place, flat):
    """The source network on grids of unequal sides, and on rows, is what it is at each point."""
    model = of_many_outputs(axes, outputs, merge, place, flat)
    task = prepare(model, "-1:1")
    assert task.domain.axis_count == axes
    sides = (25, 6, 5, 3)[:axes]
    tables = tuple(task.domain.part(a).sample(32, a)[:side] for a, side in enumerate(sides))
    found = task.source(tables)
    points = np.array([np.concatenate(rows) for rows in product(*tables)])
    some = np.linspace(0, len(points) - 1, 20).astype(int)
    wanted = []
    for point in points[some]:
        values = evaluate(task.model.graph, task.model.graph.bind(point[None]))
        wanted.append(np.concatenate([value.reshape(-1) for value in values]))
    np.testing.assert_allclose(found[some], wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(task.source(points[some]), wanted, rtol=0, atol=1e-5)
