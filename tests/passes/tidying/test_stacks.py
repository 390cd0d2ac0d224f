"""Stacks of matrices and Einstein sums are maps of columns; members of an ensemble are blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.targets import TARGETS
from pinnir.ir.graph import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Primitive,
    kind_of,
)
from pinnir.ir.sample_axes import separate_axes
from pinnir.metrics.source_cost import source_cost
from pinnir.numerics.matrix import BlockDiagonal, entries
from pinnir.passes import pipelines
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.flatten_features import FlattenFeatures
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_affine import FuseAffine
from pinnir.passes.tidying.stacks import without_stacks
from pinnir.pipeline.manager import PassManager
from tests.ensembles import LINEAR_ENDS, ensembles
from tests.helpers import assert_same_values, compiled, context, points, relative_error
from tests.strategies import SEEDS

X = Node("x", Input(2))


@settings(max_examples=200)
@given(ensemble=ensembles())
def test_values_stay(ensemble):
    graph = ensemble.graph
    at = points(graph, 9, 1)
    for passes in (pipelines.SPLIT, pipelines.TIDY, pipelines.STREAMED_TIDY):
        assert_same_values(graph, compiled(graph, passes), at, tolerance=1e-9)


@settings(max_examples=200)
@given(ensemble=ensembles(LINEAR_ENDS, max_ends=1))
def test_all_members_are_one_core_of_as_many_multiplications(ensemble):
    split = compiled(ensemble.graph, pipelines.SPLIT)
    assert [label for label in split.segments if label.startswith("core")] == ["core.1"]
    assert all(node.in_core for node in split.nodes if isinstance(node.op, Activation))
    cost = source_cost(split)
    assert cost.core_mac_share == 1
    assert cost.macs <= ensemble.multiplications


@given(ensemble=ensembles(("members",)))
def test_members_stay_apart(ensemble):
    """As many synapses as the members have weights, also over residual sums."""
    gathered = compiled(ensemble.graph, pipelines.TIDY)
    split = compiled(ensemble.graph, pipelines.SPLIT)
    residual = any(kind_of(node) == "Add" for node in split.nodes if node.in_core)
    maps = [node for node in gathered.nodes if isinstance(node.op, Affine)]
    most = ensemble.multiplications * (2 if residual else 1)
    assert sum(entries(node.op.weight).size for node in maps if node.operands != (X,)) <= most


TRAINING = pipelines.anticipating(64, 20)
CODINGS = {
    "population": (pipelines.population(64), "nir"),
    "population-trained": (pipelines.population_refitted(64, TRAINING), "nir"),
    "population of integers": (pipelines.population_refitted(64), "c"),
    "delta": (pipelines.delta_refitted(64), "programmable"),
    "phase": (pipelines.phase_refitted(64), "programmable"),
    "rate": (pipelines.rate_refitted(16, 4), "nir"),
    "membranes": (pipelines.membranes("lif", 32, 4), "nir"),
    "signgd": (pipelines.signgd(32), "programmable"),
}
MEMBERS, WIDTH = 3, 6


def three_members() -> Graph:
    """Two hidden layers, the members' values and their mean."""
    rng = np.random.default_rng(0)
    value = X
    for number, (inputs, outputs) in enumerate(((2, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))):
        weight = rng.normal(size=(MEMBERS, inputs, outputs)) / np.sqrt(inputs)
        stack = Node(f"w{number}", Constant(weight))
        value = Node(f"p{number}", Primitive("MatMul"), (value, stack))
        if number < 2:
            value = Node(f"t{number}", Activation("tanh"), (value,))
    axis = Node("axis", Constant(np.array([0])))
    mean = Node("mean", Primitive("ReduceMean", {"keepdims": 0}), (value, axis))
    return Graph(Level.TENSOR, (X,), (value, mean))


