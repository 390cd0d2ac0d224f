"""Small networks of every family, from the model to spikes and back from a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from itertools import product

import networkx
import nir
import numpy as np
import pytest

import pinnir
from pinnir.ir.evaluate import evaluate
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import Array
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.pipelines import staircase_of
from pinnir.program.execute import Points
from pinnir.program.program import Program
from pinnir.program.simulators import Backend, find_backend
from pinnir.search.compile import prepare
from tests.backends.networks import run_core, same_spikes
from tests.networks import FAMILIES, SEPARABLE, family, graph_of

RTOL = 1e-2
CODINGS = ("population", "rate")
CASES = [(name, coding) for name in FAMILIES for coding in CODINGS]


@cache
def program(name: str, coding: str = "population") -> Program:
    """A population program within the tolerance, or a rate program of 8 steps."""
    if coding == "population":
        return pinnir.compile(family(name), "-1:1", rtol=RTOL)
    return pinnir.compile(family(name), "-1:1", coding="rate", steps=8, levels=33)


def lines(of: Program, count: int = 24) -> Points:
    """Points for a network of points, samples of every axis for a separable one."""
    axes = of.domain.axis_count
    if axes == 1:
        return of.domain.sample(256, 7)
    return tuple(of.domain.part(axis).sample(32, 7)[: count - axis] for axis in range(axes))


def combinations(tables: tuple[Array, ...]) -> Iterator[tuple[Array, ...]]:
    """One row of every table, those of the last one fastest."""
    return product(*tables)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_tolerance_is_met(name):
    found = program(name)
    assert found.metrics["rel_l2"] <= RTOL
    assert found.run(lines(found)).metrics["rel_l2"] <= 1.5 * RTOL


@pytest.mark.parametrize("name", FAMILIES)
def test_a_population_program_equals_its_staircase_network(name):
    """But for values that the host rounds across a boundary."""
    found = program(name)
    job = prepare(family(name), "-1:1")
    graph = job.lower(staircase_of(parse_pipeline(found.manifest["pipeline"])))
    points = job.selection[:512]
    wanted = job.outputs_of(graph, points)
    outputs = found.run(job.combined(points)).outputs
    differs = np.abs(outputs - wanted) > 1e-5 * np.abs(wanted).max()
    assert differs.mean() <= (0.01 if name in ("modified_mlp", "piratenet") else 0)


@pytest.mark.parametrize(("name", "coding"), CASES)
def test_backends_fire_the_same_spikes(name, coding):
    reference, norse = find_backend("reference"), norse_or_skip()
    rng = np.random.default_rng(0)
    for core in program(name, coding).cores:
        x = rng.uniform(-1, 1, (16, core.inputs[0].op.width))
        one, spikes = run_core(core, reference, x)
        other, again = run_core(core, norse, x)
        assert same_spikes(spikes, again) > 0
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9 * np.abs(one).max())


def norse_or_skip() -> Backend:
    pytest.importorskip("norse")
    return find_backend("norse")


@pytest.mark.parametrize(("name", "coding"), CASES)
def test_what_is_read_runs_as_what_was_saved(name, coding, tmp_path):
    saved = program(name, coding)
    saved.save(tmp_path / "p.nir")
    read = pinnir.read(tmp_path / "p.nir")
    at = lines(saved)
    one, other = saved.run(at), read.run(at)
    np.testing.assert_array_equal(one.outputs, other.outputs)
    np.testing.assert_array_equal(one.source, other.source)
    assert one.metrics == other.metrics
    assert read.to_bytes() == saved.to_bytes()


@pytest.mark.parametrize(("name", "coding"), CASES)
def test_the_file_is_a_nir_graph_of_all_cores(name, coding):
    found = program(name, coding)
    graph = nir.read(io.BytesIO(found.to_bytes()))
    parts = list(networkx.connected_components(networkx.Graph(graph.edges)))
    assert len(parts) == len(found.cores)
    for part in parts:
        kinds = [type(graph.nodes[key]) for key in part]
        assert (kinds.count(nir.Input), kinds.count(nir.Output)) == (1, 1)
    units = [
        n.threshold if isinstance(n, nir.Threshold) else n.v_threshold
        for n in graph.nodes.values()
        if isinstance(n, nir.Threshold | nir.IF)
    ]
    assert sum(map(np.size, units)) == found.metrics["neurons"]


@pytest.mark.parametrize("name", FAMILIES)
def test_rate_programs_approximate_the_network(name):
    metrics = program(name, "rate").metrics
    assert 0 < metrics["rel_l2"] < 0.15
    assert metrics["steps"] == 8


@pytest.mark.parametrize("name", FAMILIES)
def test_figures_of_all_cores_add_up(name):
    found = program(name)
    result = found.run(lines(found))
    assert sum(row["spikes"] for row in result.layers.values()) == pytest.approx(
        result.metrics["spikes"]
    )
    assert sum(row["units"] for row in result.layers.values()) == found.metrics["neurons"]
    assert 0 < found.metrics["core_mac_share"] <= 1
    assert found.depth == found.metrics["depth"] >= 2 * (len(found.cores) > 0)


# ------------------------------------------------------------------------------ all combinations


@pytest.mark.parametrize(("name", "coding"), [(n, c) for n in SEPARABLE for c in CODINGS])
def test_a_grid_of_tables_equals_its_points_one_by_one(name, coding):
    found = program(name, coding)
    tables = lines(found, 9)
    points = np.stack([found_point(found, rows) for rows in combinations(tables)])
    grid, pairs = found.run(tables), found.run(points)
    scale = np.abs(pairs.outputs).max()
    np.testing.assert_allclose(grid.outputs, pairs.outputs, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(grid.source, pairs.source, rtol=0, atol=1e-6 * scale)
    assert grid.metrics["points"] == pairs.metrics["points"] == len(points)


def found_point(of: Program, rows: tuple[Array, ...]) -> Array:
    """One point of the domain, its columns in the model's order."""
    point = np.empty(len(of.domain.columns))
    for axis, row in enumerate(rows):
        point[of.domain.along(axis)] = row
    return point


