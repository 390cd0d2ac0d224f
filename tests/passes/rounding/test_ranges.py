"""Ranges reach as far as pre-activations do between the calibration points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from pinnir.ir.evaluate import evaluate, preactivations
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.passes.rounding.ranges import found_beyond
from pinnir.pipeline.context import Context
from pinnir.pipeline.remembered import once_for_each_graph
from pinnir.points.domain import Domain
from tests.helpers import CORE, context
from tests.strategies import core_graphs


def ridge(steepness: float) -> Graph:
    """A bump of height 1.52 along the line x - y = 0.37, which is narrow where it is steep."""
    x = Node("x", Input(2))
    slopes = np.array([[1.0, -1.0], [1.0, -1.0]])
    entry = Node(
        "affine0", Affine(steepness * slopes, np.array([1.0, -1.0]) - 0.37 * steepness), (x,), CORE
    )
    steps = Node("act0", Activation("tanh"), (entry,), CORE)
    bump = Node("affine1", Affine(np.array([[1.0, -1.0]]), np.zeros(1)), (steps,), CORE)
    last = Node("act1", Activation("tanh"), (bump,), CORE)
    return Graph(
        Level.TENSOR, (x,), (Node("affine2", Affine(np.eye(1), np.zeros(1)), (last,), CORE),)
    )


def within(graph: Graph, samples: int = 512) -> Context:
    """As a compilation has it: points inside and on the faces of a box."""
    at = context(graph, samples)
    columns = at.calibration.shape[1]
    box = Domain(tuple("abc"[:columns]), -np.ones(columns), np.ones(columns))
    points = np.concatenate([at.calibration, box.boundary(16, 0)])
    return replace(at, calibration=points, domain=box)


def seen(graph: Graph, at: Context) -> dict[str, np.ndarray]:
    return preactivations(graph, graph.bind(at.calibration))


def test_a_strip_between_the_points_is_found():
    graph = ridge(300)
    at = within(graph)
    known = seen(graph, at)
    far = known["act1"].max() + found_beyond(graph, at, known)["act1"][1]
    assert known["act1"].max() < 0.99 * 2 * np.tanh(1)
    np.testing.assert_allclose(far, 2 * np.tanh(1), rtol=1e-3)
    rounded = QuantiseActivations(levels=64).apply(graph, at)
    on_top = np.array([[0.3, -0.07]])
    step = next(n.op.step[0] for n in rounded.nodes if n.name == "act1")
    (wanted,), (found,) = (evaluate(g, g.bind(on_top)) for g in (graph, rounded))
    assert abs(found - wanted).max() <= 2 * step


def test_no_range_grows_by_more_than_a_quarter():
    graph = ridge(1e4)
    at = within(graph)
    known = seen(graph, at)
    far = found_beyond(graph, at, known)["act1"]
    assert far[1] == pytest.approx(0.25 * np.ptp(known["act1"]))


@given(graph=core_graphs())
def test_what_is_found_is_reached_in_the_domain(graph):
    at = within(graph, 256)
    known = seen(graph, at)
    far = found_beyond(graph, at, known)
    again = found_beyond(graph, at, known)
    # Far more points than the search looks at.
    rng = np.random.default_rng(1)
    many = preactivations(graph, graph.bind(rng.uniform(-1, 1, (4096, len(at.domain.columns)))))
    for name, z in known.items():
        np.testing.assert_array_equal(far[name], again[name])
        assert np.all(far[name] >= 0)
        left = np.maximum(many[name].max(axis=0) - z.max(axis=0) - far[name][1], 0)
        width = np.ptp(z, axis=0)
        assert np.all((left <= 0.05 * width + 1e-9) | (far[name][1] >= 0.249 * width))


def test_calibration_points_are_all_there_is_without_a_domain():
    graph = ridge(30)
    at = context(graph, 512)
    assert not any(far.any() for far in found_beyond(graph, at, seen(graph, at)).values())


def test_a_graph_is_looked_at_once_and_for_other_points_again():
    looked = []

    @once_for_each_graph
    def look(graph: Graph, at: Context, number: int) -> dict[str, np.ndarray]:
        looked.append(at)
        return {"found": np.array(len(looked))}

    graph = ridge(30)
    at, other = within(graph), within(graph, 64)
    calls = (graph, at, 1), (graph, at, 1), (graph, at, 2), (graph, other, 1), (ridge(30), at, 1)
    assert [int(look(*call)["found"]) for call in calls] == [1, 1, 2, 3, 4]
