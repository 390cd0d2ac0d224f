"""The expected error of a rounded core: its derivatives, and whether it comes true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from pinnir.diagnosis.sensitivity import metric, sensitivities
from pinnir.ir.graph import Activation, Graph
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.matrix import Array, BlockDiagonal
from pinnir.passes.fitting.level_allocation import spreads_of
from pinnir.passes.fitting.rounding_loss import RoundedLoss
from pinnir.passes.fitting.teaching import TeacherLoss, root_of
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from tests.helpers import (
    compiled,
    core_graph,
    direction,
    inner,
    moved,
    points,
    relative_error,
    residual_core,
)
from tests.networks import cores_of
from tests.strategies import SEEDS, core_graphs

SMOOTH = ("tanh", "sigmoid", "sin", "cos")
# Wide, so that differences do not meet the ends.
PARAMETERS = {"clip": (-9.0, 9.0), "rounded-clip": (-9.0, 9.0, 8.0)}


def losses(graph: Graph, at: Array, variance: float = 1e-2) -> Iterator[RoundedLoss]:
    """The loss of every core, all neurons with about the same rounding error."""
    for label in core_labels(graph):
        core = TrainableCore.of(graph, label, graph)
        exact = TeacherLoss.on(at, core, graph, root_of(metric(graph, label, at)))
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], (len(exact.wanted), exact.root.shape[1]))
        loss = RoundedLoss(exact, signs)
        sizes = {name: one.heights.size for name, one in loss.layers().items()}
        variances = {name: variance * rng.uniform(0.5, 2, n) for name, n in sizes.items()}
        yield replace(loss, variances=variances)


def assert_derivatives_equal_differences(
    graph: Graph, seed: int, at: Array, least: float = 1e-4
) -> None:
    """Away from the start, where the first part of the loss has derivatives of that size too."""
    for loss in losses(graph, at):
        start = loss.exact.core.parameters
        here = moved(start, direction(start, seed), 0.03)
        way, step = direction(start, seed + 1), 1e-5
        up, down = (loss(moved(here, way, side * step))[0] for side in (1, -1))
        found = inner(loss(here)[1], way)
        scale = np.sqrt(inner(way, way)) * max(1.0, loss(here)[0])
        assert abs(found - (up - down) / (2 * step)) < 2e-5 * scale
        assert abs(found) >= least * scale  # there is something to compare


@settings(max_examples=40)
@given(source=core_graphs(functions=SMOOTH), seed=SEEDS)
def test_derivatives_of_perceptrons(source, seed):
    assert_derivatives_equal_differences(source, seed, points(source, 8, seed), least=0)


def test_derivatives_of_a_residual_core():
    graph = residual_core()
    assert_derivatives_equal_differences(graph, 0, points(graph, 32, 0))


@pytest.mark.parametrize("name", ["pfnn", "skip", "resnet", "piratenet", "spinn", "mionet"])
def test_derivatives_of_families(name):
    """Several outputs, strands, SiLU, block-diagonal maps, cores that something comes behind."""
    graph = cores_of(name)
    assert_derivatives_equal_differences(graph, 0, points(graph, 12, 0))


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_derivatives_of_every_activation(function):
    op = Activation(function, PARAMETERS.get(function, ()))
    graph = core_graph(5, (2, 6, 5, 2), ("tanh", "tanh")).rewrite(
        lambda node: node.with_op(op) if isinstance(node.op, Activation) else node
    )
    assert_derivatives_equal_differences(graph, 0, points(graph, 16, 0))


def test_maps_that_stay_have_no_derivatives():
    graph = residual_core()
    at = points(graph, 16, 0)
    (loss,) = losses(graph, at)
    whole = loss(loss.exact.core.parameters)
    core = TrainableCore(graph, "core.1", frozenset({"affine1"}))
    exact = TeacherLoss.on(at, core, graph, loss.exact.root)
    value, by = replace(loss, exact=exact)(core.parameters)
    assert value == pytest.approx(whole[0])
    assert by.keys() == {"affine1"}
    np.testing.assert_allclose(by["affine1"][0], whole[1]["affine1"][0])


@pytest.mark.parametrize(
    ("graph", "levels"),
    [
        (core_graph(3, (2, 12, 12, 1), ("tanh", "sin")), 64),
        (core_graph(4, (2, 16, 2), ("sigmoid",)), 64),
        (residual_core(), 256),
        (cores_of("resnet"), 128),
        (cores_of("pfnn"), 128),
    ],
)
def test_the_value_predicts_the_error_of_the_quantised_network(graph, levels):
    at = points(graph, 4096, 1)
    (loss,) = losses(graph, at)
    rounded = compiled(graph, f"quantise-activations{{levels={levels}}}")
    variances = {name: rounded.node(name).op.step ** 2 / 12 for name in loss.variances}
    loss = replace(loss, variances=variances)
    predicted = np.sqrt(loss(loss.exact.core.parameters)[0])
    assert relative_error(graph, rounded, at) == pytest.approx(predicted, rel=0.2)


def test_rounded_layers():
    graph = residual_core()
    at = points(graph, 256, 0)
    (loss,) = losses(graph, at)
    found = loss.layers()
    run = loss.exact.core.forward(loss.exact.core.parameters, loss.exact.entering)
    for name, weight in sensitivities(graph, at).items():
        values = run.values[graph.node(name)]
        np.testing.assert_allclose(found[name].weights, weight, rtol=2e-3)
        np.testing.assert_allclose(found[name].heights, np.ptp(values, axis=0))
        np.testing.assert_allclose(found[name].spreads, spreads_of(values))


@pytest.mark.parametrize("name", ["resnet", "pfnn"])
def test_scales_are_symmetric_positive_and_of_dense_maps_only(name):
    graph = cores_of(name)
    (loss,) = losses(graph, points(graph, 64, 0))
    start = loss.exact.core.parameters
    scales = loss.scales(start)
    ops = {node.name: node.op for node in graph.nodes if node.name in start}
    assert scales.keys() == {
        name for name, op in ops.items() if not isinstance(op.weight, BlockDiagonal)
    }
    for name, sides in scales.items():
        assert tuple(len(side) for side in sides) == start[name][0].shape
        for side in sides:
            np.testing.assert_allclose(side, side.T, rtol=1e-9)
            assert np.linalg.eigvalsh(side).min() > 0


def test_root_of_a_metric():
    graph = cores_of("spinn")
    found = metric(graph, "core.1", points(graph, 16, 0))
    root = root_of(found)
    share = np.trace(found) / len(found)
    np.testing.assert_allclose(root @ root.T, found + 1e-3 * share * np.eye(len(found)), atol=1e-9)


def test_the_gradient_of_a_lesson_is_that_of_its_loss():
    graph = residual_core()
    (loss,) = losses(graph, points(graph, 32, 0))
    exact = loss.exact
    start = exact.core.parameters
    assert exact.loss(start) == 0
    here, way = (moved(start, direction(start, seed), 0.1) for seed in (0, 1))
    difference = (exact.loss(moved(here, way, 1e-6)) - exact.loss(moved(here, way, -1e-6))) / 2e-6
    assert inner(exact.gradient(here), way) == pytest.approx(difference, rel=1e-5)
    rows = np.array([3, 5])
    some, (x,) = exact.batch(rows), graph.inputs
    np.testing.assert_array_equal(some.wanted, exact.wanted[rows])
    np.testing.assert_array_equal(some.entering[x], exact.entering[x][rows])
