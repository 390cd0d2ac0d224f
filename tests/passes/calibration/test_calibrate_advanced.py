"""calibrate-advanced trains layer by layer what the published converter trains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Node
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.passes.fitting.rate_layer import spiking_layer
from pinnir.pipeline.manager import pipeline_text
from tests.helpers import (
    assert_same_values,
    compiled,
    context,
    core_graph,
    points,
    residual_core,
)
from tests.strategies import core_graphs

SIGNED = (
    "balance-thresholds{{steps={0}}},quantise-activations{{levels={1},rounding=zero}},"
    "lower{{coding=rate,steps={0}}}"
)
SPLIT = (
    "split-thresholds{{units=3}},quantise-activations{{levels={1}}},lower{{coding=rate,steps={0}}}"
)


def signed(source: Graph, steps: int) -> Graph:
    return compiled(source, SIGNED.format(steps, 2 * steps + 1))


def split(source: Graph, steps: int) -> Graph:
    return compiled(source, SPLIT.format(steps, steps + 1))


def calibrated(source: Graph, graph: Graph, **options) -> Graph:
    few = {"iterations": 40, "rates": 1, "rate": 0.1, "batch": 32, "checks": 4} | options
    after = CalibrateAdvanced(**few).apply(graph, context(source))
    check_rules(after)
    return after


def layer_error(source: Graph, graph: Graph, name: str) -> float:
    """Sum over a layer's units of the mean square difference, as the layer is simulated."""
    at = context(source).calibration
    layer = spiking_layer(graph, name, source)
    assert layer is not None
    found = layer.simulate(layer.parameters, layer.potentials, layer.arriving(at))
    return float(((found - layer.wanted(source, at)) ** 2).mean(axis=0).sum())


def layers(source: Graph, graph: Graph) -> list[str]:
    return [n.name for n in graph.nodes if spiking_layer(graph, n.name, source) is not None]


def before_layer(before: Graph, after: Graph, source: Graph, name: str) -> Graph:
    """``after`` up to a layer, whose own maps and potentials are those of ``before``."""
    layer = spiking_layer(after, name, source)
    assert layer is not None
    old = {node.name: node for node in before.nodes}
    own = {node.name for node in layer.maps}

    def change(node: Node) -> Node:
        if node.name in own:
            return node.with_op(old[node.name].op)
        if node.name == f"{name}_start_out":
            op = node.op
            assert isinstance(op, Affine)
            weight = old[node.name].op.weight if node.name in old else 0 * op.weight
            return node.with_op(Affine(weight, op.bias))
        return node

    return after.rewrite(change)


def relative_error(source: Graph, graph: Graph, at: Array) -> float:
    (wanted,), (found,) = (evaluate(g, g.bind(at)) for g in (source, graph))
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@settings(max_examples=15)
@given(
    source=core_graphs(("tanh", "sin"), max_layers=2),
    steps=st.integers(2, 12),
    lower=st.sampled_from((signed, split)),
)
def test_no_layer_is_worse_on_its_own_points(source, steps, lower):
    before = lower(source, steps)
    after = calibrated(source, before, rate=0.3)
    assert layers(source, after) == layers(source, before)
    for name in layers(source, after):
        own = before_layer(before, after, source, name)
        assert layer_error(source, after, name) <= layer_error(source, own, name) * (1 + 1e-12)


