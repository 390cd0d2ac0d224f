"""gather-synapses: sums, joins and cuts between neurons become synapses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Primitive
from pinnir.ir.rules import check_rules
from tests.dags import dags, separable_dags
from tests.helpers import assert_same_values, compiled, points
from tests.networks import FAMILIES, graph_of

SPLIT = "fold-constants,drop-identity,fuse-affine,fuse-activations,split-host"
X = Node("x", Input(2))


def affine(name: str, *operands: Node, outputs: int = 2, bias: float = 0.5) -> Node:
    weight = np.arange(1.0, 2 * outputs + 1).reshape(outputs, 2)
    return Node(name, Affine(weight, np.full(outputs, bias)), operands)


def act(name: str, *operands: Node) -> Node:
    return Node(name, Activation("tanh"), operands)


def add(name: str, *operands: Node) -> Node:
    return Node(name, Primitive("Add"), operands)


def gathered(*outputs: Node) -> Graph:
    return compiled(Graph(Level.TENSOR, (X,), outputs), "split-host,gather-synapses")


def assert_gathered(before: Graph, after: Graph) -> None:
    """Cores hold maps and activations only, and the values are the same."""
    check_rules(after)
    for old, new in zip(
        (*before.inputs, *before.outputs), (*after.inputs, *after.outputs), strict=True
    ):
        assert old.name == new.name
    for node in after.nodes:
        if not node.in_core:
            continue
        assert isinstance(node.op, Affine | Activation)
        if isinstance(node.op, Activation):
            neighbours = (*node.operands, *after.users[node])
            assert all(isinstance(one.op, Affine) for one in neighbours)
            assert all(one.segment == node.segment for one in neighbours)
            assert node not in after.outputs
    assert_same_values(before, after, points(before, 12, 1), tolerance=1e-12)


@given(graph=dags())
def test_random_networks(graph):
    assert_gathered(graph, compiled(graph, "split-host,gather-synapses"))


@settings(max_examples=25)
@given(graph=separable_dags())
def test_random_separable_networks(graph):
    assert_gathered(graph, compiled(graph, "split-host,gather-synapses"))


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    before = compiled(graph_of(name), SPLIT)
    assert_gathered(before, compiled(before, "gather-synapses"))


def test_a_residual_connection_becomes_skip_synapses():
    hidden = act("h", affine("a", X))
    end = affine("end", act("k", add("sum", affine("b", hidden), X)))
    after = gathered(end)
    assert {node.name for node in after.nodes} == {"x", "a", "h", "sum:h", "sum:x", "k", "end"}
    (layer, skip) = after.node("k").operands
    assert (layer.operands[0].name, skip.operands[0].name) == ("h", "x")
    np.testing.assert_array_equal(layer.op.weight, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(skip.op.weight, np.eye(2))
    np.testing.assert_array_equal(layer.op.bias + skip.op.bias, [0.5, 0.5])


def test_parallel_networks_become_strands():
    strands = [affine(f"{s}b", act(f"{s}h", affine(f"{s}a", X)), outputs=1) for s in "pq"]
    after = gathered(Node("y", Primitive("Concat", {"axis": 1}), tuple(strands)))
    maps = after.node("y").operands
    assert [one.operands[0].name for one in maps] == ["ph", "qh"]
    np.testing.assert_array_equal(maps[0].op.weight, [[1, 2], [0, 0]])
    np.testing.assert_array_equal(maps[1].op.weight, [[0, 0], [1, 2]])
    np.testing.assert_array_equal(maps[0].op.bias + maps[1].op.bias, [0.5, 0.5])


def test_maps_of_one_layer_stay_as_they_are():
    end = affine("end", act("h", affine("a", X)))
    after = gathered(end)
    assert [node.name for node in after.nodes] == ["x", "a", "h", "end"]
    assert after.node("a").op is end.operands[0].operands[0].op
    assert after.node("end").op is end.op


def test_activations_that_leave_are_read_out():
    """A gate needs the values of two layers on the host."""
    one, other = act("u", affine("a", X)), act("v", affine("b", X))
    gate = Node("gate", Primitive("Mul"), (one, other))
    after = gathered(affine("end", act("h", affine("c", gate))))
    assert [operand.name for operand in after.node("gate").operands] == ["u:out", "v:out"]
    np.testing.assert_array_equal(after.node("u:out").op.weight, np.eye(2))
    assert after.node("u:out").segment == after.node("u").segment == "core.1"
    assert after.node("h").segment == "core.3"


def test_a_pre_activation_that_leaves_has_a_map_of_its_own():
    z = affine("z", X)
    after = gathered(affine("end", act("h", z)), z)
    assert [output.name for output in after.outputs] == ["end", "z"]
    assert [operand.name for operand in after.node("h").operands] == ["z:in"]


def test_activations_of_one_pre_activation():
    z = affine("z", X)
    one, other = affine("b", act("h", z)), affine("c", Node("k", Activation("sin"), (z,)))
    graph = Graph(Level.TENSOR, (X,), (add("sum", one, other),))
    assert_gathered(graph, compiled(graph, "split-host,gather-synapses"))


def test_a_long_linear_chain():
    value = act("h", affine("a", X))
    for number in range(1500):
        value = Node(f"neg{number}", Primitive("Neg"), (value,))
    after = gathered(affine("end", act("k", affine("b", value))))
    assert [node.name for node in after.nodes] == ["x", "a", "h", "b", "k", "end"]
