"""Numbers on a grid: sums are exact in single precision, and the core changes little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.backends.nir.stock.canonical import canonical, is_direct
from pinnir.backends.nir.stock.grid import on_grid
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import dense
from tests.backends.networks import RATE, population
from tests.helpers import compiled, core_graph, points

PIPELINES = (population(30), RATE)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_canonical_cores_compute_the_same(pipeline):
    graph = core_graph(3, (2, 6, 5, 1), ("tanh", "cos"))
    core = compiled(graph, pipeline)
    x = points(graph, 128, 0)
    (before,) = evaluate(core, {core.inputs[0].name: x})
    (after,) = evaluate(canonical(core), {core.inputs[0].name: x})
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pipeline", PIPELINES)
@given(seed=st.integers(0, 20), reach=st.floats(0.01, 100.0))
@settings(max_examples=15)
def test_numbers_are_whole_quanta(pipeline, seed, reach):
    core = compiled(core_graph(seed, (2, 4, 1), ("tanh",)), pipeline)
    rounded = on_grid(canonical(core), np.full(2, reach))
    assert np.all((rounded.reach >= reach) & (rounded.reach < 2 * reach))
    for node in rounded.graph.nodes:
        if not isinstance(node.op, Affine):
            continue
        quantum = rounded.quantum[node]
        reads_input = rounded.graph.inputs[0] in node.operands
        step = rounded.input_step if reads_input else 1.0
        weight = dense(node.op.weight) * step / quantum[:, None]
        if is_direct(node):
            assert np.array_equal(weight, np.round(weight))
        assert np.array_equal(node.op.bias / quantum, np.round(node.op.bias / quantum))
        assert np.abs(weight).sum(axis=1).max() <= 2**24


def test_rounding_changes_little():
    graph = core_graph(3, (2, 6, 5, 1), ("tanh", "cos"))
    core = compiled(graph, population(256))
    rounded = on_grid(canonical(core), np.ones(2))
    x = rounded.points(points(graph, 512, 0))
    (before,) = evaluate(core, {core.inputs[0].name: x})
    (after,) = evaluate(rounded.graph, {core.inputs[0].name: x})
    assert np.linalg.norm(after - before) < 5e-3 * np.linalg.norm(before)


def test_points_lie_on_the_grid_and_in_reach():
    core = compiled(core_graph(0, (2, 3, 1), ("tanh",)), population(8))
    rounded = on_grid(canonical(core), np.array([0.9, 3.0]))
    x = rounded.points(np.array([[5.0, -9.0], [0.123456, 2.3456]]))
    np.testing.assert_array_equal(x[0], [1.0, -4.0])
    np.testing.assert_array_equal(x / rounded.input_step, np.round(x / rounded.input_step))
    np.testing.assert_allclose(x[1], [0.123456, 2.3456], atol=4 / 1024)


def test_units_out_of_reach_stay_silent():
    """Padded thresholds are infinite; on the grid they are numbers that no sum comes to."""
    core = compiled(core_graph(2, (1, 5, 1), ("tanh",)), population(50))
    endless = core.rewrite(
        lambda n: (
            n.with_op(replace(n.op, threshold=np.where(n.op.threshold > 0, np.inf, -np.inf)))
            if isinstance(n.op, Threshold)
            else n
        )
    )
    rounded = on_grid(canonical(endless), np.ones(1))
    silent = {n.name: n.op.threshold > 0 for n in endless.nodes if isinstance(n.op, Threshold)}
    seen = []

    def compare(step, node, value):
        if node.name in silent:
            assert np.all(value == ~silent[node.name])
            seen.append(node.name)

    evaluate(rounded.graph, {"x": rounded.points(np.linspace(-1, 1, 500)[:, None])}, compare)
    assert sorted(seen) == sorted(silent)