@pytest.mark.parametrize("lower", [signed, split])
def test_a_layer_is_simulated_as_the_program_runs(lower):
    """The value that training sees is that of the neurons in the whole program."""
    source = core_graph(1, (2, 6, 5, 1), ("tanh", "tanh"))
    after, at = calibrated(source, lower(source, 8)), points(source, 64, 3)
    fired: dict[str, Array] = {}

    def count(step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, IF):
            fired[node.name] = fired.get(node.name, 0) + value

    (output,) = evaluate(after, after.bind(at), count)
    for name in layers(source, after):
        layer = spiking_layer(after, name, source)
        found = layer.simulate(layer.parameters, layer.potentials, layer.arriving(at))
        op = layer.end.op
        wanted = fired[name] * op.threshold / 8 if isinstance(op, IF) else output
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_the_output_is_much_closer():
    source = core_graph(0, (1, 12, 12, 1), ("tanh", "tanh"))
    before, at = signed(source, 16), points(source, 256, 5)
    after = calibrated(source, before, iterations=600, rates=2)
    assert relative_error(source, after, at) < 0.4 * relative_error(source, before, at)


def test_every_kind_of_parameter_moves():
    source = core_graph(0, (2, 6, 6, 1), ("tanh", "tanh"))
    before = signed(source, 16)
    after = calibrated(source, before, iterations=200)
    for name in ("affine0", "affine1", "affine2"):
        one, other = before.node(name).op, after.node(name).op
        assert np.any(one.weight != other.weight)
        assert np.any(one.bias != other.bias)
    assert np.any(after.node("act0_start_out").op.weight != 0)


def test_the_best_of_several_rates():
    source = core_graph(0, (2, 8, 1), ("tanh",))
    before, at = signed(source, 8), context(source).calibration
    alone = [calibrated(source, before, rate=0.03 * 10 ** (k / 2)) for k in range(3)]
    best = calibrated(source, before, rate=0.03, rates=3)
    errors = [relative_error(source, graph, at) for graph in alone]
    assert relative_error(source, best, at) == pytest.approx(min(errors), rel=1e-12)


def test_deterministic():
    source = core_graph(0, (2, 5, 4, 1), ("tanh", "sin"))
    before = signed(source, 8)
    one, other = calibrated(source, before), calibrated(source, before)
    assert_same_values(one, other, points(source, 32, 0), tolerance=0)


def test_skip_synapses():
    source = residual_core().rewrite(
        lambda n: n.with_op(Activation("tanh")) if isinstance(n.op, Activation) else n
    )
    after = calibrated(source, signed(source, 8), iterations=200)
    layer = spiking_layer(after, "act1", source)
    assert [node.name for node in layer.maps] == ["affine1", "skip"]
    at = points(source, 128, 2)
    assert relative_error(source, after, at) < relative_error(source, signed(source, 8), at)


def test_layers_that_the_source_lacks_stay():
    source = core_graph(0, (2, 6, 1), ("tanh",))
    other = source.rewrite(lambda n: Node(f"{n.name}_", n.op, n.operands, n.segment))
    before = signed(source, 8)
    after = CalibrateAdvanced(iterations=1).apply(before, context(other))
    assert [node.op for node in after.nodes] == [node.op for node in before.nodes]


def test_population_programs_are_refused():
    source = core_graph(0, (2, 6, 1), ("tanh",))
    graph = compiled(source, "quantise-activations{levels=16},lower")
    with pytest.raises(PipelineError) as caught:
        calibrated(source, graph)
    assert str(caught.value) == (
        "pass 'calibrate-advanced': cannot correct a population program\n"
        "hint: run it before lower: the program equals its staircase network"
    )


def test_split_signs_are_refused():
    source = core_graph(0, (2, 6, 1), ("tanh",))
    graph = compiled(source, SIGNED.format(8, 17) + ",split-signs")
    with pytest.raises(PipelineError) as caught:
        calibrated(source, graph)
    assert str(caught.value) == (
        "pass 'calibrate-advanced': cannot correct 'act0', whose signed neurons were split\n"
        "hint: run it before split-signs and legalise"
    )


@pytest.mark.parametrize("calibration", [None, CalibrateLight(), CalibrateAdvanced()])
def test_the_published_converter(calibration):
    text = pipeline_text(pipelines.rate_signed(8, calibration, per="channel"))
    assert text.count("calibrate-") == (calibration is not None)
    assert "per=channel" in text
