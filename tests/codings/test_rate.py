"""Rate coding: which staircases an integrate-and-fire neuron can count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pinnir.base.errors import LegalizeError
from pinnir.codings.rate import RateCoding
from pinnir.ir.graph import Activation, Graph, Node, Staircase
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF
from pinnir.neurons.start_units import potentials, with_potentials
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from tests.helpers import assert_same_values, compiled, context, one_neuron, points, record

HINT = (
    "hint: run split-thresholds or balance-thresholds, then quantise-activations with "
    "levels = steps + 1 (2 steps + 1 and rounding=signed or zero for signed neurons)"
)


def quantised(low: float, high: float, levels: int, rounding: str = "nearest") -> Graph:
    graph = one_neuron(Activation("clip", (low, high)))
    return QuantiseActivations(levels=levels, rounding=rounding).apply(graph, context(graph))


def lowered(graph: Graph, steps: int) -> IF:
    op = RateCoding().lower(graph, context(graph), steps).node("act0").op
    assert isinstance(op, IF)
    return op


def changed(graph: Graph, **fields) -> Graph:
    def change(node: Node) -> Node:
        return node.with_op(replace(node.op, **fields)) if isinstance(node.op, Staircase) else node

    return graph.rewrite(change)


def refusal(graph: Graph, steps: int) -> str:
    with pytest.raises(LegalizeError) as caught:
        RateCoding().lower(graph, context(graph), steps)
    return str(caught.value)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_unsigned_neuron(steps):
    """``theta = high - low``, so that one spike a step is the whole width of the clip."""
    neuron = lowered(quantised(0.5, 2.5, steps + 1), steps)
    np.testing.assert_allclose(neuron.threshold, [2.0])
    assert not neuron.signed


@pytest.mark.parametrize("rounding", ["zero", "signed"])
@pytest.mark.parametrize("steps", [1, 8])
def test_signed_neuron(steps, rounding):
    neuron = lowered(quantised(-2.0, 2.0, 2 * steps + 1, rounding), steps)
    np.testing.assert_allclose(neuron.threshold, [2.0])
    assert np.all(neuron.bias == 0)
    assert neuron.signed
    assert neuron.centred == neuron.rounds == (rounding == "signed")


@pytest.mark.parametrize(
    ("rounding", "low"), [("nearest", -2.0), ("signed", -2.0), ("signed", 0.5), ("zero", -2.0)]
)
@pytest.mark.parametrize("steps", [1, 7, 32])
def test_a_constant_input_is_counted_as_the_staircase_says(rounding, low, steps):
    levels = steps + 1 if rounding == "nearest" else 2 * steps + 1
    before = quantised(low, 2.0, levels, rounding)
    at = points(before, 400, 3) * 1.5
    after = RateCoding().lower(before, context(before), steps)
    assert_same_values(before, after, at, 1e-12)
    assert_same_values(before, compiled(after, "split-signs"), at, 1e-12)


@pytest.mark.parametrize(("levels", "rounding"), [(8, "nearest"), (17, "nearest"), (9, "zero")])
def test_wrong_number_of_levels(levels, rounding):
    assert refusal(quantised(-2.0, 2.0, levels, rounding), 8) == (
        f"Staircase 'act0': has {levels} levels, which is not what 8 steps can count, "
        f"so no integrate-and-fire neuron counts it\n{HINT}"
    )


def test_levels_that_are_not_even():
    graph = one_neuron(Activation("tanh"))
    graph = QuantiseActivations(levels=9).apply(graph, context(graph))
    assert refusal(graph, 8) == (
        "Staircase 'act0': has levels that are not evenly spaced, "
        f"so no integrate-and-fire neuron counts it\n{HINT}"
    )


def test_a_falling_staircase():
    graph = changed(quantised(0.0, 2.0, 9), directions=np.full((1, 8), -1, np.int8))
    assert "has levels that are not evenly spaced" in refusal(graph, 8)


@pytest.mark.parametrize("shift", [np.full(16, 0.1), np.repeat([-0.1, 0.0], 8)])
def test_signed_levels_that_are_not_symmetric(shift):
    graph = quantised(-2.0, 2.0, 17, "zero")
    stairs = graph.node("act0").op
    assert refusal(changed(graph, boundaries=stairs.boundaries + shift), 8) == (
        "Staircase 'act0': is not symmetric around its middle level, "
        f"so no integrate-and-fire neuron counts it\n{HINT}"
    )


@pytest.mark.parametrize("rounding", ["nearest", "signed", "zero"])
@pytest.mark.parametrize("potential", [-3.1, -0.4, 0.0, 0.7, 5.3])
def test_initial_potentials(rounding, potential):
    """The spikes are those of neurons whose potential starts there."""
    stairs = quantised(-2.0, 2.0, 9 if rounding == "nearest" else 17, rounding)
    graph = RateCoding().lower(stairs, context(stairs), 8)
    after = with_potentials(graph, "act0", np.array([potential]))
    check_rules(after)
    np.testing.assert_array_equal(potentials(after.node("act0")), [potential])
    at = 2.5 * points(after, 64, 0)
    neuron = after.node("act0").op
    assert isinstance(neuron, IF)
    state = (np.full((64, 1), potential), np.zeros((64, 1)))
    for spikes in record(after, at)["act0"]:
        wanted, state = neuron.step(state, at)
        np.testing.assert_array_equal(spikes, wanted)


def test_initial_potentials_as_lowered():
    stairs = quantised(-2.0, 2.0, 9)
    graph = RateCoding().lower(stairs, context(stairs), 8)
    np.testing.assert_allclose(potentials(graph.node("act0")), [2.0])
    signed = quantised(-2.0, 2.0, 17, "zero")
    graph = RateCoding().lower(signed, context(signed), 8)
    np.testing.assert_array_equal(potentials(graph.node("act0")), [0.0])
    same = with_potentials(graph, "act0", np.zeros(1))
    assert [node.name for node in same.nodes] == [node.name for node in graph.nodes]
