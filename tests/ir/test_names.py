"""Names of new nodes never are those of others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node
from pinnir.ir.names import Names
from pinnir.ir.rules import check_rules
from tests.helpers import CORE, compiled

NAMES = st.lists(st.sampled_from(("a", "b", "a_2", "a_3", "a_2_2")))


@given(taken=NAMES, wishes=NAMES)
def test_fresh_names(taken, wishes):
    names = Names(taken)
    found = [names.fresh(wish) for wish in wishes]
    assert len(set(found)) == len(found)
    assert not set(found) & set(taken)
    for name, wish in zip(found, wishes, strict=True):
        assert name.startswith(wish)
    assert not wishes or wishes[0] in taken or found[0] == wishes[0]


def test_of_a_graph():
    x = Node("x", Input(1))
    names = Names.of(Graph(Level.TENSOR, (x,), (x,)))
    assert [names.fresh(wish) for wish in ("x", "x", "y")] == ["x_2", "x_3", "y"]


def layers_named(map_: str, read: str) -> Graph:
    """Two activations of one map; the maps that read them have a name that a pass would give."""
    x = Node("x", Input(1))
    c = Node("c", Affine(np.ones((2, 1)), np.array([0.1, 0.2])), (x,), CORE)
    layers = [Node(name, Activation(name), (c,), CORE) for name in ("sin", "tanh")]
    first = Node(map_, Affine(np.ones((2, 2)), np.ones(2)), (layers[0],), CORE)
    other = Node(read, Affine(np.eye(2), np.ones(2)), (layers[1],), CORE)
    end = Node("end", Activation("tanh"), (first, other), CORE)
    return Graph(
        Level.TENSOR, (x,), (Node("y", Affine(np.ones((1, 2)), np.ones(1)), (end,), CORE),)
    )


RATE = (
    "split-thresholds{units=%d},quantise-activations{levels=5},lower{coding=rate,steps=4},legalise"
)
POPULATION = "quantise-activations{levels=9},lower{coding=population},legalise"


@pytest.mark.parametrize(
    ("pipeline", "names"),
    [
        (RATE % 1, ("c_biased", "c_biased_2")),
        (RATE % 2, ("sin_in", "end_in")),
        (POPULATION, ("sin_coarse", "end_fine_in")),
        (POPULATION, ("tanh_lateral", "sin_fine")),
    ],
)
def test_nodes_that_are_called_what_a_pass_would_call_its_own(pipeline, names):
    check_rules(compiled(layers_named(*names), pipeline))
