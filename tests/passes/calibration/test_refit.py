"""refit takes back what the next map can foresee of the rounding errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.base.targets import TARGETS
from pinnir.ir.evaluate import evaluate, trace
from pinnir.ir.graph import Affine, Graph, Level
from pinnir.ir.rules import check_rules
from pinnir.numerics.matrix import Array
from pinnir.numerics.ridge import regression
from pinnir.passes.calibration.refit import Refit
from pinnir.passes.fitting.trainable_core import core_labels
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.pipelines import TIDY, staircase
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import PassManager
from pinnir.search.compile import prepare
from tests.backends.networks import EXAMPLES
from tests.helpers import (
    compiled,
    context,
    core_graph,
    points,
    relative_error,
    residual_core,
    weights_of,
)
from tests.networks import cores_of
from tests.strategies import SEEDS, core_graphs
from tests.test_axes import graph_on_the_grid

ROUND = "quantise-activations{{levels={0}}}"


def refitted(source: Graph, graph: Graph, samples: int = 512, **options) -> tuple[Graph, Array]:
    """The refitted graph, and the points that it was fitted on."""
    where = context(source, samples=samples)
    options = {"points": 512, **options}
    after = Refit(**options).apply(graph, where)
    check_rules(after)
    return after, where.fresh(options["points"], 0)


def layer_errors(source: Graph, graph: Graph, at: Array) -> dict[str, float]:
    """Mean square error of every map's value."""
    names = {node.name for node in source.nodes if node.in_core and isinstance(node.op, Affine)}
    wanted, found = (trace(g, g.bind(at), names) for g in (source, graph))
    return {name: float(((wanted[name] - found[name]) ** 2).mean()) for name in names}


@settings(max_examples=50)
@given(source=core_graphs(max_layers=1, width=8), levels=st.integers(2, 64))
def test_the_error_of_a_read_out_does_not_rise_on_its_own_points(source, levels):
    before = compiled(source, ROUND.format(levels))
    after, own = refitted(source, before, ridge=1e-9)
    old, new = (layer_errors(source, graph, own) for graph in (before, after))
    scale = float(np.mean(evaluate(source, source.bind(own))[0] ** 2))
    assert new["affine1"] <= old["affine1"] + 1e-9 * scale


@pytest.mark.parametrize("name", ["resnet", "pfnn", "modified_mlp", "spinn", "mionet"])
@pytest.mark.parametrize("levels", [8, 32])
def test_the_error_of_families_falls(name, levels):
    """Residual, with a block-diagonal map, gated and chained cores, separable."""
    source = cores_of(name)
    before = compiled(source, f"quantise-activations{{levels={levels},allocation=sensitivity}}")
    after, own = refitted(source, before)
    other = points(source, len(own), 5)
    if name in ("spinn", "mionet"):
        own, other = own[:64], other[:64]
    assert relative_error(source, after, own) < 0.95 * relative_error(source, before, own)
    assert relative_error(source, after, other) < 0.97 * relative_error(source, before, other)


def test_a_separable_example():
    job = prepare(EXAMPLES / "burgers_spinn" / "model.onnx", "x=-1:1,t=0:1")
    rounded = job.lower(staircase(32))
    after = job.lower((*staircase(32), Refit(points=1024)))
    at = job.selection[:96]
    assert relative_error(job.tidy, after, at) < 0.7 * relative_error(job.tidy, rounded, at)


def test_a_core_of_both_axes():
    """Which runs on all combinations: of fewer points."""
    source = compiled(graph_on_the_grid(), TIDY)
    before = compiled(source, ROUND.format(12))
    after, own = refitted(source, before, points=2048)
    own = own[:45]
    assert relative_error(source, after, own) < relative_error(source, before, own)


@pytest.mark.parametrize("name", ["residual", "pfnn", "piratenet"])
def test_fine_levels_leave_the_network_as_it_is(name):
    """Where nothing arrives changed, regression finds nothing to change."""
    source = residual_core() if name == "residual" else cores_of(name)
    where = context(source, samples=512)
    before = PassManager(parse_pipeline(ROUND.format(2**13))).run(source, where)
    after, own = refitted(source, before)
    assert relative_error(source, after, own) < 1e-3
    for node in before.nodes:
        if isinstance(node.op, Affine):
            changed = after.node(node.name).op
            assert np.abs(changed.bias - node.op.bias).max() < 1e-2


def test_only_maps_behind_neurons_change():
    source = residual_core()
    before = compiled(source, ROUND.format(16))
    after, _ = refitted(source, before)
    for name in ("affine0", "skip"):
        np.testing.assert_array_equal(after.node(name).op.weight, before.node(name).op.weight)
        np.testing.assert_array_equal(after.node(name).op.bias, before.node(name).op.bias)
    for name in ("affine1", "affine2"):
        assert np.abs(after.node(name).op.weight - before.node(name).op.weight).max() > 1e-4
    assert [node.name for node in after.nodes] == [node.name for node in before.nodes]


