"""The staircase that is found from units is the one that they were made from."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.engine.layered_network import Layer
from pinnir.engine.planning import NotCoveredError, layered_core
from pinnir.ir.graph import Activation, Affine, Node, Staircase
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import Decoded, dense
from tests.helpers import FUNCTIONS, compiled, core_graph, one_neuron
from tests.strategies import SEEDS


def layers_of(function: str, seed: int, levels: int) -> tuple[list[Layer], list[Node]]:
    """Layers of a population program, and the staircases that it was made from."""
    graph = core_graph(seed, (2, 4, 3, 1), (function, function))
    rounded = compiled(graph, f"quantise-activations{{levels={levels}}}")
    program = compiled(
        graph, f"quantise-activations{{levels={levels}}},lower{{coding=population}},legalise"
    )
    stairs = [node for node in rounded.nodes if isinstance(node.op, Staircase)]
    return list(layered_core(program).layers), stairs


@given(st.sampled_from(FUNCTIONS), SEEDS, st.integers(2, 40))
def test_intervals_are_those_of_the_staircase(function, seed, levels):
    layers, stairs = layers_of(function, seed, levels)
    assert len(layers) == len(stairs)
    for layer, node in zip(layers, stairs, strict=True):
        op = node.op_as(Staircase)
        table = op.lookup.table
        for own, first, end in zip(
            layer.table.first, table.first[:-1], table.first[1:], strict=False
        ):
            found, wanted = layer.numbers[own : own + end - first], op.lookup.level_of[first:end]
            # Numbers count from wherever they please. Behind the last boundary, where no
            # pre-activation comes, units that are held off fire in the end.
            np.testing.assert_array_equal(found - found[0], wanted - wanted[0])


def test_a_unit_fires_in_its_intervals():
    program = compiled(
        one_neuron(Activation("sin")),
        "quantise-activations{levels=9},lower{coding=population},legalise",
    )
    (layer,) = layered_core(program).layers
    total = np.zeros(layer.table.intervals)
    for runs in layer.runs:
        op = runs.node.op_as(Threshold)
        fires = np.zeros((op.units, layer.table.intervals + 1), int)
        np.add.at(fires, (runs.unit, runs.interval), runs.sign)
        fires = np.cumsum(fires, axis=1)[:, :-1]
        assert set(np.unique(fires)) <= {0, 1}
        total += op.level_weight @ fires
    np.testing.assert_array_equal(total, layer.numbers)


def test_memory_grows_with_the_units_of_a_neuron_not_with_its_intervals_times_units():
    levels = 200**2
    program = compiled(
        one_neuron(Activation("tanh")),
        f"quantise-activations{{levels={levels}}},lower{{coding=population}},legalise",
    )
    tracemalloc.start()
    (layer,) = layered_core(program).layers
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert layer.table.intervals > 0.9 * levels
    assert most < 800 * levels  # bytes; numbers of all units in all intervals take 3,200


@pytest.mark.parametrize("steps", [2, 3])
def test_units_that_are_not_memoryless_for_one_step_are_not_covered(steps):
    program = compiled(
        core_graph(0, (1, 2, 1), ("tanh",)),
        "quantise-activations{levels=9},lower{coding=population},legalise",
    )
    with pytest.raises(NotCoveredError, match="for several steps"):
        layered_core(replace(program, steps=steps))


def densely(node: Node) -> Node:
    """A map as any other reader knows it."""
    if not isinstance(node.op, Affine):
        return node
    return node.with_op(replace(node.op, weight=dense(node.op.weight)))


@given(st.sampled_from(FUNCTIONS), SEEDS, st.integers(8, 40))
def test_the_form_of_weights_changes_nothing(function, seed, levels):
    program = compiled(
        core_graph(seed, (2, 4, 3, 1), (function, function)),
        f"quantise-activations{{levels={levels}}},lower{{coding=population}},legalise",
    )
    whole = program.rewrite(densely)
    forms = {type(node.op.weight) for node in program.nodes if isinstance(node.op, Affine)}
    assert Decoded in forms
    for one, other in zip(
        layered_core(program).operations, layered_core(whole).operations, strict=True
    ):
        if isinstance(one, Layer):
            np.testing.assert_array_equal(one.numbers, other.numbers)
            continue
        np.testing.assert_allclose(one.bias, other.bias, rtol=1e-13, atol=1e-13)
        for term, same in zip(one.terms, other.terms, strict=True):
            np.testing.assert_allclose(term.weight, same.weight, rtol=1e-13)
