"""Segments cut out of a spiking graph mean the same as the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.onnx_runner import OnnxRunner
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Primitive
from pinnir.ir.sample_axes import Layout, columns_in, layouts
from pinnir.numerics.matrix import Array, BlockDiagonal
from pinnir.program.nir_graph import from_nir, to_nir
from pinnir.program.segments import Segment, build_segments
from tests.dags import dags, separable_dags
from tests.helpers import compiled, points
from tests.networks import FAMILIES, graph_of

LOWER = {
    "population": "quantise-activations{levels=9},lower{coding=population},legalise",
    "rate": "split-thresholds{units=2},quantise-activations{levels=5},"
    "lower{coding=rate,steps=4},legalise",
}
PREPARED = "fold-constants,drop-identity,fuse-affine,fuse-activations"
X = Node("x", Input(2))
Y = Node("y", Input(2))


@dataclass(frozen=True)
class Cut:
    """A spiking graph and its segments."""

    graph: Graph
    segments: tuple[Segment, ...]
    layouts: dict[str, Layout]

    @property
    def cores(self) -> dict[str, Graph]:
        return {s.label: s.core for s in self.segments if s.core is not None}

    def run(self, values: dict[str, Array]) -> dict[str, Array]:
        """Every value that segments give; a core's inputs and outputs stand side by side."""
        values = dict(values)
        for segment in self.segments:
            inputs = [values[name] for name in segment.inputs]
            if segment.host is not None:
                values |= zip(segment.outputs, OnnxRunner(segment.host)(inputs), strict=True)
                continue
            assert segment.core is not None
            (joined,) = evaluate(segment.core, {"input": np.concatenate(inputs, axis=1)})
            ends = np.cumsum([columns_in(self.layouts[name]) for name in segment.outputs])
            assert joined.shape[1] == ends[-1]
            values |= zip(segment.outputs, np.split(joined, ends[:-1], axis=1), strict=True)
        return values


def cut(graph: Graph, coding: str = "population") -> Cut:
    tidy = compiled(graph, "split-host,gather-synapses")
    known = {node.name: layout for node, layout in layouts(tidy).items()}
    lowered = compiled(tidy, LOWER[coding])
    return Cut(lowered, *build_segments(lowered, "float64", known))


def assert_same(found: Cut) -> None:
    """In running order the segments give what the graph gives, and every core is a NIR graph."""
    graph = found.graph
    inputs = graph.bind(points(graph, 16, 3))
    values = found.run(inputs)
    for node, wanted in zip(graph.outputs, evaluate(graph, inputs), strict=True):
        bound = 1e-6 * max(1.0, np.abs(wanted).max())  # ONNX Runtime's sums are its own
        np.testing.assert_allclose(values[node.name], wanted, rtol=0, atol=bound)
    again = from_nir(to_nir(found.cores), list(found.cores), graph.steps, graph.read_out)
    assert again.keys() == found.cores.keys()
    used = {name for segment in found.segments for name in (*segment.inputs, *segment.outputs)}
    assert found.layouts.keys() == used | {node.name for node in (*graph.inputs, *graph.outputs)}


@settings(max_examples=40)
@given(graph=dags(), coding=st.sampled_from(sorted(LOWER)))
def test_random_networks(graph, coding):
    assert_same(cut(graph, coding))


@settings(max_examples=15)
@given(graph=separable_dags(), coding=st.sampled_from(sorted(LOWER)))
def test_random_separable_networks(graph, coding):
    assert_same(cut(graph, coding))


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    assert_same(cut(compiled(graph_of(name), PREPARED)))


# ------------------------------------------------------------------------- what enters and leaves


def affine(name: str, operand: Node, outputs: int = 2) -> Node:
    weight = np.random.default_rng(len(name)).normal(size=(outputs, 2))
    return Node(name, Affine(weight, np.linspace(0.1, 0.7, outputs)), (operand,))


def layer(name: str, operand: Node) -> Node:
    return Node(name, Activation("tanh"), (affine(f"{name}_in", operand),))


def several(*outputs: Node) -> Cut:
    return cut(Graph(Level.TENSOR, (X, Y), outputs))


def test_several_entering_values_stand_side_by_side_in_one_input():
    total = Node("sum", Primitive("Add"), (affine("a", layer("h", X)), affine("bb", layer("k", Y))))
    found = several(total)
    (segment,) = found.segments
    assert (segment.inputs, segment.outputs) == (("x", "y"), ("sum",))
    (source,) = segment.core.inputs
    assert (source.name, source.op.width) == ("input", 4)
    for name, empty in (("h_in", slice(2, 4)), ("k_in", slice(0, 2))):
        entry = segment.core.node(name)
        assert entry.operands == (source,)
        assert entry.op.weight.shape == (2, 4)
        assert not np.any(entry.op.weight[:, empty])
    assert_same(found)


def test_several_leaving_values_stand_side_by_side_in_one_output():
    hidden = layer("h", X)
    found = several(affine("a", hidden, 3), affine("bb", layer("k", hidden), 1))
    (segment,) = found.segments
    assert segment.outputs == ("a", "bb")
    (sink,) = segment.core.outputs
    assert sink.name == "core_1_joined"
    assert isinstance(sink.op.weight, BlockDiagonal)
    assert [operand.name for operand in sink.operands] == ["a", "bb"]
    assert [operand.op.bias.shape for operand in sink.operands] == [(4,), (4,)]
    assert not np.any(sink.operands[0].op.bias[3:])
    assert not np.any(sink.operands[1].op.bias[:3])
    assert_same(found)


def test_several_values_enter_and_leave():
    gate = Node("gate", Primitive("Mul"), (layer("u", X), layer("v", Y)))
    found = several(affine("end", layer("w", gate)), affine("side", layer("u2", X)))
    assert [segment.label for segment in found.segments] == ["core.1", "host.2", "core.3"]
    assert found.segments[0].inputs == ("x", "y")
    assert set(found.segments[0].outputs) == {"u:out", "v:out", "side"}
    assert_same(found)


def test_a_value_of_one_layer_that_others_in_the_core_need_as_well():
    """What leaves is placed among all that leaves; what stays is not."""
    hidden = affine("a", layer("h", X))
    found = several(hidden, affine("end", layer("k", hidden)))
    (segment,) = found.segments
    assert segment.outputs == ("a", "end")
    assert_same(found)


@pytest.mark.parametrize("name", ["input", "output", "core_1_joined", "core_1_input"])
def test_names_that_a_file_takes_for_itself(name):
    hidden = layer("h", X)
    end = affine("bb", layer("k", hidden), 1)
    assert_same(several(affine(name, hidden, 3), end))


def test_a_network_without_host_parts_has_none():
    assert several(affine("end", layer("h", X))).segments[0].host is None
