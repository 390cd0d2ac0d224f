"""Staircase networks by tables give the oracle's values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.engine.kernels import PLAIN, compiled
from pinnir.engine.staircase_graph import run_staircases
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph
from pinnir.passes.pipelines import staircase
from tests.backends.networks import constrained, fourier, model
from tests.helpers import compiled as after
from tests.helpers import largest, points, residual_core, staircase_graph
from tests.networks import FAMILIES, graph_of
from tests.strategies import SEEDS, core_graphs


def same_values(graph: Graph, samples: int = 300) -> None:
    x = points(graph, samples, 1)
    bound = 1e-13 * largest(graph, x)
    found = run_staircases(graph, graph.bind(x))
    for one, other in zip(found, evaluate(graph, graph.bind(x)), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=bound)


@given(graph=core_graphs(), seed=SEEDS, levels=st.integers(2, 300))
def test_random_networks(graph, seed, levels):
    same_values(staircase_graph(graph, seed, levels))


def test_sums_of_maps_of_layers_and_inputs():
    same_values(staircase_graph(residual_core(), 3, 30))


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    same_values(after(graph_of(name), staircase(17)))


@pytest.mark.parametrize("proto", [constrained(), fourier()])
def test_host_parts(proto):
    same_values(after(model(proto).graph, staircase(16)))


def test_threads_and_numba_change_no_bit():
    graph = staircase_graph(residual_core(), 3, 30)
    x = graph.bind(points(graph, 40_000, 1))
    (expected,) = run_staircases(graph, x)
    np.testing.assert_array_equal(run_staircases(graph, x, workers=3)[0], expected)
    kernels = compiled() or PLAIN
    np.testing.assert_array_equal(run_staircases(graph, x, kernels=kernels)[0], expected)
