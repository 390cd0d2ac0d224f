"""split-signs: a pair of unsigned neurons fires exactly when the signed neuron does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF
from pinnir.neurons.start_units import with_potentials
from pinnir.passes.lowering.split_signs import SplitSigns
from tests.helpers import (
    CORE,
    assert_same_values,
    compiled,
    context,
    core_graph,
    dyadic,
    points,
    record,
    residual_core,
)
from tests.strategies import SEEDS


def signed_graph(seed: int, sizes: tuple[int, ...], steps: int) -> Graph:
    """Layers of signed neurons whose weights make all sums exact, whatever their order."""
    rng = np.random.default_rng(seed)
    value = x = Node("x", Input(sizes[0]))
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight = dyadic(rng, (outputs, inputs), reach=2)
        value = Node(f"affine{number}", Affine(weight, dyadic(rng, (outputs,))), (value,), CORE)
        if number < len(sizes) - 2:
            bias = dyadic(rng, (outputs,)) if number % 2 else 0.0
            op = IF(dyadic(rng, (outputs,)) / 2 + 1, bias=bias, signed=True)
            value = Node(f"if{number}", op, (value,), CORE)
    return Graph(Level.SPIKING, (x,), (value,), steps=steps, read_out="mean")


def split(graph: Graph) -> Graph:
    after = SplitSigns().apply(graph, context(graph))
    check_rules(after)
    return after


def assert_pairs_fire_alike(before: Graph, after: Graph, at: np.ndarray) -> float:
    """Compare every spike of every step; returns how many neurons and steps fired."""
    signed, pairs = record(before, at), record(after, at)
    share = []
    for node in before.nodes:
        if not isinstance(node.op, IF):
            continue
        for one, other in zip(signed[node.name], pairs[node.name], strict=True):
            np.testing.assert_array_equal(other[:, 0::2], one > 0)
            np.testing.assert_array_equal(other[:, 1::2], one < 0)
            share.append(np.abs(one).mean())
    return float(np.mean(share))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sizes", [(2, 5, 1), (1, 4, 4, 2), (2, 6, 5, 4, 1)])
def test_every_spike_of_every_layer(seed, sizes):
    before = signed_graph(seed, sizes, steps=24)
    after = split(before)
    at = dyadic(np.random.default_rng(seed), (16, sizes[0]))
    assert assert_pairs_fire_alike(before, after, at) > 0.1
    assert_same_values(before, after, at, tolerance=0)


@given(seed=SEEDS, steps=st.integers(1, 16))
def test_every_spike_with_initial_potentials(seed, steps):
    """Both halves start at exact negatives of each other."""
    before = signed_graph(seed, (2, 5, 4, 1), steps)
    rng = np.random.default_rng(seed)
    for name, units in (("if0", 5), ("if1", 4)):
        before = with_potentials(before, name, dyadic(rng, (units,), reach=3))
    at = dyadic(rng, (16, 2))
    after = split(before)
    started = {node.name for node in before.nodes if node.name.endswith("_start")}
    signed, pairs = record(before, at), record(after, at)
    for name in started:
        np.testing.assert_array_equal(pairs[name], signed[name])
        assert np.sum(signed[name]) == len(at)
    for name in ("if0", "if1"):
        for one, other in zip(signed[name], pairs[name], strict=True):
            np.testing.assert_array_equal(other[:, 0::2] - other[:, 1::2], one)
            assert not np.any(other[:, 0::2] * other[:, 1::2])
    assert_same_values(before, after, at, tolerance=0)


@given(seed=SEEDS, signs=st.booleans())
def test_currents_that_change_over_time(seed, signs):
    """The populations alone, with arbitrary currents: the roundings are the same, too."""
    rng = np.random.default_rng(seed)
    threshold = rng.uniform(0.1, 1, 3)
    before = signed_graph(seed, (3, 3, 3), steps=1)
    neuron = IF(threshold, bias=rng.normal(size=3), signed=True)
    before = before.rewrite(lambda node: node.with_op(neuron) if node.name == "if0" else node)
    pair = split(before).node("if0").op
    assert isinstance(pair, IF)
    assert not pair.signed
    single, double = neuron.initial_state(4), pair.initial_state(4)
    for _ in range(50):
        current = rng.normal(size=(4, 3))
        both = np.stack([current, -current], axis=2).reshape(4, 6)
        one, single = neuron.step(single, current)
        other, double = pair.step(double, both)
        np.testing.assert_array_equal(other[:, 0::2], one > 0)
        np.testing.assert_array_equal(other[:, 1::2], one < 0)
        np.testing.assert_array_equal(double[0][:, 0::2] + threshold * other[:, 1::2], single[0])


def balanced(seed: int, rounding: str) -> tuple[Graph, np.ndarray]:
    """A rate program of signed neurons, and some points."""
    core = core_graph(seed, (2, 6, 6, 1), ("tanh", "sin"))
    rounded = f"balance-thresholds,quantise-activations{{levels=33,rounding={rounding}}}"
    return compiled(core, f"{rounded},lower{{coding=rate,steps=16}}"), points(core, 64, 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_balanced_network(seed):
    """With the weights of a real network the values agree as well."""
    before, at = balanced(seed, "zero")
    after = split(before)
    assert assert_pairs_fire_alike(before, after, at) > 0.1
    assert_same_values(before, after, at, tolerance=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_centred_neurons(seed):
    """Both halves start at half their threshold."""
    before, at = balanced(seed, "signed")
    assert all(node.op.centred for node in before.nodes if getattr(node.op, "signed", False))
    after = split(before)
    signed, pairs = record(before, at), record(after, at)
    for name in ("act0", "act1"):
        for one, other in zip(signed[name], pairs[name], strict=True):
            np.testing.assert_array_equal(other[:, 0::2] - other[:, 1::2], one)
    assert_same_values(before, after, at, tolerance=1e-12)


def test_no_signed_neuron_is_left():
    after = split(signed_graph(0, (2, 3, 3, 1), steps=4))
    neurons = [node.op for node in after.nodes if isinstance(node.op, IF)]
    assert [(op.units, op.signed) for op in neurons] == [(6, False), (6, False)]
    assert all(op.feedback.blocks.shape == (3, 2, 2) for op in neurons)
    np.testing.assert_array_equal(neurons[0].threshold[0::2], neurons[0].threshold[1::2])


def test_unsigned_neurons_stay():
    core = core_graph(0, (2, 3, 1), ("tanh",))
    graph = compiled(
        core, "split-thresholds{units=3},quantise-activations{levels=9},lower{coding=rate,steps=8}"
    )
    after = split(graph)
    assert after.outputs == graph.outputs


def test_a_signed_neuron_behind_several_maps():
    graph = residual_core().rewrite(
        lambda n: n.with_op(Activation("tanh")) if isinstance(n.op, Activation) else n
    )
    signed = compiled(
        graph,
        "balance-thresholds{steps=8},quantise-activations{levels=17,rounding=zero},"
        "lower{coding=rate,steps=8}",
    )
    assert_same_values(signed, compiled(signed, "split-signs"), points(graph, 16, 0), 1e-12)
