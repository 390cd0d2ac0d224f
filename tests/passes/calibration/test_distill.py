"""distill trains the rounded network itself; the best on held-back points is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pinnir.diagnosis.sensitivity import metric
from pinnir.ir.graph import Graph
from pinnir.passes.calibration.distill import Distill
from pinnir.passes.fitting.teaching import TeacherLoss, root_of
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.pipelines import TIDY
from pinnir.pipeline.manager import PassManager
from tests.helpers import (
    compiled,
    core_graph,
    points,
    relative_error,
    residual_core,
    staircase_graph,
    weights_of,
)
from tests.networks import cores_of
from tests.passes.training import (
    assert_deterministic,
    assert_refuses_damage,
    assert_resumes,
    where,
)
from tests.test_axes import graph_on_the_grid

SMALL = Distill(iterations=40, checks=8, batch=64, points=256)
NAMES = ("resnet", "pfnn", "modified_mlp", "spinn", "mionet")


def rounded(source: Graph, levels: int = 12) -> Graph:
    return PassManager(parse_pipeline(f"quantise-activations{{levels={levels}}}")).run(
        source, where(source)
    )


def held_back(source: Graph, graph: Graph, label: str, current: Distill = SMALL) -> float:
    """The loss of one core on the points that the pass holds back."""
    context = where(source)
    core = TrainableCore.of(graph, label, source, current.steps)
    root = root_of(metric(source, label, context.calibration))
    at = context.fresh(current.points // 4, 3)
    return TeacherLoss.on(at, core, source, root).loss(core.parameters)


@pytest.mark.parametrize("name", NAMES)
def test_families(name):
    """Some core improves on its held-back points, and none gets worse there."""
    source = cores_of(name)
    before = rounded(source)
    after = SMALL.apply(before, where(source))
    first = core_labels(source)[0]
    assert held_back(source, after, first) <= held_back(source, before, first)
    assert weights_of(after) != weights_of(before)


@pytest.mark.parametrize("seed", range(2))
def test_the_error_falls(seed):
    source = core_graph(seed, (2, 12, 12, 1), ("tanh", "tanh"))
    before = rounded(source, 8)
    after = replace(SMALL, iterations=200, points=1024).apply(before, where(source))
    at = points(source, 1024, 7)
    assert relative_error(source, after, at) < 0.92 * relative_error(source, before, at)


RATE = {
    "ramps": "split-thresholds{units=3},quantise-activations{levels=9}",
    "signed": "balance-thresholds{steps=8},quantise-activations{levels=17,rounding=zero}",
}


@pytest.mark.parametrize("kind", RATE)
def test_over_time(kind):
    source = core_graph(0, (2, 8, 8, 1), ("tanh", "tanh"))
    context = where(source)
    before = PassManager(parse_pipeline(RATE[kind])).run(source, context)
    current = replace(SMALL, steps=8, iterations=80, points=1024)
    after = current.apply(before, context)
    lower = parse_pipeline("lower{coding=rate,steps=8}")
    at = points(source, 256, 7)
    old, new = (
        relative_error(source, PassManager(lower).run(graph, context), at)
        for graph in (before, after)
    )
    assert held_back(source, after, "core.1", current) < held_back(
        source, before, "core.1", current
    )
    assert new < old


def test_a_core_of_both_axes():
    source = compiled(graph_on_the_grid(), TIDY)
    before = rounded(source)
    after = replace(SMALL, points=1024).apply(before, where(source))
    at = points(source, 32, 7)
    assert relative_error(source, after, at) < relative_error(source, before, at)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_never_worse_than_its_input(rate):
    """Where nothing moves, or everything far too much, the network stays as it was."""
    source = residual_core()
    before = staircase_graph(source, 0, 200)
    after = replace(SMALL, rate=rate).apply(before, where(source))
    assert held_back(source, after, "core.1") <= held_back(source, before, "core.1")
    if rate == 0:
        assert weights_of(after) == weights_of(before)


def test_it_stops_when_it_does_not_gain():
    source = residual_core()
    told: list[str] = []
    current = replace(SMALL, rate=0.0, iterations=80, checks=16, patience=3)
    current.apply(rounded(source), where(source, progress=told.append))
    assert [text.partition(":")[0] for text in told] == [
        f"distilling core.1, {done} of 80" for done in (5, 10, 15)
    ]


def test_it_is_deterministic():
    source = residual_core()
    assert_deterministic(SMALL, rounded(source), source)


@pytest.mark.parametrize("after", [1, 5, 12])
def test_it_goes_on_from_where_it_was(tmp_path, after):
    """In the first core, at its end, or in the second."""
    source = cores_of("modified_mlp")
    assert len(core_labels(source)) == 2
    assert_resumes(replace(SMALL, patience=99), rounded(source), source, tmp_path, after)


def test_a_damaged_state(tmp_path):
    source = residual_core()
    assert_refuses_damage(SMALL, rounded(source), source, tmp_path)


def test_a_state_is_of_one_domain(tmp_path):
    """The same network on another domain starts anew."""
    from pinnir.pipeline.checkpoints import Checkpoints

    source = residual_core()
    before = rounded(source)
    saved = where(source, checkpoints=Checkpoints(tmp_path))
    SMALL.apply(before, saved)
    box = replace(saved.domain, high=2 * saved.domain.high)
    wider = SMALL.apply(before, replace(saved, domain=box))
    fresh = SMALL.apply(before, where(source, checkpoints=Checkpoints(None)))
    assert weights_of(wider) != weights_of(fresh)
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_domain_it_trains_on_calibration_points():
    source = residual_core()
    before = rounded(source)
    context = replace(where(source), domain=None)
    after = SMALL.apply(before, context)
    own = context.calibration
    assert relative_error(source, after, own) < relative_error(source, before, own)


def test_only_parameters_change():
    source = residual_core()
    before = rounded(source)
    after = SMALL.apply(before, where(source))
    assert [node.name for node in after.nodes] == [node.name for node in before.nodes]
    np.testing.assert_array_equal(
        after.node("act0").op.boundaries, before.node("act0").op.boundaries
    )
