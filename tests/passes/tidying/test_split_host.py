"""split-host decides which part of the network spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from pinnir.base.errors import LegalizeError
from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.rules import check_rules
from pinnir.ir.sample_axes import axes_of, layouts
from pinnir.passes.tidying.linear_chains import is_linear
from pinnir.passes.tidying.split_host import SplitHost
from tests.backends.networks import fourier, model
from tests.dags import dags, separable_dags
from tests.helpers import assert_same_values, compiled, context, points
from tests.networks import FAMILIES, graph_of
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
    check_rules(after)
    return {node.name: node.segment for node in after.nodes if node.segment}


@given(proto=onnx_models())
def test_values_are_exactly_the_same(proto):
    graph = import_bytes(proto.SerializeToString()).graph
    before = compiled(graph, "fold-constants,drop-identity,fuse-affine,fuse-activations")
    after = SplitHost().apply(before, context(before))
    assert_legal(before, after)


def test_host_parts_around_the_core():
    before = Node("before", Primitive("Abs"), (X,))
    product = Node("product", Primitive("Mul"), (network("n", 3, before), X))
    after = Node("after", Primitive("Add"), (product, before))
    assert split(after) == {
        "before": "host.0",
        "na": "core.1",
        "nh": "core.1",
        "nb": "core.1",
        "product": "host.2",
        "after": "host.2",
    }


def test_parallel_networks_are_one_core():
    small, large = network("s", 3, X), network("l", 30, X)
    total = Node("total", Primitive("Add"), (small, large))
    assert set(split(total).values()) == {"core.1"}
    assert set(split(small, large).values()) == {"core.1"}
    product = Node("product", Primitive("Mul"), (small, large))
    found = split(product)
    assert found.pop("product") == "host.2"
    assert set(found.values()) == {"core.1"}


def test_networks_in_a_row_are_one_core():
    assert set(split(network("l", 30, network("s", 3, X))).values()) == {"core.1"}


def test_a_residual_connection_is_in_the_core():
    hidden = act("h", affine("a", 2, X))
    last = network("n", 3, hidden)
    assert set(split(Node("sum", Primitive("Add"), (last, hidden))).values()) == {"core.1"}


def test_a_value_that_is_an_output_as_well_stays_in_the_core():
    inner = network("n", 3, X)
    assert set(split(affine("end", 1, act("last", inner)), inner).values()) == {"core.1"}


def assert_legal(before: Graph, after: Graph) -> None:
    """Everything has a segment, what a core holds is linear or spikes, and the order is right."""
    check_rules(after)
    known = layouts(after)
    for node in after.nodes:
        assert bool(node.segment) == (not isinstance(node.op, Input | Constant))
        if node.in_core:
            assert isinstance(node.op, Activation) or is_linear(node, known)
        for operand in node.operands:
            if operand.segment and operand.segment != node.segment:
                assert number(operand) < number(node), (operand.name, node.name)
    for nodes in after.segments.values():
        assert len({node.in_core for node in nodes}) == 1
        if nodes[0].in_core:
            assert len({axes_of(known[node]) for node in nodes}) == 1, "one population, one axis"
    numbers = [number(nodes[0]) for nodes in after.segments.values()]
    assert len(set(numbers)) == len(numbers)
    assert_same_values(before, after, points(before, 12, 1), tolerance=0)


def number(node: Node) -> int:
    return int(node.segment.partition(".")[2])


@given(graph=dags())
def test_random_networks(graph):
    assert_legal(graph, SplitHost().apply(graph, context(graph)))


@settings(max_examples=25)
@given(graph=separable_dags())
def test_random_separable_networks(graph):
    after = SplitHost().apply(graph, context(graph))
    assert_legal(graph, after)
    assert not after.outputs[0].in_core


PREPARED = "fold-constants,drop-identity,fuse-affine,fuse-activations"

SEGMENTS = {
    "pfnn": ["core.1"],
    "resnet": ["core.1"],
    "skip": ["core.1"],
    "xpinn": ["core.1", "host.2"],
    "modified_mlp": ["core.1", "host.2", "core.3", "host.4"],
    "piratenet": ["host.0", *(f"{'host' if i % 2 == 0 else 'core'}.{i}" for i in range(1, 10))],
    "constrained_fourier": ["host.0", "core.1", "host.2"],
    "kan": ["core.1"],
    "spinn": ["core.1", "core.2", "host.3"],
    "spinn3d": ["core.1", "core.2", "core.3", "host.4"],
    "deeponet": ["core.1", "host.2"],
    "deeponet_cartesian": ["core.1", "core.2", "host.3", "host.4"],
    "mionet": ["core.1", "core.2", "host.3", "host.4"],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    before = compiled(graph_of(name), PREPARED)
    after = SplitHost().apply(before, context(before))
    assert_legal(before, after)
    assert list(after.segments) == SEGMENTS[name]


def kinds_on_host(name: str, label: str) -> set[str]:
    """Kinds of the host part ``label`` of a family."""
    nodes = compiled(graph_of(name), f"{PREPARED},split-host").segments[label]
    return {n.op.kind if isinstance(n.op, Primitive) else type(n.op).__name__ for n in nodes}


def test_features_normalisation_and_output_transforms_are_on_the_host():
    assert kinds_on_host("constrained_fourier", "host.0") == {"Activation", "Affine", "Concat"}
    assert kinds_on_host("constrained_fourier", "host.2") == {"Slice", "Sub", "Mul"}
    assert kinds_on_host("xpinn", "host.2") == {"Slice", "Less", "Where"}


def test_gates_are_on_the_host_between_cores():
    assert kinds_on_host("modified_mlp", "host.2") == {"Mul", "Sub", "Add"}
    for label in ("host.2", "host.4", "host.6", "host.8"):
        assert {"Mul", "Sub"} <= kinds_on_host("piratenet", label) <= {"Mul", "Sub", "Add"}


def test_merges_are_on_the_host():
    assert kinds_on_host("spinn", "host.3") == {"Einsum"}
    assert kinds_on_host("deeponet", "host.2") == {"Mul", "ReduceSum", "Add"}
    assert kinds_on_host("deeponet_cartesian", "host.4") == {"Transpose", "MatMul", "Add"}


def test_a_pre_activation_that_the_host_needs_before_the_next_layer():
    z = affine("z", 2, X)
    square = Node("square", Primitive("Mul"), (z, z))
    total = Node("total", Primitive("Add"), (affine("b", 2, act("h", z)), network("n", 2, square)))
    graph = Graph(Level.TENSOR, (X,), (total,))
    assert_legal(graph, SplitHost().apply(graph, context(graph)))


@pytest.mark.parametrize(
    ("node", "holds"),
    [
        (affine("a", 2, X), "\n  Affine: 'a'"),
        (act("h", affine("a", 2, X)), "\n  Activation: 'h'\n  Affine: 'a'"),
        (act("h", X), "\n  Activation: 'h'"),
        (X, ""),
        (affine("b", 2, act("h", X)), "\n  Activation: 'h'\n  Affine: 'b'"),
    ],
)
def test_nothing_that_can_spike(node, holds):
    with pytest.raises(LegalizeError) as caught:
        split(node)
    assert str(caught.value) == (
        "the network has no activation between two matrix products, so nothing can spike"
        f"{holds}\nhint: pinnir compiles networks of layers: matrix product, activation, "
        "matrix product, with (samples, columns) values"
    )


def test_features_may_be_neurons():
    graph = compiled(
        model(fourier()).graph, "fold-constants,drop-identity,fuse-affine,fuse-activations"
    )
    segments = {
        where: {n.name: n.segment for n in SplitHost(where).apply(graph, context(graph)).nodes}
        for where in ("host", "core")
    }
    assert {segments["host"][name] for name in ("sin", "cos")} == {"host.0"}
    assert {segments["core"][name] for name in ("sin", "cos")} == {"core.1"}
