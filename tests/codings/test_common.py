"""What the codings share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.codings import CODINGS, lower_with
from pinnir.codings.common import upper_bounds
from pinnir.errors import PipelineError
from pinnir.evaluate import trace
from pinnir.ir import Affine
from tests.helpers import context, core_graph, points, staircase_graph
from tests.strategies import SEEDS, core_graphs


@given(graph=core_graphs(), seed=SEEDS)
def test_pre_activations_stay_below_their_bounds(graph, seed):
    stairs = staircase_graph(graph, seed, 8)
    names = {node.name for node in stairs.nodes if isinstance(node.op, Affine)}
    fitted = trace(stairs, stairs.bind(points(stairs, 64, 0)), {"affine0"})
    bounds = upper_bounds(stairs, fitted)
    assert bounds.keys() == names
    values = trace(stairs, stairs.bind(points(stairs, 64, 1)), names)
    for name in names:
        assert np.all(values[name] <= bounds[name] + 1e-12)


def test_bounds_behind_a_staircase_are_reached():
    stairs = staircase_graph(core_graph(0, (1, 1, 3), ("tanh",)), 0, 8)
    x = np.linspace(-50, 50, 400)[:, None]
    found = trace(stairs, {"x": x}, {"affine0", "affine1"})
    bounds = upper_bounds(stairs, {"affine0": found["affine0"]})
    np.testing.assert_allclose(found["affine1"].max(axis=0), bounds["affine1"], rtol=1e-12)


def test_unknown_coding():
    graph = staircase_graph(core_graph(0, (1, 1, 1), ("tanh",)), 0, 4)
    with pytest.raises(PipelineError) as caught:
        lower_with("morse", graph, context(graph), 1)
    assert str(caught.value) == ("'morse': unknown coding\nhint: known are " + ", ".join(CODINGS))
