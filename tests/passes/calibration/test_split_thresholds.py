"""split-thresholds fits an activation with clipped ramps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.evaluate import evaluate, trace
from pinnir.ir.graph import Activation, Affine, Graph, Level
from pinnir.ir.rules import check_rules
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array
from pinnir.passes.calibration.split_thresholds import SplitThresholds
from tests.helpers import FUNCTIONS, compiled, context, core_graph, one_neuron, points
from tests.strategies import core_graphs


def split(graph: Graph, **options) -> Graph:
    after = SplitThresholds(**options).apply(graph, context(graph))
    check_rules(after)
    assert after.level is Level.TENSOR
    return after


def rms(graph: Graph, after: Graph, at: Array) -> float:
    (exact,), (fitted,) = (evaluate(g, g.bind(at)) for g in (graph, after))
    return float(np.sqrt(((fitted - exact) ** 2).mean()))


def wide(function: str, *parameters: float) -> Graph:
    """One neuron whose input runs from -4 to 4."""
    graph = one_neuron(Activation(function, parameters))
    entry = Affine(4 * np.eye(1), np.zeros(1))
    return graph.rewrite(lambda node: node.with_op(entry) if node.name == "affine0" else node)


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "relu"])
def test_more_units_fit_better(function):
    """The error falls with the square of the units."""
    graph = wide(function)
    errors = [rms(graph, split(graph, units=k), points(graph, 500, 1)) for k in (2, 4, 8, 16, 32)]
    assert np.all(np.diff(np.log(errors)) < 0)
    assert errors[-1] < 0.03 * errors[0]
    assert errors[-1] < 3e-3


@pytest.mark.parametrize("units", [4, 16, 64])
def test_relu_and_clip_are_almost_exact(units):
    """Piecewise linear themselves: the error is that of the interval with the kink."""
    for graph in (wide("relu"), wide("clip", -1.0, 1.5)):
        after = split(graph, units=units)
        at = points(graph, 500, 1)
        (exact,), (fitted,) = (evaluate(g, g.bind(at)) for g in (graph, after))
        knots = np.append(*(p[0] for p in after.node("act0").op.parameters))
        assert np.abs(fitted - exact).max() <= 0.5 * np.diff(np.sort(knots)).max()
        assert np.abs(fitted - exact).mean() < 0.5 / units


@pytest.mark.parametrize("units", [1, 2, 5])
def test_straight_lines_are_exact(units):
    """Over positive inputs ReLU is the identity, over negative ones it is zero."""
    for shift in (5.0, -5.0):
        graph = wide("relu")
        entry = Affine(4 * np.eye(1), np.full(1, shift))
        graph = graph.rewrite(lambda n, e=entry: n.with_op(e) if n.name == "affine0" else n)
        assert rms(graph, split(graph, units=units), points(graph, 100, 1)) < 1e-6


def test_the_fit_is_no_worse_than_interpolation():
    """Least squares over the points beats the chords between the same knots."""
    graph = wide("tanh")
    calibration = context(graph).calibration
    after = split(graph, units=6)
    low, high = after.node("act0").op.parameters
    knots = np.append(low, high[-1])
    z = 4 * calibration
    chords = np.interp(z, knots, np.tanh(knots))
    assert rms(graph, after, calibration) < np.sqrt(((chords - np.tanh(z)) ** 2).mean())


@given(graph=core_graphs(), units=st.integers(2, 6), margin=st.sampled_from((0.0, 0.01, 0.5)))
def test_knots_cover_the_calibration_points(graph, units, margin):
    after = split(graph, units=units, margin=margin)
    for node in graph.nodes:
        if not isinstance(node.op, Activation):
            continue
        clip, name = after.node(node.name), node.operands[0].name
        z = trace(graph, graph.bind(context(graph).calibration), {name})[name]
        low, high = (np.reshape(p, (z.shape[1], units)) for p in clip.op.parameters)
        assert np.all(low < high)
        np.testing.assert_array_equal(low[:, 1:], high[:, :-1])
        reach = margin * np.ptp(z, axis=0) + 1e-9
        np.testing.assert_allclose(low[:, 0], z.min(axis=0) - reach, rtol=0, atol=1e-12)
        np.testing.assert_allclose(high[:, -1], z.max(axis=0) + reach, rtol=0, atol=1e-12)


@given(graph=core_graphs())
def test_a_network_of_many_units_is_close(graph):
    (exact,) = evaluate(graph, graph.bind(context(graph).calibration))
    error = rms(graph, split(graph, units=64), context(graph).calibration)
    assert error < 0.02 * max(1.0, np.abs(exact).max())


def test_shape_of_the_split_network():
    graph = core_graph(0, (2, 5, 3, 1), ("tanh", "sin"))
    after = split(graph, units=4)
    names = "x affine0 act0_in act0 affine1 act1_in act1 affine2"
    assert [node.name for node in after.nodes] == names.split()
    expand = after.node("act0_in").op
    assert expand.weight.blocks.shape == (5, 4, 1)
    assert np.all(expand.weight.blocks == 1)
    assert after.node("affine1").op.weight.shape == (3, 20)
    assert after.node("affine0") is graph.node("affine0")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_outside_the_knots_the_fit_is_constant(function):
    graph = wide(function)
    after = split(graph, units=8)
    (y,) = evaluate(after, {"x": np.array([[2.0], [9.0], [-2.0], [-9.0]])})
    assert y[0] == y[1]
    assert y[2] == y[3]
    f = ACTIVATIONS[function].function
    np.testing.assert_allclose(y[[0, 2], 0], f(np.array([4.0, -4.0])), atol=0.2)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_dead_neuron(function):
    graph = core_graph(0, (2, 3, 1), (function,))
    entry = graph.node("affine0").op
    dead = Affine(entry.weight * [[0.0], [1.0], [1.0]], entry.bias)
    graph = graph.rewrite(lambda node: node.with_op(dead) if node.name == "affine0" else node)
    assert rms(graph, split(graph), points(graph, 100, 1)) < 0.02


def test_population_coding_of_a_split_network():
    """Ramps are staircases like any other once they are quantised."""
    graph = core_graph(0, (2, 5, 1), ("tanh",))
    stairs = compiled(graph, "split-thresholds{units=4},quantise-activations{levels=8}")
    lowered = compiled(stairs, "lower")
    at = points(graph, 64, 1)
    (one,), (other,) = evaluate(stairs, stairs.bind(at)), evaluate(lowered, lowered.bind(at))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_one_ramp_alone_leaves_out_saturated_ends():
    """Its only clip lies where it fits best, and the levels of a rate program with it."""
    graph = one_neuron(Activation("tanh"))
    z = np.linspace(-6, 6, 400)[:, None]
    after = SplitThresholds(units=1).apply(graph, replace(context(graph), calibration=z))
    low, high = after.node("act0").op.parameters
    assert -2.5 < low[0] < -0.7
    assert 0.7 < high[0] < 2.5
    (found,), (wanted,) = (evaluate(g, g.bind(z)) for g in (after, graph))
    whole = np.polynomial.Polynomial.fit(z[:, 0], wanted[:, 0], 1)(z)
    assert np.linalg.norm(found - wanted) < 0.5 * np.linalg.norm(whole - wanted)