RATE = {
    "ramps": "split-thresholds{units=4},quantise-activations{levels=17}",
    "signed": "balance-thresholds{steps=16},quantise-activations{levels=33,rounding=zero}",
}


@pytest.mark.parametrize("kind", RATE)
@pytest.mark.parametrize("seed", range(3))
def test_over_time(kind, seed):
    """Fitted to the spikes that arrive, the rate program is closer."""
    source = core_graph(seed, (2, 10, 10, 1), ("tanh", "tanh"))
    lower = parse_pipeline("lower{coding=rate,steps=16},legalise")
    before = compiled(source, RATE[kind])
    where = context(source, samples=512)
    after = Refit(steps=16, points=512).apply(before, where)
    programs = [PassManager(lower).run(graph, where) for graph in (before, after)]
    at = points(source, 512, 3)
    old, new = (relative_error(source, program, at) for program in programs)
    assert new < 0.9 * old


def test_layers_are_compared_with_the_retrained_network():
    """Its inner values are others; what leaves is the source network's all the same."""
    source = core_graph(0, (2, 8, 8, 1), ("tanh", "tanh"))
    entry = source.node("affine0").op
    half = Affine(0.5 * entry.weight, 0.5 * entry.bias)
    inside = source.rewrite(lambda n: n.with_op(half) if n.name == "affine0" else n)
    at = points(source, 1024, 0)
    before = compiled(inside, ROUND.format(4096))
    where = Context(source, at, TARGETS["nir"], retrained=inside)
    after = Refit(points=1024).apply(before, where)
    own = where.fresh(1024, 0)
    found = layer_errors(inside, after, own)
    assert found["affine1"] < 1e-5
    assert relative_error(source, after, own) < 0.5 * relative_error(source, before, own)


def test_it_is_deterministic():
    source = residual_core()
    before = compiled(source, ROUND.format(16))
    one, other = (refitted(source, before)[0] for _ in range(2))
    assert weights_of(one) == weights_of(other)
    assert core_labels(one) == ("core.1",)


@given(seed=SEEDS, inputs=st.integers(1, 5), outputs=st.integers(1, 3))
def test_regression_finds_a_linear_map(seed, inputs, outputs):
    rng = np.random.default_rng(seed)
    slope, constant = rng.normal(size=(outputs, inputs)), rng.normal(size=outputs)
    x = 3 + rng.normal(size=(64, inputs)) * rng.uniform(0.1, 10, inputs)
    found = regression(x, x @ slope.T + constant, 0.0)
    np.testing.assert_allclose(found[0], slope, atol=1e-6)
    np.testing.assert_allclose(found[1], constant, atol=1e-5)


def test_regression_on_what_does_not_vary():
    x = np.column_stack([np.linspace(0, 1, 50), np.full(50, 7.0), np.linspace(0, 1, 50)])
    slope, constant = regression(x, 2 * x[:, :1] + 1, 1e-9)
    assert slope[0, 1] == 0
    assert slope[0, 0] + slope[0, 2] == pytest.approx(2, rel=1e-6)
    assert constant[0] == pytest.approx(1, abs=1e-6)


def test_regression_on_constants_alone_gives_the_mean():
    slope, constant = regression(np.full((50, 2), 7.0), np.arange(50.0)[:, None], 1e-9)
    assert not slope.any()
    assert constant[0] == pytest.approx(24.5)


@pytest.mark.parametrize("ridge", [1e-6, 1e-2, 1.0])
def test_a_ridge_keeps_the_change_small(ridge):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.normal(size=(200, 1))
    free, held = (regression(x, y, share)[0] for share in (0.0, ridge))
    assert np.linalg.norm(held) < np.linalg.norm(free)


def test_clips_in_the_place_of_other_activations():
    """Before the rounding: what they change is taken back as far as a map can."""
    source = core_graph(1, (2, 12, 12, 1), ("tanh",))
    before = compiled(source, "balance-thresholds{steps=32}")
    after, at = refitted(source, before)
    assert after.level is Level.TENSOR
    assert relative_error(source, after, at) < 0.5 * relative_error(source, before, at)


def test_steps_before_the_rounding():
    source = core_graph(0, (2, 4, 1), ("tanh",))
    with pytest.raises(PipelineError) as caught:
        refitted(source, source, steps=4)
    assert str(caught.value) == (
        "pass 'refit': only what is rounded is counted over steps\n"
        "hint: leave steps out, or run quantise-activations before"
    )
