"""calibrate-light makes the layers' means those of the source network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.ir.evaluate import evaluate, trace
from pinnir.ir.graph import Affine, Graph
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF
from pinnir.neurons.start_units import potentials
from pinnir.numerics.matrix import Array
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from tests.helpers import compiled, context, core_graph, staircase_graph
from tests.strategies import SEEDS, core_graphs

SIGNED = (
    "balance-thresholds,quantise-activations{{levels={0},rounding=zero}},"
    "lower{{coding=rate,steps={1}}}"
)
RATE = "quantise-activations{{levels={0}}},lower{{coding=rate,steps={1}}}"


def maps(graph: Graph) -> dict[str, Affine]:
    return {node.name: node.op for node in graph.nodes if isinstance(node.op, Affine)}


def calibrated(source: Graph, graph: Graph, **options) -> Graph:
    after = CalibrateLight(**options).apply(graph, context(source))
    check_rules(after)
    return after


def gaps(source: Graph, graph: Graph, samples: int | None = None) -> list[float]:
    """Largest difference of the means of each affine map."""
    at = context(source).calibration[:samples]
    names = set(maps(source))
    wanted, found = (trace(g, g.bind(at), names) for g in (source, graph))
    return [float(np.abs((wanted[n] - found[n]).mean(axis=0)).max()) for n in sorted(names)]


def assert_only_biases_changed(before: Graph, after: Graph, *, potentials: bool = False) -> None:
    """And initial potentials, that is start units and their synapses, where allowed."""
    started = {node.name for node in after.nodes if potentials and "_start" in node.name}
    names = [[n.name for n in g.nodes if n.name not in started] for g in (before, after)]
    assert names[0] == names[1]
    for name, op in maps(before).items():
        if name in started:
            continue
        assert maps(after)[name].weight is op.weight
        assert maps(after)[name].bias.shape == op.bias.shape
    kept = [(graph.level, graph.steps, graph.read_out) for graph in (before, after)]
    assert kept[0] == kept[1]


@given(source=core_graphs(), seed=SEEDS, levels=st.integers(2, 16))
def test_means_of_a_staircase_network(source, seed, levels):
    before = staircase_graph(source, seed, levels)
    after = calibrated(source, before)
    assert_only_biases_changed(before, after)
    assert max(gaps(source, after)) < 1e-9


@settings(max_examples=20)
@given(source=core_graphs(max_layers=2), steps=st.integers(2, 12))
def test_means_of_a_rate_program(source, steps):
    clips = compiled(source, "split-thresholds{units=2}")
    before = compiled(clips, RATE.format(steps + 1, steps))
    after = calibrated(source, before)
    assert_only_biases_changed(before, after, potentials=True)
    assert max(gaps(source, after)) < 1e-9


@settings(max_examples=20)
@given(
    source=core_graphs(("tanh", "sin"), max_layers=2),
    steps=st.integers(2, 12),
    with_potentials=st.booleans(),
)
def test_means_of_the_published_converter(source, steps, with_potentials):
    before = compiled(source, SIGNED.format(2 * steps + 1, steps))
    after = calibrated(source, before, potentials=with_potentials)
    assert_only_biases_changed(before, after, potentials=with_potentials)
    assert max(gaps(source, after)) < 1e-9


def activation_gaps(source: Graph, graph: Graph, name: str) -> Array:
    """Difference of the mean values of a population's neurons, ``(neurons,)``."""
    at = context(source).calibration
    op = graph.node(name).op
    assert isinstance(op, IF)
    found = op.threshold * trace(graph, graph.bind(at), {name})[name]
    wanted = trace(source, source.bind(at), {name})[name]
    return np.abs((found - wanted).mean(axis=0))


@settings(max_examples=20)
@given(source=core_graphs(("tanh", "sin"), max_layers=1), steps=st.integers(2, 12))
def test_potentials_bring_the_means_of_a_layer_closer(source, steps):
    before = compiled(source, SIGNED.format(2 * steps + 1, steps))
    biases, both = (calibrated(source, before, potentials=one) for one in (False, True))
    closer, known = (activation_gaps(source, graph, "act0") for graph in (both, biases))
    assert np.all(closer <= known + 1e-12)
    moved = potentials(both.node("act0")) != 0
    assert np.all(closer[moved] < known[moved])
    assert not potentials(biases.node("act0")).any()


def test_a_signed_program_gets_start_units():
    source = core_graph(0, (2, 6, 6, 1), ("tanh", "tanh"))
    after = calibrated(source, compiled(source, SIGNED.format(17, 8)))
    assert {"act0_start", "act1_start"} <= {node.name for node in after.nodes}


@pytest.mark.parametrize(
    ("pipeline", "problem"),
    [
        (
            "quantise-activations{levels=16},lower",
            "cannot correct a population program\n"
            "hint: run it before lower: the program equals its staircase network",
        ),
        (
            SIGNED.format(17, 8) + ",split-signs",
            "cannot correct 'act0', whose signed neurons were split\n"
            "hint: run it before split-signs and legalise",
        ),
    ],
)
def test_refusals(pipeline, problem):
    source = core_graph(0, (2, 6, 1), ("tanh",))
    with pytest.raises(PipelineError) as caught:
        calibrated(source, compiled(source, pipeline))
    assert str(caught.value) == f"pass 'calibrate-light': {problem}"


def test_it_corrects_what_was_wrong():
    source = core_graph(0, (2, 6, 6, 1), ("tanh", "tanh"))
    before = staircase_graph(source, 0, 4)
    assert max(gaps(source, before)) > 0.05
    at = source.bind(context(source).calibration)
    errors = [
        abs(float((evaluate(graph, at)[0] - evaluate(source, at)[0]).mean()))
        for graph in (before, calibrated(source, before))
    ]
    assert errors[1] < 1e-9 < errors[0]


def test_only_the_first_points_are_used():
    source = core_graph(0, (2, 6, 1), ("tanh",))
    after = calibrated(source, staircase_graph(source, 0, 4), points=8)
    assert max(gaps(source, after, 8)) < 1e-9 < max(gaps(source, after))


def test_twice_is_once():
    source = core_graph(0, (2, 6, 1), ("tanh",))
    once = calibrated(source, staircase_graph(source, 0, 4))
    twice = calibrated(source, once)
    for name, op in maps(once).items():
        np.testing.assert_allclose(maps(twice)[name].bias, op.bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["affine0", "affine1"])
def test_maps_without_a_counterpart_stay(name):
    source = core_graph(0, (2, 6, 1), ("tanh",))
    before = staircase_graph(source, 0, 4).rewrite(
        lambda node: replace(node, name="other") if node.name == name else node
    )
    assert maps(calibrated(source, before))["other"].bias is maps(before)["other"].bias
