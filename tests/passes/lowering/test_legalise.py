"""legalise brings a spiking graph to what the target can run, or refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS, Target
from pinnir.ir.graph import Affine, Graph, Neuron, Node
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF
from pinnir.numerics.matrix import Array
from pinnir.passes.lowering.legalise import Legalise
from tests.helpers import assert_same_values, compiled, context, core_graph, points

CORE = core_graph(0, (2, 6, 5, 1), ("tanh", "tanh"))
SIGNED = compiled(
    CORE,
    "balance-thresholds,quantise-activations{levels=17,rounding=zero},lower{coding=rate,steps=8}",
)
BIASED = compiled(
    CORE, "split-thresholds{units=3},quantise-activations{levels=9},lower{coding=rate,steps=8}"
)
POPULATION = compiled(CORE, "quantise-activations{levels=16},lower")
CHIP = Target(
    name="chip",
    summary="everything",
    codings=("population", "rate"),
    neurons=("Threshold", "IF"),
    signed_spikes=True,
    recurrent=True,
    soft_reset=True,
)


def legal(graph: Graph, **changes) -> Graph:
    after = Legalise().apply(graph, context(CORE, target=replace(CHIP, **changes)))
    check_rules(after)
    return after


def refusal(graph: Graph, **changes) -> str:
    with pytest.raises(LegalizeError) as caught:
        legal(graph, **changes)
    return str(caught.value)


def units(graph: Graph) -> list[IF]:
    return [node.op for node in graph.nodes if isinstance(node.op, IF)]


def current(node: Node) -> Array:
    """What the synapses of a population bring without any spike."""
    return sum(operand.op.bias for operand in node.operands if isinstance(operand.op, Affine))


def runs(target: Target, graph: Graph) -> bool:
    """Whether a target has the neurons of a graph."""
    kinds = {type(node.op).__name__ for node in graph.nodes if isinstance(node.op, Neuron)}
    return kinds <= set(target.neurons)


@pytest.mark.parametrize(
    ("graph", "target"),
    [
        (graph, target)
        for graph in (SIGNED, BIASED, POPULATION)
        for target in (CHIP, *TARGETS.values())
        if runs(target, graph)
    ],
)
def test_values_are_the_same(graph, target):
    after = Legalise().apply(graph, context(CORE, target=target))
    check_rules(after)
    assert_same_values(graph, after, points(CORE, 64, 1), tolerance=1e-9)
    assert (after.level, after.steps, after.read_out) == (graph.level, graph.steps, graph.read_out)


def test_signed_neurons_become_unsigned_where_they_must():
    assert all(op.signed for op in units(SIGNED))
    assert all(op.signed for op in units(legal(SIGNED)))
    after = units(legal(SIGNED, signed_spikes=False))
    assert [(op.units, op.signed) for op in after] == [(12, False), (10, False)]


def test_constant_currents_move_into_the_synapses():
    assert any(np.any(op.bias != 0) for op in units(BIASED))
    after = legal(BIASED)
    assert all(np.all(op.bias == 0) for op in units(after))
    for node in after.nodes:
        if isinstance(node.op, IF):
            before = BIASED.node(node.name)
            moved = current(node) - current(before)
            np.testing.assert_allclose(moved, before.op.bias + np.zeros(moved.shape), atol=1e-12)


def test_graphs_without_either_stay():
    assert legal(POPULATION, signed_spikes=False).outputs == POPULATION.outputs


def test_missing_neuron_model():
    assert refusal(POPULATION, neurons=("IF",), codings=("rate",)) == (
        "Threshold 'act0_coarse': target chip has no Threshold neurons\n"
        "hint: it has IF; codings: rate"
    )
    assert refusal(SIGNED, neurons=("Threshold", "LIF")) == (
        "IF 'act0': target chip has no IF neurons\n"
        "hint: it has Threshold, LIF; codings: population, rate"
    )


def test_missing_soft_reset():
    assert refusal(SIGNED, soft_reset=False) == (
        "IF 'act0': target chip has no soft reset\n"
        "hint: run the pass hard-reset behind lower, or compile with --coding population"
    )
    assert legal(POPULATION, soft_reset=False).outputs == POPULATION.outputs


def test_missing_recurrence():
    assert refusal(SIGNED, signed_spikes=False, recurrent=False) == (
        "IF 'act0': target chip has no recurrence"
    )
    assert units(legal(SIGNED, recurrent=False))[0].signed
    assert legal(POPULATION, recurrent=False).outputs == POPULATION.outputs


@pytest.mark.parametrize("graph", [SIGNED, BIASED, POPULATION])
def test_too_many_neurons(graph):
    total = sum(node.op.units for node in graph.nodes if isinstance(node.op, Neuron))
    legal(graph, max_neurons=total)
    assert refusal(graph, max_neurons=total - 1) == (
        f"the program has {total} units, target chip holds {total - 1}\n"
        "hint: allow a larger tolerance or fewer levels"
    )


def test_split_signs_count_twice():
    assert refusal(SIGNED, signed_spikes=False, max_neurons=21) == (
        "the program has 22 units, target chip holds 21\n"
        "hint: allow a larger tolerance or fewer levels"
    )
