"""Spiking cores as NIR graphs, and back."""

from __future__ import annotations

import re

import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError, ProgramFileError
from pinnir.codings import population as population_coding
from pinnir.codings.population import build_table
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import BlockDiagonal
from pinnir.program.nir_graph import from_nir, safe_names, to_nir
from tests.backends.networks import (
    RATE,
    SIGNED_RATE,
    described,
    neurons_of,
    population,
    same_structure,
)
from tests.helpers import CORE, FUNCTIONS, compiled, core_graph, one_neuron, points, record
from tests.strategies import SEEDS, core_graphs

SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def written(core: Graph) -> nir.NIRGraph:
    return to_nir({CORE: core})


def found_in(graph: nir.NIRGraph, steps: int = 1, read_out: str = "last") -> Graph:
    return from_nir(graph, [CORE], steps, read_out)[CORE]


def again(core: Graph) -> Graph:
    return found_in(written(core), core.steps, core.read_out)


def same_program(core: Graph, other: Graph) -> None:
    """The same structure, and the same value of every node in every step."""
    same_structure(core, other)
    x = points(core, 40, 1)
    expected, found = record(core, x), record(other, x)
    assert expected.keys() == found.keys()
    for name, steps in expected.items():
        np.testing.assert_array_equal(np.stack(found[name]), np.stack(steps), err_msg=name)


@given(graph=core_graphs(), seed=SEEDS, levels=st.integers(2, 40))
def test_population_round_trip(graph, seed, levels):
    core = compiled(graph, population(levels), seed)
    same_program(core, again(core))


@given(graph=core_graphs(), seed=SEEDS)
def test_rate_round_trip(graph, seed):
    core = compiled(graph, RATE, seed)
    same_program(core, again(core))


@given(graph=core_graphs(("tanh", "sin")), seed=SEEDS)
def test_feedback_round_trip(graph, seed):
    core = compiled(graph, SIGNED_RATE, seed)
    assert any(node.op.feedback is not None for node in neurons_of(core))
    same_program(core, again(core))


def test_several_groups_round_trip(monkeypatch):
    monkeypatch.setattr(population_coding, "_LATERAL_ENTRIES", 200)
    core = compiled(core_graph(0, (2, 7, 7, 1), ("tanh", "sin")), population(30))
    assert len(neurons_of(core)) > 8
    same_program(core, again(core))


@pytest.mark.parametrize("pipeline", [population(20), RATE, SIGNED_RATE])
def test_a_written_file_holds_the_same_graph(tmp_path, pipeline):
    core = compiled(core_graph(1, (2, 5, 4, 2), ("tanh", "tanh")), pipeline)
    graph = written(core)
    nir.write(tmp_path / "core.nir", graph)
    found = nir.read(tmp_path / "core.nir")
    assert found.edges == graph.edges
    assert found.nodes.keys() == graph.nodes.keys()
    for name, node in graph.nodes.items():
        assert type(found.nodes[name]) is type(node)
        for key in ("weight", "bias", "threshold", "r", "v_threshold", "v_reset"):
            if hasattr(node, key):
                np.testing.assert_array_equal(getattr(found.nodes[name], key), getattr(node, key))
                assert getattr(found.nodes[name], key).dtype == np.float64
    same_program(core, found_in(found, core.steps, core.read_out))


def test_one_unit_populations_keep_their_shapes(tmp_path):
    core = compiled(core_graph(2, (1, 1, 1), ("tanh",)), population(2))
    nir.write(tmp_path / "core.nir", written(core))
    same_program(core, found_in(nir.read(tmp_path / "core.nir")))


def test_block_diagonal_weights_are_written_densely():
    core = compiled(core_graph(3, (2, 3, 1), ("tanh",)), population(9))
    expand = core.node("act0_coarse_in")
    assert isinstance(expand.op, Affine)
    assert isinstance(expand.op.weight, BlockDiagonal)
    node = written(core).nodes["act0_coarse_in"]
    assert type(node) is nir.Linear
    assert node.weight.shape == expand.op.weight.shape
    assert node.metadata == {"pinnir": {"blocks": 3}}
    assert np.count_nonzero(node.weight) == expand.op.weight.shape[0]


def test_feedback_is_a_loop_written_first():
    core = compiled(core_graph(1, (2, 3, 1), ("tanh",)), SIGNED_RATE)
    (name,) = [node.name for node in neurons_of(core) if node.op.feedback is not None]
    graph = written(core)
    assert graph.edges[:2] == [(name, f"{name}_feedback"), (f"{name}_feedback", name)]
    assert type(graph.nodes[f"{name}_feedback"]) is nir.Linear