@pytest.mark.parametrize("name", CODINGS)
def test_every_coding_keeps_members_apart(name):
    """What is fitted and lowered has no synapse between members that the network has not."""
    passes, target = CODINGS[name]
    passes = pipelines.for_target(passes, TARGETS[target])
    graph = three_members()
    given = context(graph, samples=512, target=TARGETS[target])
    given = replace(given, source=PassManager(pipelines.TIDY).run(graph, given))
    lowered = PassManager(passes).run(graph, given)
    assert relative_error(graph, lowered, points(graph, 256, 2)) < 0.1
    fitted = PassManager(pipelines.staircase_of(passes)).run(graph, given)
    for found in (fitted, lowered) if name in ("rate", "membranes") else (fitted,):
        assert isinstance(found.node("p1").op_as(Affine).weight, BlockDiagonal)


# Einstein sums that are linear in what is given


EQUATIONS = (
    ("ni,io->no", (2, 3)),
    ("oi,ni->no", (3, 2)),
    ("ni,oi->no", (3, 2)),
    ("ni,io", (2, 3)),
    ("ni,i->n", (2,)),
    ("ni,i->ni", (2,)),
    ("i...,oi->o...", (3, 2)),
    ("ni,eio->neo", (4, 2, 3)),
    ("ni,ioe->eno", (2, 3, 4)),
    ("ni->n",),
    ("ni,ij,jk->nk", (2, 3), (3, 2)),
    ("n i , i o -> n o", (2, 3)),
)


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda told: told[0])
@given(seed=SEEDS, constant_first=st.booleans())
def test_einsum_of_data_and_constants_is_a_map(equation, seed, constant_first):
    formula, *shapes = equation
    rng = np.random.default_rng(seed)
    x = Node("xT", Primitive("Transpose"), (X,)) if formula.startswith("i...") else X
    operands = [x, *(Node(f"w{i}", Constant(rng.normal(size=s))) for i, s in enumerate(shapes))]
    if constant_first and "->" in formula:
        inputs, result = formula.split("->")
        formula = ",".join(reversed(inputs.split(","))) + "->" + result
        operands.reverse()
    if formula.startswith("oi"):
        operands = operands if constant_first else operands[::-1]
    graph = Graph(
        Level.TENSOR,
        (X,),
        (Node("y", Primitive("Einsum", {"equation": formula}), tuple(operands)),),
    )
    after = FuseAffine().apply(graph, context(graph))
    assert {kind_of(node) for node in after.nodes} >= {"Affine"}
    assert "Einsum" not in {kind_of(node) for node in after.nodes}
    assert_same_values(graph, after, points(graph, 9, 1), tolerance=1e-12)


def test_einsum_of_constants_is_folded():
    weights = [Node(f"w{i}", Constant(np.ones(s))) for i, s in enumerate(((2, 3), (3, 4)))]
    product = Node("p", Primitive("Einsum", {"equation": "ij,jk->ik"}), tuple(weights))
    graph = Graph(Level.TENSOR, (X,), (Node("y", Primitive("MatMul"), (X, product)),))
    kinds = [kind_of(node) for node in compiled(graph, pipelines.TIDY[:3]).nodes]
    assert kinds == ["Input", "Affine"]


# what is left alone


def test_tables_and_merges_are_left_alone():
    weight = Node("w", Constant(np.ones((2, 3))))
    plain = Graph(Level.TENSOR, (X,), (Node("y", Primitive("MatMul"), (X, weight)),))
    assert without_stacks(plain) is plain
    y = Node("y", Input(2))
    merge = Node("m", Primitive("Einsum", {"equation": "ir,jr->ij"}), (X, y))
    separate = separate_axes(Graph(Level.TENSOR, (X, y), (merge,)))
    assert without_stacks(separate) is separate


