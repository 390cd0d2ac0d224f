"""What the codings share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.base.errors import PipelineError
from pinnir.codings import CODINGS
from pinnir.codings.common import upper_bounds
from pinnir.ir.evaluate import preactivations
from pinnir.ir.graph import Staircase
from pinnir.passes.parsing import parse_pipeline
from tests.helpers import core_graph, points, residual_core, staircase_graph
from tests.strategies import SEEDS, core_graphs


@given(graph=core_graphs(), seed=SEEDS)
def test_pre_activations_stay_below_their_bounds(graph, seed):
    stairs = staircase_graph(graph, seed, 8)
    bounds = upper_bounds(stairs, stairs.bind(points(stairs, 64, 0)))
    values = preactivations(stairs, stairs.bind(points(stairs, 64, 1)))
    assert bounds.keys() == values.keys()
    assert len(bounds) == sum(isinstance(node.op, Staircase) for node in stairs.nodes)
    for name, value in values.items():
        assert np.all(value <= bounds[name] + 1e-12)


def test_bounds_behind_a_staircase_are_reached():
    stairs = staircase_graph(core_graph(0, (1, 1, 3, 1), ("tanh", "tanh")), 0, 8)
    x = {"x": np.linspace(-50, 50, 400)[:, None]}
    highest = preactivations(stairs, x)["act1"].max(axis=0)
    np.testing.assert_allclose(highest, upper_bounds(stairs, x)["act1"], rtol=1e-12)


def test_bounds_of_several_maps_add_up():
    """What a residual connection carries is bounded map by map."""
    graph = residual_core()
    stairs = staircase_graph(graph, 0, 8)
    x = stairs.bind(points(stairs, 64, 0))
    bounds = upper_bounds(stairs, x)
    assert bounds.keys() == {"act0", "act1"}
    assert np.all(preactivations(stairs, x)["act1"] <= bounds["act1"] + 1e-12)


def test_unknown_coding():
    with pytest.raises(PipelineError) as caught:
        parse_pipeline("lower{coding=morse}")
    assert str(caught.value) == ("'morse': unknown coding\nhint: known are " + ", ".join(CODINGS))