def test_maps_without_a_bias_are_linear():
    graph = written(compiled(core_graph(1, (2, 3, 1), ("tanh",)), population(9)))
    for node in graph.nodes.values():
        if isinstance(node, nir.Affine):
            assert np.any(node.bias)


def test_input_and_output_say_their_sizes():
    graph = written(compiled(core_graph(1, (3, 4, 2), ("tanh",)), population(9)))
    np.testing.assert_array_equal(graph.nodes["input"].input_type["input"], [3])
    np.testing.assert_array_equal(graph.nodes["output"].output_type["output"], [2])
    assert [type(node) for node in graph.nodes.values()].count(nir.Input) == 1
    assert [type(node) for node in graph.nodes.values()].count(nir.Output) == 1


THETA = np.array([0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e-300, 1e300, -2.5, 1 / 3, np.inf])


def test_greater_than_the_written_threshold_is_at_least_the_threshold():
    units = THETA.size
    op = Threshold(THETA, np.ones(units, np.int32), np.zeros(units, np.int32))
    threshold = op.to_nir().threshold
    np.testing.assert_array_equal(threshold, np.nextafter(THETA, -np.inf))
    biggest = np.finfo(np.float64).max
    above, below = np.nextafter(THETA, np.inf), np.nextafter(THETA, -np.inf)
    for current in (THETA, above, below, np.zeros(units), np.full(units, biggest)):
        np.testing.assert_array_equal(current > threshold, current >= THETA)
        np.testing.assert_array_equal(op.step((), current[None])[0][0], current > threshold)
    np.testing.assert_array_equal(Threshold.from_nir(op.to_nir()).threshold, THETA)


@pytest.mark.parametrize("function", ["tanh", "sin"])
def test_thresholds_are_met_exactly_in_a_written_program(function):
    """On a boundary and next to it, NIR's ``>`` decides as the staircase's ``>=`` does."""
    graph = one_neuron(Activation(function))
    stairs = compiled(graph, "quantise-activations{levels=60}").node("act0").op
    boundaries = build_table(stairs, np.array([9.0])).coarse[0]
    nodes = written(compiled(graph, population(60))).nodes
    signs = nodes["act0_coarse_in"].weight[:, 0]
    threshold = nodes["act0_coarse"].threshold
    assert set(signs) == {1, -1}, "some units are inverted, some are not"
    for z in (
        boundaries,
        np.nextafter(boundaries, -np.inf),
        np.nextafter(boundaries, np.inf),
    ):
        fired = signs * z[:, None] > threshold
        np.testing.assert_array_equal(fired ^ (signs < 0), z[:, None] >= boundaries)


@pytest.mark.parametrize("pipeline", [population(20), RATE, SIGNED_RATE])
def test_nir_gets_copies(pipeline):
    core = compiled(core_graph(1, (2, 5, 4, 2), ("tanh", "tanh")), pipeline)
    before = described(core)
    for array in arrays_of(written(core)):
        array.fill(77)
    assert described(core) == before


def arrays_of(graph: nir.NIRGraph) -> list[np.ndarray]:
    found = []
    for node in graph.nodes.values():
        own = node.metadata.get("pinnir", {})
        values = [*vars(node).values(), *own.values()]
        found += [value for value in values if isinstance(value, np.ndarray) and value.size]
    assert len(found) > len(graph.nodes)
    return found


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("layers.0/Gemm", "layers_0_Gemm"),
        ("/net/0/Tanh", "net_0_Tanh"),
        ("3d", "n3d"),
        ("input", "input_2"),
        ("output", "output_2"),
        ("in put", "in_put"),
        ("", "node"),
        ("__", "node"),
        ("::", "node"),
        ("größe", "gr_e"),
        ("a_feedback", "a_feedback_2"),
        ("Plain_name1", "Plain_name1"),
    ],
)
def test_safe_name(given_name, safe):
    assert safe_names([given_name]) == {given_name: safe}


def test_safe_names_stay_different():
    names = ["a/b", "a.b", "a_b", "a_b_2", "input", "input_2", "a-b"]
    found = safe_names(names)
    assert list(found) == names
    assert list(found.values()) == [
        "a_b",
        "a_b_2",
        "a_b_3",
        "a_b_2_2",
        "input_2",
        "input_2_2",
        "a_b_4",
    ]


