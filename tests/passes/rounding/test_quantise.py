"""quantise: the staircase network in integers, for every coding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import evaluate, preactivations
from pinnir.ir.graph import Affine, Graph, Staircase
from pinnir.ir.rules import check_rules
from pinnir.numerics.matrix import entries
from pinnir.passes.rounding.quantise import Quantise
from tests.helpers import compiled, context, core_graph, points, relative_error, residual_core
from tests.networks import FAMILIES, cores_of
from tests.strategies import SEEDS, core_graphs

STAIRS = "quantise-inputs{{bits={bits}}},quantise-activations{{levels={levels}}}"
RAMPS = "quantise-inputs,split-thresholds{{units={units}}},quantise-activations{{levels={levels}}}"
SIGNED = (
    "quantise-inputs,split-thresholds{{units=1}},"
    "quantise-activations{{levels={levels},rounding={rounding}}}"
)


def quantised(graph: Graph, pipeline: str, **options: int) -> tuple[Graph, Graph]:
    before = compiled(graph, pipeline)
    after = Quantise(**{"points": 512, **options}).apply(before, context(graph))
    check_rules(after)
    return before, after


def is_whole(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return np.array_equal(finite, np.rint(finite))


def check_integers(graph: Graph, bits: int) -> None:
    """All but the last maps of the cores are whole, and their weights fit."""
    for node in graph.nodes:
        leaves = node in graph.outputs or graph.leaves(node)
        if not node.in_core or leaves:
            continue
        if isinstance(node.op, Affine):
            weight = entries(node.op.weight)
            assert is_whole(weight), node
            assert is_whole(node.op.bias), node
            shared = np.gcd.reduce(np.abs(weight).astype(np.int64), axis=None)
            power = shared & -shared if shared else 1
            assert np.abs(weight).max(initial=0) / power <= 2 ** (bits - 1) - 1, node
        elif isinstance(node.op, Staircase):
            assert is_whole(2 * node.op.boundaries), node


@settings(max_examples=40)
@given(core_graphs(), st.integers(2, 40), st.integers(3, 12), st.integers(8, 16))
def test_everything_is_whole_and_fits(graph, levels, bits, input_bits):
    pipeline = STAIRS.format(bits=input_bits, levels=levels)
    _, after = quantised(graph, pipeline, weight_bits=bits)
    check_integers(after, bits)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_lose_little(name):
    graph = cores_of(name)
    before, after = quantised(graph, STAIRS.format(bits=16, levels=24))
    check_integers(after, 8)
    x = context(graph).calibration[:40]
    # The fit takes back some of the rounding of levels as well.
    assert relative_error(graph, after, x) < 1.2 * relative_error(graph, before, x) + 1e-3


@settings(max_examples=25)
@given(core_graphs(("tanh", "sin"), width=8), SEEDS)
def test_many_bits_change_nothing_but_the_fit(graph, seed):
    fine = {"weight_bits": 24, "state_bits": 53}
    before, after = quantised(graph, STAIRS.format(bits=24, levels=64), **fine)
    x = points(graph, 100, seed % 1000)
    old, new = (relative_error(graph, g, x) for g in (before, after))
    assert new < 1.5 * old + 1e-3


def test_levels_are_those_of_whole_sums():
    """A boundary in units is reached by the same sums as before."""
    graph = core_graph(4, (2, 6, 1), ("tanh",))
    _, after = quantised(graph, STAIRS.format(bits=12, levels=20))
    x = points(graph, 200, 1)
    (z,) = preactivations(after, after.bind(x)).values()
    assert is_whole(z)


def counted(graph: Graph, pipeline: str, steps: int) -> Graph:
    """The network in integers, whose rate program is about as good as the one before."""
    before, after = quantised(graph, pipeline, steps=steps)
    lower, x = f"lower{{coding=rate,steps={steps}}}", points(graph, 200, 7)
    lowered = (compiled_on(one, lower, graph) for one in (before, after))
    old, new = (relative_error(graph, one, x) for one in lowered)
    assert new < 1.1 * old
    return after


@pytest.mark.parametrize(("units", "steps"), [(1, 8), (4, 8), (3, 7), (2, 32)])
def test_ramps_are_counted(units, steps):
    graph = core_graph(2, (2, 8, 8, 1), ("tanh", "tanh"))
    pipeline = RAMPS.format(units=units, levels=steps + 1)
    for node in counted(graph, pipeline, steps).nodes:
        if isinstance(node.op, Staircase):
            t = node.op.boundaries
            height = t[:, 1:] - t[:, :-1]
            assert (height == height[:, :1]).all()
            assert is_whole(height)
            assert is_whole(height[:, 0] * steps / 2), "half a threshold, where units start"


@pytest.mark.parametrize("rounding", ["signed", "zero"])
@pytest.mark.parametrize("steps", [8, 15])
def test_signed_neurons_are_counted(rounding, steps):
    graph = core_graph(2, (2, 8, 8, 1), ("tanh", "tanh"))
    balance = "quantise-inputs,balance-thresholds,"
    pipeline = SIGNED.format(levels=2 * steps + 1, rounding=rounding)
    if rounding == "zero":
        pipeline = balance + f"quantise-activations{{levels={2 * steps + 1},rounding=zero}}"
    counted(graph, pipeline, steps)


def compiled_on(graph: Graph, pipeline: str, source: Graph) -> Graph:
    """A graph after more passes."""
    from pinnir.passes.parsing import parse_pipeline
    from pinnir.pipeline.manager import PassManager

    return PassManager(parse_pipeline(pipeline)).run(graph, context(source))


def test_maps_of_very_different_weights_share_their_sums():
    """A skip connection of large weights beside small ones: each keeps its own eight bits."""
    graph = residual_core()
    scaled = graph.rewrite(
        lambda node: (
            node.with_op(Affine(20 * node.op.weight, node.op.bias))
            if node.name == "skip"
            else node.with_op(Affine(node.op.weight / 20, node.op.bias))
            if node.name == "affine1"
            else node
        )
    )
    _, after = quantised(scaled, STAIRS.format(bits=16, levels=200))
    op = after.node("affine1").op
    assert isinstance(op, Affine)
    assert np.abs(entries(op.weight)).max() > 30


def test_inputs_must_be_whole():
    graph = residual_core()
    before = compiled(graph, "quantise-activations{levels=8}")
    with pytest.raises(LegalizeError) as caught:
        Quantise().apply(before, context(graph))
    assert "takes 'x', which is not rounded to whole numbers" in str(caught.value)
    assert "run quantise-inputs before quantise-activations" in str(caught.value)


def test_the_same_twice():
    graph = residual_core()
    pipeline = STAIRS.format(bits=16, levels=30)
    one, other = (quantised(graph, pipeline)[1] for _ in range(2))
    x = points(graph, 50, 2)
    np.testing.assert_array_equal(evaluate(one, one.bind(x))[0], evaluate(other, other.bind(x))[0])
