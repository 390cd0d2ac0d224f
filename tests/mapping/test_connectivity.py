"""Flattened synapses, against a count by poking every unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.ir.graph import Affine, Graph, Neuron, Node
from pinnir.mapping.connectivity import Connectivity, connectivity
from pinnir.numerics.matrix import Array, dense
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import PassManager
from tests.backends.networks import RATE, SIGNED_RATE, population, small_program
from tests.helpers import context, core_graph, residual_core

PIPELINES = (population(9), RATE, SIGNED_RATE)


def spiking(graph: Graph, pipeline: str) -> Graph:
    """A tensor graph that is one core, lowered."""
    return PassManager(parse_pipeline(pipeline)).run(graph, context(graph))


def heard(graph: Graph, target: Node, source: Node) -> Array:
    """Current into each unit of a population for a spike of each unit of another."""
    assert isinstance(source.op, Neuron)
    size = source.op.units

    def value(node: Node) -> Array | float:
        if node is source:
            return np.eye(size)
        if not isinstance(node.op, Affine):
            return 0.0
        arriving = sum(value(operand) for operand in node.operands)
        return 0.0 if np.ndim(arriving) == 0 else dense(node.op.weight) @ arriving

    total = sum(value(operand) for operand in target.operands)
    if target is source and getattr(target.op, "feedback", None) is not None:
        total = total + dense(target.op.feedback)
    return np.broadcast_to(total, (target.op.units, size))


def poked(graph: Graph) -> Array:
    """Every synapse between units, ``(units, units)`` of bool."""
    nodes = [node for node in graph.nodes if isinstance(node.op, Neuron)]
    return np.block([[heard(graph, one, other) != 0 for other in nodes] for one in nodes])


def flat(wiring: Connectivity) -> Array:
    return wiring.fan_in.toarray()[wiring.row]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    inner=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    pipeline=st.sampled_from(PIPELINES),
)
def test_synapses_are_what_a_spike_reaches(seed, inner, pipeline):
    graph = spiking(core_graph(seed, (2, *inner, 1), ["tanh"] * len(inner)), pipeline)
    wiring, expected = connectivity([graph]), poked(graph)
    np.testing.assert_array_equal(flat(wiring), expected)
    assert wiring.synapses == expected.sum()
    assert wiring.units == len(expected) == sum(size for _, size in wiring.populations)


def test_skip_synapses():
    graph = spiking(residual_core(), population(9))
    np.testing.assert_array_equal(flat(connectivity([graph])), poked(graph))


@pytest.mark.parametrize("coding", ["population", "rate", "delta", "phase"])
def test_programs(coding):
    cores = small_program(coding).running
    wiring = connectivity(cores)
    np.testing.assert_array_equal(flat(wiring), poked(cores[0]))
    assert wiring.synapses == wiring.fan_in[wiring.row].nnz


def test_several_cores_do_not_hear_each_other():
    cores = [spiking(core_graph(i, (2, 3, 4, 1), ["tanh", "tanh"]), RATE) for i in (0, 1)]
    wiring, alone = connectivity(cores), [connectivity([core]) for core in cores]
    first = alone[0].units
    np.testing.assert_array_equal(flat(wiring)[:first, :first], flat(alone[0]))
    np.testing.assert_array_equal(flat(wiring)[first:, first:], flat(alone[1]))
    assert wiring.synapses == sum(one.synapses for one in alone)
    assert not set(wiring.neuron[:first]) & set(wiring.neuron[first:])


def test_units_of_a_neuron_share_what_they_hear():
    graph = spiking(core_graph(0, (2, 3, 4, 1), ["tanh", "tanh"]), population(16))
    wiring = connectivity([graph])
    assert sorted(set(wiring.neuron)) == list(range(7))
    for neuron in range(7):
        own = np.flatnonzero(wiring.neuron == neuron)
        outside = flat(wiring)[own][:, wiring.neuron != neuron]
        assert (outside == outside[0]).all()


def test_weights_of_zero_are_no_synapses():
    graph = core_graph(0, (2, 3, 3, 1), ["tanh", "tanh"])
    affine = graph.node("affine1")
    weight = affine.op.weight.copy()
    weight[1, 2] = 0.0

    def change(node: Node) -> Node:
        return node.with_op(Affine(weight, node.op.bias)) if node.name == "affine1" else node

    wiring = connectivity([spiking(graph.rewrite(change), population(9))])
    there = flat(wiring)[np.ix_(wiring.neuron == 3 + 1, wiring.neuron == 2)]
    assert not there.any()
    assert flat(wiring)[np.ix_(wiring.neuron == 3 + 1, wiring.neuron == 1)].all()


def test_read_out_is_what_outputs_hear():
    graph = spiking(core_graph(0, (2, 3, 4, 1), ["tanh", "tanh"]), population(9))
    wiring = connectivity([graph])
    np.testing.assert_array_equal(wiring.read_out, wiring.neuron >= 3)


def test_values_by_population_and_names_of_units():
    wiring = connectivity(small_program().running)
    numbers = wiring.by_population(np.arange(wiring.units))
    assert {name: one.size for name, one in numbers.items()} == dict(wiring.populations)
    for name, units in numbers.items():
        assert {wiring.name_of(int(unit)) for unit in units} == {name}
