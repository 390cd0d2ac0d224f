"""Sign-gradient coding: what it follows, how close it comes, and which schedules are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.base.targets import TARGETS
from pinnir.codings.followers import Layers
from pinnir.codings.schedule_search import Wish, choose
from pinnir.codings.signgd import SignGradientCoding
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Graph, Level, Neuron, Scheduled
from pinnir.ir.rules import check_rules
from pinnir.neurons import SignGradient, Threshold
from pinnir.numerics.step_schedules import Schedule
from pinnir.passes.lowering.legalise import Legalise
from pinnir.passes.lowering.lower import Lower
from pinnir.pipeline.context import Context
from tests.helpers import context, core_graph, one_neuron, points, relative_error, residual_core
from tests.strategies import SEEDS, core_graphs

HINT = (
    "hint: give longer steps (eta), a slower decay, fewer steps between layers (delay), "
    "or more steps"
)


def programmable(graph: Graph) -> Context:
    return context(graph, target=TARGETS["programmable"])


def error(graph: Graph, steps: int, **options: object) -> float:
    lowered = Lower(SignGradientCoding(**options), steps).apply(graph, programmable(graph))
    check_rules(lowered)
    return relative_error(graph, lowered, points(graph, 256, 7))


@settings(max_examples=10)
@given(graph=core_graphs(), seed=SEEDS)
def test_any_network_is_followed(graph, seed):
    """Forty steps for networks of up to a few layers, and no level anywhere."""
    at = points(graph, 64, seed % 1000)
    (found,) = evaluate(
        Lower(SignGradientCoding(), 40).apply(graph, programmable(graph)), graph.bind(at)
    )
    (wanted,) = evaluate(graph, graph.bind(at))
    assert np.sqrt(np.mean((found - wanted) ** 2)) <= 1e-2 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["exponential", "inverse", "constant"])
def test_more_steps_are_more_accurate(kind):
    graph = core_graph(0, (2, 12, 12, 1), ("tanh", "tanh"))
    few, many = (error(graph, steps, schedule=kind) for steps in (12, 48))
    assert many < few / 2


def test_the_refinements_pay():
    """Ranges a neuron, and a start one after the other, against the paper's form."""
    graph = core_graph(3, (1, 16, 16, 16, 1), ("tanh",) * 3)
    paper = error(graph, 32, eta=0.15, decay=0.95, delay=0.0, scale="none")
    together = error(graph, 32, delay=0.0)
    assert error(graph, 32) < 0.01 * min(paper, together)


def test_skip_connections():
    assert error(residual_core(), 40) <= 1e-3


def test_inputs_as_spikes_leave_a_residual():
    graph = core_graph(0, (1, 8, 1), ("tanh",))
    options = {"eta": 0.3, "decay": 0.9, "delay": 0.0}
    followed = (
        Lower(SignGradientCoding(inputs="spikes", **options), 32)
        .apply(graph, programmable(graph))
        .streamed
    )
    assert followed is not None
    assert [n.name for n in followed.nodes if isinstance(n.op, SignGradient)] == [
        "x:core.1:spikes",
        "act0",
    ]
    assert error(graph, 32, inputs="spikes", **options) > error(graph, 32, **options)


def test_form():
    """A population program beside the neurons, whose names are those of the activations."""
    graph = core_graph(0, (2, 5, 4, 1), ("tanh", "sin"))
    lowered = Lower(SignGradientCoding(levels=8), 16).apply(graph, programmable(graph))
    assert lowered.level is Level.SPIKING
    assert {type(n.op) for n in lowered.nodes if isinstance(n.op, Neuron)} == {Threshold}
    streamed = lowered.streamed
    assert streamed is not None
    assert lowered.meaning is streamed
    assert (streamed.steps, streamed.read_out) == (16, "mean")
    ops = {node.name: node.op for node in streamed.nodes}
    assert isinstance(ops["act0"], SignGradient)
    assert [ops[f"affine{i}"].centre for i in range(3)] == [0.0, 0.5, 0.5]
    assert all(isinstance(ops[f"affine{i}"], Scheduled) for i in range(3))
    np.testing.assert_array_equal(ops["affine0"].gains, np.eye(16)[0])


