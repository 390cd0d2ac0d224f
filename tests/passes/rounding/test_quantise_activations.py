"""quantise-activations rounds every activation to a staircase."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.diagnosis.sensitivity import sensitivities
from pinnir.ir.evaluate import apply_activation, evaluate, preactivations, trace
from pinnir.ir.graph import Activation, Affine, Graph, Level, Node, Primitive, Staircase
from pinnir.ir.rules import check_rules
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.level_allocation import Rounded, allocate, spreads_of
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from tests.helpers import (
    FUNCTIONS,
    compiled,
    context,
    core_graph,
    one_neuron,
    points,
    record,
    relative_error,
)
from tests.networks import cores_of
from tests.strategies import core_graphs


def quantised(graph: Graph, **options) -> Graph:
    after = QuantiseActivations(**options).apply(graph, context(graph))
    check_rules(after)
    return after


def stairs(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, Staircase)]


def range_of(graph: Graph, node: Node, margin: float) -> tuple[Array, Array]:
    """Pre-activations that a staircase covers, from the source network's."""
    source = context(graph)
    name = node.operands[0].name
    z = trace(graph, graph.bind(source.calibration), {name})[name]
    reach = margin * np.ptp(z, axis=0)
    return z.min(axis=0) - reach, z.max(axis=0) + reach


@given(graph=core_graphs(), levels=st.integers(2, 100))
def test_each_staircase_is_within_half_a_step_of_its_function(graph, levels):
    """On the staircase network's own pre-activations, where they lie in the fitted range."""
    after = quantised(graph, levels=levels, margin=0.1)
    seen = record(after, points(graph, 64, 1))
    for node in stairs(after):
        low, high = range_of(graph, node, 0.1)
        z = np.clip(seen[node.operands[0].name][0], low, high)
        f = ACTIVATIONS[graph.node(node.name).op.function].function
        assert np.all(np.abs(node.op(z) - f(z)) <= node.op.step * (0.5 + 1e-9) + 1e-15)


@given(graph=core_graphs(), levels=st.integers(64, 512))
def test_the_output_error_is_bounded_by_the_steps(graph, levels):
    """All activations have slopes up to 1, so errors pass on by the weights' magnitudes."""
    after = quantised(graph, levels=levels, margin=1.0)
    error = np.zeros(1)
    for node in after.nodes:
        if isinstance(node.op, Affine):
            error = np.abs(node.op.weight) @ np.broadcast_to(error, node.op.weight.shape[1:])
        elif isinstance(node.op, Staircase):
            low, high = range_of(graph, node, 0.0)
            assume(np.all(error <= high - low))  # the margin: nothing is cut off
            error = error + 0.5 * node.op.step
    at = graph.bind(context(graph).calibration)
    (exact,), (rounded,) = evaluate(graph, at), evaluate(after, at)
    assert np.all(np.abs(rounded - exact) <= error + 1e-12)


def test_more_levels_are_closer():
    graph = core_graph(0, (2, 8, 8, 1), ("tanh", "sin"))
    at = graph.bind(points(graph, 256, 1))
    (exact,) = evaluate(graph, at)
    errors = [
        np.abs(evaluate(quantised(graph, levels=levels), at)[0] - exact).mean()
        for levels in (8, 32, 128, 512)
    ]
    assert np.all(np.diff(np.log(errors)) < np.log(0.5))


def test_range_per_neuron_and_per_layer():
    graph = core_graph(0, (2, 5, 1), ("tanh",))
    low, high = range_of(graph, graph.node("act0"), 0.01)
    own = quantised(graph, levels=16).node("act0").op
    np.testing.assert_allclose(own.base, np.tanh(low), rtol=1e-12)
    np.testing.assert_allclose(own.step, (np.tanh(high) - np.tanh(low)) / 15, rtol=1e-12)
    shared = quantised(graph, levels=16, range="layer").node("act0").op
    assert np.ptp(shared.base) == np.ptp(shared.step) == 0
    assert np.all(np.ptp(shared.boundaries, axis=0) == 0)
    assert shared.base[0] <= own.base.min()


