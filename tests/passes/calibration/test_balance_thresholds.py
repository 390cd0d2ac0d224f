"""balance-thresholds puts a clip with a fitted threshold in place of each activation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import trace
from pinnir.ir.graph import Activation, Graph, Level
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array
from pinnir.passes.calibration.balance_thresholds import BalanceThresholds
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from tests.helpers import assert_same_values, context, core_graph
from tests.strategies import core_graphs

SIGNED = ("tanh", "sin")


def network(function: str) -> tuple[Graph, Array, Array]:
    """A network, its first pre-activations on the calibration points and their activations."""
    graph = core_graph(3, (2, 5, 4, 1), (function, function))
    z = trace(graph, graph.bind(context(graph).calibration), {"affine0"})["affine0"]
    return graph, z, ACTIVATIONS[function].function(z)


def thresholds(graph: Graph, function: str, **options) -> Array:
    after = BalanceThresholds(**options).apply(graph, context(graph))
    assert after.level is Level.TENSOR
    op = after.node("act0").op
    assert isinstance(op, Activation)
    assert op.function == "clip"
    low, high = op.parameters
    assert low.shape == high.shape == (5,)
    np.testing.assert_array_equal(low, -high if function in SIGNED else 0 * high)
    return high


@pytest.mark.parametrize("function", ["tanh", "sin", "relu"])
def test_largest_activation(function):
    graph, _, y = network(function)
    own = thresholds(graph, function, method="max", per="channel")
    np.testing.assert_array_equal(own, np.maximum(np.abs(y).max(axis=0), 1e-9))
    shared = thresholds(graph, function, method="max")
    np.testing.assert_array_equal(shared, np.full(5, np.abs(y).max()))


@pytest.mark.parametrize("function", ["tanh", "sin", "relu"])
@pytest.mark.parametrize("share", [50.0, 99.0, 100.0])
def test_percentile(function, share):
    graph, _, y = network(function)
    options = {"method": "percentile", "percentile": share}
    size = np.abs(y)
    own = thresholds(graph, function, per="channel", **options)
    np.testing.assert_array_equal(own, np.maximum(np.percentile(size, share, axis=0), 1e-9))
    shared = thresholds(graph, function, **options)
    np.testing.assert_array_equal(shared, np.full(5, max(np.percentile(size, share), 1e-9)))


def spiking_error(z: Array, y: Array, theta: float, signed: bool, steps: int) -> Array:
    """Mean square error ``(neurons,)`` of the staircase that one IF neuron counts."""
    graph = core_graph(0, (1, z.shape[1], 1), ("tanh",))
    clip = Activation("clip", (-theta if signed else 0.0, theta))
    graph = graph.rewrite(lambda node: node.with_op(clip) if node.name == "act0" else node)
    options = (2 * steps + 1, "neuron", 0.0, "zero") if signed else (steps + 1,)
    staircase = QuantiseActivations(*options).apply(graph, context(graph)).node("act0").op
    return ((staircase(z) - y) ** 2).mean(axis=0)


@pytest.mark.parametrize("function", ["tanh", "sin", "relu"])
@pytest.mark.parametrize("steps", [4, 32])
@pytest.mark.parametrize("per", ["layer", "channel"])
def test_least_mean_square_error(function, steps, per):
    """The chosen threshold is the best of 95 shares of the largest activation."""
    graph, z, y = network(function)
    chosen = thresholds(graph, function, method="mmse", per=per, steps=steps)
    signed = function in SIGNED
    if per == "layer":
        assert np.ptp(chosen) == 0
    for neuron in range(5):
        columns = slice(neuron, neuron + 1) if per == "channel" else slice(None)
        zs, ys = z[:, columns], y[:, columns]
        candidates = np.linspace(0.05, 1.0, 95) * max(np.abs(ys).max(), 1e-9)
        errors = [spiking_error(zs, ys, theta, signed, steps).mean() for theta in candidates]
        assert np.abs(candidates - chosen[neuron]).min() <= 1e-12
        own = spiking_error(zs, ys, chosen[neuron], signed, steps).mean()
        assert own <= min(errors) * (1 + 1e-9) + 1e-15
        if per == "layer":
            break


@given(
    graph=core_graphs(("tanh", "sin", "relu")),
    method=st.sampled_from(("max", "percentile", "mmse")),
    per=st.sampled_from(("layer", "channel")),
)
def test_clips_are_bounded_by_their_thresholds(graph, method, per):
    after = BalanceThresholds(method=method, per=per).apply(graph, context(graph))
    for node in after.nodes:
        if isinstance(node.op, Activation):
            low, high = node.op.parameters
            assert np.all(high > 0)
            assert np.all((low == -high) | (low == 0))
            y = trace(graph, graph.bind(context(graph).calibration), {node.name})[node.name]
            assert np.all(high <= np.abs(y).max() + 1e-9)


@given(graph=core_graphs(("relu",)))
def test_relu_below_its_largest_value_is_unchanged(graph):
    after = BalanceThresholds(method="max").apply(graph, context(graph))
    assert_same_values(graph, after, context(graph).calibration, tolerance=1e-8)


@pytest.mark.parametrize("function", ["sigmoid", "cos"])
def test_activation_that_is_no_clip(function):
    graph = core_graph(0, (2, 3, 1), (function,))
    with pytest.raises(LegalizeError) as caught:
        BalanceThresholds().apply(graph, context(graph))
    assert str(caught.value) == (
        f"Activation 'act0': one integrate-and-fire neuron cannot stand for {function}\n"
        "hint: use split-thresholds"
    )


def test_calibration_points_decide():
    graph = core_graph(0, (2, 5, 1), ("tanh",))
    wide = context(graph)
    narrow = replace(wide, calibration=0.5 * wide.calibration)
    thetas = [
        BalanceThresholds(method="max").apply(graph, where).node("act0").op.parameters[1]
        for where in (narrow, wide)
    ]
    assert np.all(thetas[0] < thetas[1])
