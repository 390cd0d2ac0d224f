"""split-host decides which part of the network spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.activations import ACTIVATIONS
from pinnir.errors import LegalizeError
from pinnir.frontend.reader import import_bytes
from pinnir.ir import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
)  # fmt: skip
from pinnir.passes.split_host import SplitHost
from pinnir.verify import verify
from tests.helpers import assert_same_values, compiled, context, points
from tests.strategies import onnx_models

X = Node("x", Input(2))


def affine(name: str, outputs: int, *operands: Node, inputs: int = 2) -> Node:
    return Node(name, Affine(np.ones((outputs, inputs)), np.zeros(outputs)), operands)


def act(name: str, operand: Node) -> Node:
    return Node(name, Activation("tanh"), (operand,))


def network(prefix: str, width: int, x: Node) -> Node:
    hidden = act(f"{prefix}h", affine(f"{prefix}a", width, x))
    return affine(f"{prefix}b", 2, hidden, inputs=width)


def split(*outputs: Node) -> dict[str, str]:
    graph = Graph(Level.TENSOR, (X,), outputs)
    after = SplitHost().apply(graph, context(graph))
    verify(after)
    return {node.name: node.segment for node in after.nodes if node.segment}


@given(proto=onnx_models())
def test_values_are_exactly_the_same(proto):
    graph = import_bytes(proto.SerializeToString()).graph
    before = compiled(graph, "fold-constants,drop-identity,fuse-affine")
    after = SplitHost().apply(before, context(before))
    verify(after)
    assert_same_values(before, after, points(before, 16, 1), tolerance=0)
    inside = [node for node in after.nodes if node.in_core]
    assert {type(node.op) for node in inside} == {Affine, Activation}
    for node in after.nodes:
        assert bool(node.segment) == (not isinstance(node.op, Input | Constant))


def test_host_parts_around_the_core():
    before = Node("before", Primitive("Neg"), (X,))
    product = Node("product", Primitive("Mul"), (network("n", 3, before), X))
    after = Node("after", Primitive("Add"), (product, before))
    assert split(after) == {
        "before": "host.0", "na": "core.1", "nh": "core.1", "nb": "core.1",
        "product": "host.2", "after": "host.2",
    }  # fmt: skip


def test_the_chain_with_the_most_products_is_the_core():
    small, large = network("s", 3, X), network("l", 30, X)
    total = Node("total", Primitive("Add"), (small, large))
    assert split(total) == {
        "sa": "host.2", "sh": "host.2", "sb": "host.2", "total": "host.2",
        "la": "core.1", "lh": "core.1", "lb": "core.1",
    }  # fmt: skip
    assert split(network("l", 30, small)) == {
        "sa": "host.0", "sh": "host.0", "sb": "host.0",
        "la": "core.1", "lh": "core.1", "lb": "core.1",
    }  # fmt: skip


def test_a_chain_ends_where_its_value_is_used_elsewhere():
    hidden = act("h", affine("a", 2, X))
    last = network("n", 3, hidden)
    assert split(Node("sum", Primitive("Add"), (last, hidden))) == {
        "a": "host.0", "h": "host.0",
        "na": "core.1", "nh": "core.1", "nb": "core.1", "sum": "host.2",
    }  # fmt: skip
    inner = network("n", 3, X)
    outer = affine("end", 1, act("last", inner))
    assert split(outer, inner)["last"] == "host.2"


@pytest.mark.parametrize(
    "node", [affine("a", 2, X), act("h", affine("a", 2, X)), act("h", X), X,
             affine("b", 2, act("h", X))]
)  # fmt: skip
def test_no_chain(node):
    with pytest.raises(LegalizeError) as caught:
        split(node)
    assert str(caught.value) == (
        "the network has no chain of affine maps and activations, so nothing can spike\n"
        "hint: pinnir compiles multilayer perceptrons with the activations "
        + ", ".join(sorted(set(ACTIVATIONS) - {"clip"}))
    )