AWKWARD = st.text(alphabet="ab1_./ :-é", max_size=6) | st.sampled_from(
    ("input", "output", "input_2", "a_feedback", "x_feedback", "x")
)


@given(names=st.lists(AWKWARD, unique=True, max_size=12))
def test_any_names_become_safe_and_different(names):
    found = safe_names(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    for name in found.values():
        assert SAFE.fullmatch(name)
        assert name not in ("input", "output")
        assert not name.endswith("_feedback")


@pytest.mark.parametrize("name", ["nodes", "edges", "metadata", "type", "node", "version", "for"])
def test_words_of_the_format_are_names_like_others(tmp_path, name):
    x = Node("input", Input(1))
    first = Node(safe_names([name])[name], Affine(np.ones((2, 1)), np.ones(2)), (x,), "core.1")
    units = Threshold(np.ones(2), np.ones(2, np.int32), np.zeros(2, np.int32))
    fired = Node("units", units, (first,), "core.1")
    last = Node("last", Affine(np.ones((1, 2)), np.ones(1)), (fired,), "core.1")
    core = Graph(Level.SPIKING, (x,), (last,))
    nir.write(tmp_path / "core.nir", written(core))
    same_program(core, found_in(nir.read(tmp_path / "core.nir")))


def refused(core: Graph) -> str:
    with pytest.raises(LegalizeError) as caught:
        written(core)
    return str(caught.value)


def small_core(op: object) -> Graph:
    x = Node("input", Input(1))
    first = Node("first", Affine(np.ones((1, 1)), np.zeros(1)), (x,), "core.1")
    middle = Node("middle", op, (first,), "core.1")
    last = Node("last", Affine(np.ones((1, 1)), np.ones(1)), (middle,), "core.1")
    return Graph(Level.SPIKING, (x,), (last,), 4, "mean")


def test_several_inputs_or_outputs():
    core = small_core(IF(np.ones(1)))
    twice = Graph(Level.SPIKING, core.inputs, core.outputs * 2)
    more = Graph(Level.SPIKING, (*core.inputs, Node("t", Input(1))), core.outputs)
    end = "cannot be one NIR graph"
    assert refused(twice) == f"a core of 1 inputs and 2 outputs {end}"
    assert refused(more) == f"a core of 2 inputs and 1 outputs {end}"


def test_what_nir_cannot_say():
    assert refused(small_core(Activation("tanh"))) == "Activation 'middle': NIR has no such node"
    assert refused(small_core(IF(np.ones(1), signed=True))) == (
        "IF: NIR has no signed neuron\nhint: run the pass split-signs first"
    )


def test_a_constant_current_is_not_lost_silently():
    """NIR's IF has no bias: either it is written somewhere, or the neuron is refused."""
    core = small_core(IF(np.ones(1), bias=np.array([0.25])))
    try:
        graph = written(core)
    except LegalizeError:
        return
    x = {"input": np.array([[0.1], [0.5]])}
    expected, found = evaluate(core, x), evaluate(found_in(graph, 4, "mean"), x)
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_foreign_graph():
    lif = nir.LIF(
        tau=np.ones(1),
        r=np.ones(1),
        v_leak=np.zeros(1),
        v_threshold=np.ones(1),
        v_reset=np.zeros(1),
    )
    graph = nir.NIRGraph.from_list(nir.Affine(np.ones((1, 1)), np.ones(1)), lif)
    with pytest.raises(ProgramFileError) as caught:
        found_in(graph)
    assert str(caught.value) == "LIF 'lif': is not something pinnir writes"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_neurons_repeat_the_semantics_in_their_metadata(function):
    graph = written(compiled(core_graph(0, (2, 3, 1), (function,)), population(9)))
    units = [node for node in graph.nodes.values() if isinstance(node, nir.Threshold)]
    groups = 2 if function in ("sin", "cos") else 1  # some of these neurons turn, others do not
    assert len(units) == 2 * groups
    for node in units:
        told = node.metadata["pinnir"]
        assert (told["comparison"], told["reset"], told["dt"]) == (">", "none", 1.0)
    rate = written(compiled(core_graph(0, (2, 3, 1), (function,)), RATE))
    for node in rate.nodes.values():
        if isinstance(node, nir.IF):
            told = node.metadata["pinnir"]
            assert (told["comparison"], told["reset"], told["dt"]) == (">=", "subtract", 1.0)