def test_only_the_core_changes():
    graph = core_graph(0, (2, 3, 1), ("tanh",))
    sine = Node("host", Activation("sin"), graph.outputs, "host.2")
    product = Node("product", Primitive("Mul"), (sine, *graph.outputs), "host.2")
    after = quantised(Graph(Level.TENSOR, graph.inputs, (product,)), levels=8)
    assert after.level is Level.STAIRCASE
    assert after.node("host").op is sine.op
    assert after.node("affine0") is graph.node("affine0")
    assert [node.name for node in stairs(after)] == ["act0"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_dead_neuron(function):
    """A neuron whose pre-activation never changes keeps its one value."""
    graph = core_graph(0, (2, 3, 1), (function,))
    entry = graph.node("affine0").op
    dead = Affine(entry.weight * [[0.0], [1.0], [1.0]], entry.bias)
    graph = graph.rewrite(lambda node: node.with_op(dead) if node.name == "affine0" else node)
    after = quantised(graph, levels=256)
    at = points(graph, 32, 1)
    exact, rounded = record(graph, at)["act0"][0], record(after, at)["act0"][0]
    np.testing.assert_allclose(rounded[:, 0], exact[:, 0], rtol=1e-15)
    assert np.abs(rounded - exact).max() < 0.05


# clips

CLIPS = [(-2.0, 2.0), (-0.3, 0.3), (0.0, 1.5), (0.5, 0.7), (-0.75, 0.5)]
Z = np.random.default_rng(0).uniform(-3, 3, (1000, 1))


@pytest.mark.parametrize(("low", "high"), CLIPS)
@pytest.mark.parametrize("levels", [2, 9, 64])
def test_clip_to_the_nearest_level(low, high, levels):
    op = quantised(one_neuron(Activation("clip", (low, high))), levels=levels).node("act0").op
    step = (high - low) / (levels - 1)
    expected = low + step * np.floor((np.clip(Z, low, high) - low) / step + 0.5)
    middle = np.abs(Z - op.boundaries).min(axis=1) < 1e-9
    np.testing.assert_allclose(op(Z)[~middle], expected[~middle], atol=1e-12)
    assert np.all(np.abs(op(Z) - np.clip(Z, low, high)) <= 0.5 * step + 1e-12)


@pytest.mark.parametrize("high", [0.3, 2.0])
@pytest.mark.parametrize("steps", [1, 4, 32])
def test_clip_towards_zero(high, steps):
    graph = one_neuron(Activation("clip", (-high, high)))
    op = quantised(graph, levels=2 * steps + 1, rounding="zero").node("act0").op
    step = high / steps
    z = np.append(Z, step * np.arange(-steps, steps + 1)[:, None], axis=0)
    levels = np.clip(np.trunc(np.round(z / step, 9)), -steps, steps)
    np.testing.assert_array_equal(op.levels(z), levels)
    np.testing.assert_allclose(op(z), step * levels, atol=1e-12)


@pytest.mark.parametrize("high", [0.3, 2.0])
@pytest.mark.parametrize("steps", [1, 4, 32])
def test_signed_clip_to_the_nearest(high, steps):
    """At a boundary what a neuron that fires there counts: away from zero."""
    graph = one_neuron(Activation("clip", (-high, high)))
    op = quantised(graph, levels=2 * steps + 1, rounding="signed").node("act0").op
    step = high / steps
    ends = step * (np.arange(1, steps + 1) - 0.5)
    z = np.concatenate([Z.ravel(), ends, -ends])[:, None]
    share = z / step
    levels = np.sign(share) * np.floor(np.round(np.abs(share), 9) + 0.5)
    np.testing.assert_array_equal(op.levels(z), np.clip(levels, -steps, steps))
    np.testing.assert_array_equal(op.start, -steps)


@pytest.mark.parametrize(("low", "high"), CLIPS)
def test_clip_rounded_either_way_stays_a_clip(low, high):
    """Rounding towards zero is for signed clips; it must not change what others mean."""
    graph = one_neuron(Activation("clip", (low, high)))
    op = quantised(graph, levels=17, rounding="zero").node("act0").op
    assert np.all(np.abs(op(Z) - np.clip(Z, low, high)) <= (high - low) / 8 + 1e-12)


def test_clip_per_neuron():
    graph = core_graph(0, (2, 3, 1), ("tanh",))
    low, high = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 0.5, 3.0])
    clip = Activation("clip", (low, high))
    graph = graph.rewrite(lambda node: node.with_op(clip) if node.name == "act0" else node)
    op = quantised(graph, levels=33).node("act0").op
    z = np.tile(Z, 3)
    assert np.all(np.abs(op(z) - np.clip(z, low, high)) <= 0.5 * op.step + 1e-12)


# allocation

SENSITIVE = "quantise-activations{levels=64,allocation=sensitivity}"


def level_counts(graph: Graph) -> Array:
    return np.concatenate([np.count_nonzero(n.op.directions, axis=1) + 1 for n in stairs(graph)])


@pytest.mark.parametrize("name", ["resnet", "modified_mlp", "spinn", "mionet"])
def test_levels_by_sensitivity_are_the_allocated_ones(name):
    graph = cores_of(name)
    after = compiled(graph, SENSITIVE)
    weights = sensitivities(graph, context(graph).calibration, of_each_output=True)
    even = quantised(graph, levels=64)
    heights = {node.name: node.op.step * 63 for node in stairs(even)}
    z = preactivations(graph, graph.bind(context(graph).calibration))
    about = {}
    for name, weight in weights.items():
        values = apply_activation(graph.node(name).op, z[name])
        about[name] = Rounded(weight, heights[name], spreads_of(values))
    found = allocate(about, 64)
    for node in stairs(after):
        np.testing.assert_allclose(node.op.step * (found[node.name] - 1), heights[node.name])
    own = np.concatenate([found[node.name] for node in stairs(after)])
    assert len(np.unique(own)) > 2
    if name != "mionet":  # whose periodic neurons would have more
        np.testing.assert_array_equal(level_counts(after), own)


@pytest.mark.parametrize("seed", range(3))
def test_levels_by_sensitivity_are_closer(seed):
    """Where the neurons' weights differ by an order of magnitude."""
    graph = core_graph(seed, (2, 12, 12, 1), ("tanh", "tanh"))
    op = graph.node("affine2").op
    scaled = Affine(op.weight * np.geomspace(0.03, 1, 12), op.bias)
    graph = graph.rewrite(lambda n: n.with_op(scaled) if n.name == "affine2" else n)
    at = points(graph, 1024, 1)
    even, uneven = (
        relative_error(graph, quantised(graph, levels=64, allocation=kind), at)
        for kind in ("even", "sensitivity")
    )
    assert uneven < 0.9 * even


def test_clips_have_no_allocation():
    clips = compiled(core_graph(0, (2, 3, 1), ("tanh",)), "split-thresholds{units=2}")
    with pytest.raises(PipelineError) as caught:
        quantised(clips, levels=9, allocation="sensitivity")
    name = next(node.name for node in clips.nodes if isinstance(node.op, Activation))
    assert str(caught.value) == (
        f"Activation '{name}': clipped ramps are counted over time, and all by the same number of "
        "steps\nhint: leave allocation=sensitivity to activations that were not split"
    )
