"""Every rule of every level, broken once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from pinnir.base.errors import GraphError
from pinnir.ir.graph import (
    Activation,
    Affine,
    Constant,
    Graph,
    Input,
    Level,
    Node,
    Op,
    Primitive,
    Scheduled,
    Staircase,
)
from pinnir.ir.rules import RULES, check_rules, violations
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import BlockDiagonal
from tests.helpers import core_graph, staircase_graph
from tests.strategies import core_graphs

X = Node("x", Input(2))
ONES = np.ones(2)
MAP = Affine(np.eye(2), np.zeros(2))
STAIRS = Staircase(np.zeros((2, 1)), np.ones((2, 1), np.int8), np.zeros(2, np.int32), ONES, ONES)


def at(level: Level, *ops: Op, segment: str = "core.1") -> Graph:
    """A chain of these operations on ``x``, named ``n0``, ``n1`` and so on."""
    node = X
    for number, op in enumerate(ops):
        node = Node(f"n{number}", op, (node,), segment)
    return Graph(level, (X,), (node,))


def descending() -> Staircase:
    boundaries = np.array([[0.0, 1.0], [1.0, 0.0]])
    return replace(STAIRS, boundaries=boundaries, directions=np.ones((2, 2), np.int8))


def wide(bias: int, columns: int = 2) -> Affine:
    return Affine(np.zeros((2, columns)), np.zeros(bias))


INTO_HOST = Node("out", Primitive("Neg"), at(Level.STAIRCASE, MAP, STAIRS).outputs, "host.2")
OPERANDS = Node("c", Constant(ONES), (X,))

# rule, graph that breaks it, node, what is said
BROKEN = [
    (
        "_kind_is_known",
        at(Level.TENSOR, Primitive("Hardmax"), segment="host.0"),
        "Primitive 'n0': has no meaning in pinnir",
    ),
    (
        "_kind_is_known",
        at(Level.TENSOR, Activation("swish"), segment="host.0"),
        "Activation 'n0': activation 'swish' has no meaning in pinnir",
    ),
    ("_has_operands", Graph(Level.TENSOR, (X,), (Node("a", MAP),)), "Affine 'a': has no operands"),
    ("_has_operands", Graph(Level.TENSOR, (X,), (OPERANDS,)), "Constant 'c': has operands"),
    (
        "_host_holds_only",
        at(Level.STAIRCASE, STAIRS, segment="host.0"),
        "Staircase 'n0': may stand in a core only",
    ),
    (
        "_host_holds_only",
        at(Level.SPIKING, IF(ONES), segment="host.0"),
        "IF 'n0': may stand in a core only",
    ),
    (
        "_core_holds_only",
        at(Level.STAIRCASE, Primitive("Neg"), MAP),
        "Primitive 'n0': is not allowed in a core at the staircase level; gather-synapses must run "
        "before this level",
    ),
    (
        "_core_holds_only",
        at(Level.TENSOR, STAIRS, MAP),
        "Staircase 'n0': is not allowed in a core at the tensor level",
    ),
    (
        "_core_holds_only",
        at(Level.STAIRCASE, Activation("tanh"), MAP),
        "Activation 'n0': is not allowed in a core at the staircase level",
    ),
    (
        "_core_holds_only",
        at(Level.STAIRCASE, IF(ONES), MAP),
        "IF 'n0': is not allowed in a core at the staircase level",
    ),
    (
        "_core_holds_only",
        at(Level.SPIKING, STAIRS, MAP),
        "Staircase 'n0': is not allowed in a core at the spiking level",
    ),
    (
        "_affine_is_consistent",
        at(Level.TENSOR, wide(3)),
        "Affine 'n0': bias (3,) does not fit weight (2, 2)",
    ),
    (
        "_widths_agree",
        at(Level.TENSOR, wide(2, columns=3)),
        "Affine 'n0': takes 3 columns, but 'x' has 2",
    ),
    (
        "_widths_agree",
        at(Level.STAIRCASE, MAP, replace(STAIRS, base=np.ones(3)), wide(2, 3)),
        "Staircase 'n1': takes 3 columns, but 'n0' has 2",
    ),
    (
        "_widths_agree",
        at(Level.SPIKING, MAP, IF(np.ones(4)), wide(2, 4)),
        "IF 'n1': takes 4 columns, but 'n0' has 2",
    ),
    (
        "_values_are_finite",
        at(Level.TENSOR, Affine(np.eye(2), np.array([0, np.nan]))),
        "Affine 'n0': holds NaN or infinite values",
    ),
    (
        "_values_are_finite",
        at(Level.TENSOR, Affine(np.full((2, 2), np.inf), ONES)),
        "Affine 'n0': holds NaN or infinite values",
    ),
    (
        "_values_are_finite",
        at(Level.SPIKING, Affine(BlockDiagonal(np.full((2, 1, 1), np.nan)), ONES)),
        "Affine 'n0': holds NaN or infinite values",
    ),
    (
        "_values_are_finite",
        at(Level.STAIRCASE, replace(STAIRS, step=ONES * np.nan), MAP),
        "Staircase 'n0': holds NaN or infinite values",
    ),
    (
        "_activation_feeds_affine",
        at(Level.STAIRCASE, MAP, STAIRS),
        "Staircase 'n1': is an output; a core ends in an affine map",
    ),
    (
        "_activation_feeds_affine",
        at(Level.SPIKING, IF(ONES), IF(ONES), MAP),
        "IF 'n0': feeds 'n1', which is not an affine map of the core",
    ),
    (
        "_activation_feeds_affine",
        Graph(Level.STAIRCASE, (X,), (INTO_HOST,)),
        "Staircase 'n1': feeds 'out', which is not an affine map of the core",
    ),
    (
        "_segment_is_labelled",
        at(Level.STAIRCASE, MAP, segment=""),
        "Affine 'n0': belongs to no segment; split-host must run before this level",
    ),
    (
        "_segment_is_labelled",
        at(Level.SPIKING, Activation("tanh"), segment="elsewhere"),
        "Activation 'n0': belongs to no segment; split-host must run before this level",
    ),
    (
        "_schedule_fits",
        at(Level.SPIKING, Scheduled(np.eye(2), np.zeros(2), np.ones(3))),
        "Scheduled 'n0': has a schedule of 3 steps, the graph has 1",
    ),
    (
        "_boundaries_ascend",
        at(Level.STAIRCASE, descending(), MAP),
        "Staircase 'n0': has boundaries that do not ascend",
    ),
]


@pytest.mark.parametrize(("rule", "graph", "text"), BROKEN)
def test_broken_rule(rule, graph, text):
    with pytest.raises(GraphError) as caught:
        check_rules(graph)
    assert str(caught.value) == text
    rules = RULES[graph.level]
    (found,) = {one.__name__ for one in rules for node in graph.nodes if one(graph, node)}
    assert found == rule


def test_every_rule_is_broken_somewhere():
    rules = {rule.__name__ for level in Level for rule in RULES[level]}
    assert rules == {rule for rule, *_ in BROKEN}


def test_names_are_unique():
    twice = Graph(Level.TENSOR, (X,), (Node("x", Activation("tanh"), (X,)),))
    with pytest.raises(GraphError) as caught:
        check_rules(twice)
    assert str(caught.value) == "Activation 'x': has the name of another node"


def test_all_violations_are_listed():
    graph = at(Level.TENSOR, wide(3, columns=3), Activation("swish"))
    assert [(node.name, problem) for node, problem in violations(graph)] == [
        ("n0", "bias (3,) does not fit weight (2, 3)"),
        ("n0", "takes 3 columns, but 'x' has 2"),
        ("n1", "activation 'swish' has no meaning in pinnir"),
    ]


def test_linear_operators_may_stand_in_a_core_until_they_are_gathered():
    chain = MAP, Primitive("Neg"), Activation("tanh"), Primitive("Neg")
    check_rules(at(Level.TENSOR, *chain))
    check_rules(at(Level.TENSOR, *chain[:3]))


def test_rules_of_one_level_do_not_bind_another():
    unlabelled = at(Level.TENSOR, MAP, Activation("tanh"), segment="")
    check_rules(unlabelled)
    names = {level: [rule.__name__ for rule in rules] for level, rules in RULES.items()}
    labelled = [level for level in Level if "_segment_is_labelled" in names[level]]
    assert labelled == [Level.STAIRCASE, Level.SPIKING]


@given(graph=core_graphs())
def test_good_graphs(graph):
    check_rules(graph)
    check_rules(staircase_graph(graph, 0, 8))


def test_good_spiking_graph():
    units = np.zeros(2, np.int32)
    check_rules(at(Level.SPIKING, MAP, Threshold(ONES * np.inf, units, units), MAP))
    check_rules(at(Level.SPIKING, MAP, IF(ONES), MAP))
    check_rules(core_graph(0, (2, 1), ()))