def test_an_ensemble_of_separable_networks():
    """Each value of one axis is a table; the merge is the host's."""
    rng = np.random.default_rng(0)
    inputs = (Node("x", Input(1)), Node("y", Input(1)))
    ends = []
    for node in inputs:
        first, last = (rng.normal(size=size) for size in ((3, 1, 4), (3, 4, 2)))
        product = Primitive("MatMul")
        hidden = Node(f"{node.name}_h", product, (node, Node(f"{node.name}_a", Constant(first))))
        fired = Node(f"{node.name}_t", Activation("tanh"), (hidden,))
        ends.append(
            Node(f"{node.name}_r", product, (fired, Node(f"{node.name}_b", Constant(last))))
        )
    merged = Node("u", Primitive("Einsum", {"equation": "eir,ejr->ij"}), tuple(ends))
    graph = separate_axes(Graph(Level.TENSOR, inputs, (merged,)))
    after = compiled(graph, pipelines.TIDY)
    assert {n.segment for n in after.nodes if isinstance(n.op, Activation)} == {"core.1", "core.2"}
    assert_same_values(graph, after, points(graph, 7, 0), tolerance=1e-12)


def test_too_large_a_map_stays_what_it_is():
    """Turning 8,000 columns round would be a matrix of half a gigabyte."""
    weight = Node("w", Constant(np.ones((4, 2, 2000))))
    stack = Node("s", Primitive("MatMul"), (X, weight))
    turned = Node("t", Primitive("Transpose", {"perm": [2, 1, 0]}), (stack,))
    largest = Node("y", Primitive("CumSum"), (turned, Node("a", Constant(np.array(0)))))
    graph = Graph(Level.TENSOR, (X,), (largest,))
    after = without_stacks(graph)
    assert {kind_of(node) for node in after.nodes} >= {"Affine", "CumSum"}
    assert_same_values(graph, after, points(graph, 3, 0), tolerance=1e-12)


def test_values_that_depend_on_where_a_sample_stands_stay():
    """The upper triangle of (samples, columns) has other columns for every sample."""
    weight = Node("w", Constant(np.random.default_rng(0).normal(size=(3, 2, 4))))
    stack = Node("s", Primitive("MatMul"), (X, weight))
    graph = Graph(Level.TENSOR, (X,), (Node("y", Primitive("Trilu"), (stack,)),))
    after = FuseAffine().apply(graph, context(graph))
    assert "Trilu" in {kind_of(node) for node in after.nodes}
    assert_same_values(graph, after, points(graph, 7, 0), tolerance=1e-12)


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_one_sample_is_no_dimension_to_drop(samples):
    weight = Node("w", Constant(np.random.default_rng(0).normal(size=(1, 2, 4))))
    stack = Node("s", Primitive("MatMul"), (X, weight))
    squeezed = Node("y", Primitive("Squeeze"), (stack, Node("a", Constant(np.array([0])))))
    graph = Graph(Level.TENSOR, (X,), (squeezed,))
    after = FuseAffine().apply(graph, context(graph))
    assert {kind_of(node) for node in after.nodes} == {"Input", "Affine"}
    assert_same_values(graph, after, points(graph, samples, 0), tolerance=1e-12)


def test_images_stay_what_they_are():
    """A stack anywhere turns values into tables; without one nothing changes."""
    split = Node("s", Primitive("Reshape"), (X, Node("shape", Constant(np.array([-1, 2, 1])))))
    shared = Node("p", Primitive("MatMul"), (split, Node("w", Constant(np.ones((1, 3))))))
    graph = Graph(Level.TENSOR, (X,), (shared,))
    assert without_stacks(graph) is graph


def test_flattened_features_leave_nothing_to_do():
    rng = np.random.default_rng(0)
    weight = Node("w", Constant(rng.normal(size=(4, 2, 3))))
    stack = Node("s", Primitive("MatMul"), (X, weight))
    axes = Node("a", Constant(np.array([0])))
    mean = Node("y", Primitive("ReduceMean", {"keepdims": 0}), (stack, axes))
    graph = Graph(Level.TENSOR, (X,), (mean,))
    given = context(graph)
    flat = graph
    for one in (FoldConstants(), DropIdentity(), FlattenFeatures()):
        flat = one.apply(flat, given)
    assert without_stacks(flat) is flat
    assert_same_values(graph, flat, points(graph, 5, 0), tolerance=1e-12)