def test_the_read_out_is_the_last_map_of_the_last_estimate():
    graph = core_graph(1, (2, 5, 1), ("tanh",))
    streamed = Lower(SignGradientCoding(), 8).apply(graph, programmable(graph)).streamed
    assert streamed is not None
    at = points(graph, 16, 0)
    op = streamed.node("act0").op
    assert isinstance(op, SignGradient)
    currents: dict[int, np.ndarray] = {}
    (found,) = evaluate(
        streamed,
        streamed.bind(at),
        lambda step, node, value: currents.update({step: value}) if node.name == "affine0" else 0,
    )
    state = op.initial_state(16)
    for step in range(8):
        _, state = op.step(state, currents[step])
    last = graph.node("affine1").op
    np.testing.assert_allclose(found, state[1] @ last.weight.T + last.bias, atol=1e-12)


@settings(max_examples=15)
@given(seed=SEEDS, steps=st.integers(2, 40))
def test_no_neuron_runs_out_of_reach(seed, steps):
    """Every chosen schedule reaches what every neuron was on the calibration points."""
    graph = core_graph(seed % 100, (2, 4, 3, 1), ("tanh", "sin"))
    layers = Layers(graph, points(graph, 32, seed % 100))
    found = layers.lower(choose(layers, Wish(), steps), steps)
    for node in found.nodes:
        if isinstance(node.op, SignGradient):
            reach = node.op.scale * node.op.rates.sum()
            high, low = (node.op.estimate + sign * reach for sign in (1, -1))
            z = layers.ranges[node.name]
            assert (high >= z.middle + z.half - 1e-9).all()
            assert (low <= z.middle - z.half + 1e-9).all()


def refusal(graph: Graph, steps: int, **options: object) -> str:
    with pytest.raises(LegalizeError) as caught:
        Lower(SignGradientCoding(**options), steps).apply(graph, programmable(graph))
    return str(caught.value)


def test_a_schedule_that_cannot_reach_the_range():
    graph = one_neuron(Activation("relu"))
    message = refusal(graph, 8, eta=0.1, decay=0.9, delay=0.0)
    assert message == (
        "Activation 'act0': the schedule (exponential from 0.1, decay 0.9) cannot reach the range "
        "of 1 of 1 neurons: in 8 steps a neuron moves by up to 0.311, and its values lie up to "
        f"0.547 away\n{HINT}"
    )


def test_a_delay_that_leaves_no_steps():
    graph = core_graph(0, (1, 2, 2, 1), ("tanh", "tanh"))
    assert "3 steps between layers) cannot reach the range of 2 of 2" in refusal(
        graph, 3, delay=3.0
    )


def test_the_choice_is_the_same_again():
    graph = core_graph(0, (1, 6, 6, 1), ("tanh", "sin"))
    layers = Layers(graph, points(graph, 128, 0))
    assert choose(layers, Wish(), 16) == choose(replace(layers), Wish(), 16)


def test_what_is_given_is_kept():
    graph = core_graph(0, (1, 6, 6, 1), ("tanh", "sin"))
    layers = Layers(graph, points(graph, 128, 0))
    found = choose(layers, Wish("exponential", decay=0.8, delay=2.0), 16)
    assert (found.decay, found.delay) == (0.8, 2.0)
    given = Schedule("exponential", 0.7, 0.8, 2.0)
    assert choose(layers, Wish("exponential", 0.7, 0.8, 2.0), 16) == given


def test_other_targets():
    graph = core_graph(0, (1, 3, 1), ("tanh",))
    lowered = Lower(SignGradientCoding(), 8).apply(graph, programmable(graph))
    with pytest.raises(LegalizeError) as caught:
        Legalise().apply(lowered, context(graph))
    assert str(caught.value) == (
        "SignGradient 'act0': signgd coding needs neurons that follow functions, and target nir "
        "has no programmable neurons\nhint: compile with --target programmable, or with another "
        "--coding"
    )


def test_it_takes_no_staircases():
    graph = core_graph(0, (1, 3, 1), ("tanh",))
    with pytest.raises(PipelineError) as caught:
        Lower(SignGradientCoding()).apply(
            replace(graph, level=Level.STAIRCASE), programmable(graph)
        )
    assert str(caught.value) == (
        "pass 'lower': coding signgd takes a tensor graph, not a staircase graph\n"
        "hint: check the order of the pipeline"
    )