@pytest.mark.parametrize("name", SEPARABLE)
def test_values_on_a_grid_are_the_networks_at_each_point(name):
    """The network computed for one sample of every axis at a time."""
    found, graph = program(name), graph_of(name)
    tables = lines(found, 9)
    wanted = []
    for rows in combinations(tables):
        values = evaluate(graph, graph.bind(tuple(row[None] for row in rows)))
        wanted.append(np.concatenate([value.reshape(-1) for value in values]))
    result = found.run(tables)
    np.testing.assert_allclose(result.source, wanted, rtol=0, atol=1e-5)
    assert relative_l2(result.outputs, np.array(wanted)) <= 1.5 * RTOL


def test_inputs_of_one_axis_need_not_stand_together():
    """MIONet's location between its functions: the domain's columns are in the model's order."""
    found = program("mionet")
    assert found.domain.axes == (0, 0, 0, 1, 0, 0)
    assert found.domain.along(1) == [3]
    assert found.inputs == (("f", 3), ("x", 1), ("g", 2))


FIXED = {"pfnn": "x0=-1:1,x1=0.5", "spinn": "x=0.5,y=-1:1", "spinn3d": "x=-1:1,y=-1:1,z=0"}


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"coding": "rate", "steps": 8, "levels": 9},
        {"coding": "delta", "levels": 8},
        {"coding": "signgd", "steps": 16},
        {"target": "spinnaker", "levels": 8},
    ],
    ids=lambda asked: "-".join(map(str, asked.values())) or "default",
)
def test_a_column_may_be_fixed(tmp_path, name, asked):
    found = pinnir.compile(family(name), FIXED[name], **asked)
    found.save(tmp_path / "out.nir")
    again = pinnir.read(tmp_path / "out.nir")
    assert again.metrics["rel_l2"] < (RTOL if not asked else 1)
    np.testing.assert_array_equal(again.domain.low, found.domain.low)
    for size in (1, 3):
        grid = tuple(np.where(again.domain.low == again.domain.high, size, 5).tolist())
        assert np.isfinite(again.run_grid(grid).outputs).all()
    assert len(again.run(again.domain.sample(8, 0)).outputs) == 8
