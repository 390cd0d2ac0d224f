"""Cutting a program into segments, and writing and reading it, keep what every node computes."""

from __future__ import annotations

import io
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError
from pinnir.base.hdf5 import Writer
from pinnir.base.targets import TARGETS
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Graph, Input, Level, Node, Scheduled
from pinnir.ir.sample_axes import columns_in, layouts
from pinnir.neurons.programmable import LevelNeuron
from pinnir.numerics.matrix import Array, dense
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import PassManager
from pinnir.program.nir_graph import from_nir, to_nir
from pinnir.program.segments import Segment, build_segments, program_names
from pinnir.program.streamed_groups import read_core, write_core
from tests.dags import crossing_dags, networks_of_layers
from tests.helpers import FUNCTIONS, context, points

TIDY = "fold-constants,drop-identity,fuse-affine,fuse-activations,split-host,gather-synapses"
LEVELS = "quantise-activations{levels=9},"
CODINGS = {
    "population": LEVELS + "lower{coding=population},legalise",
    "rate": "split-thresholds{units=2},quantise-activations{levels=5},"
    "lower{coding=rate,steps=4},legalise",
    "rate-one": "split-thresholds{units=1},quantise-activations{levels=5},"
    "lower{coding=rate,steps=4},legalise",
    "rate-signed": "balance-thresholds{steps=4},quantise-activations{levels=9,rounding=zero},"
    "lower{coding=rate,steps=4},legalise",
    "phase": LEVELS + "fixed-point,lower{coding=phase},legalise",
    "delta": LEVELS + "fixed-point,lower{coding=delta},legalise",
    "signgd": "lower{coding=signgd,steps=12},legalise",
    "signgd-alone": "lower{coding=signgd,steps=12,levels=0},legalise",
    "signgd-32": "lower{coding=signgd,steps=32},legalise",
    "signgd-inputs": "lower{coding=signgd,steps=12,inputs=spikes},legalise",
}
FORMLESS = ("phase", "delta", "signgd", "signgd-alone", "signgd-32", "signgd-inputs")


def compiled(graph: Graph, coding: str) -> tuple[Graph, tuple[Segment, ...], dict[str, int]]:
    """The spiking graph, its segments, and columns of what passes between them."""
    target = TARGETS["programmable" if coding in FORMLESS else "nir"]
    about = context(graph, 1024, target=target)
    try:
        tidy = PassManager(parse_pipeline(TIDY)).run(graph, about)
    except LegalizeError:  # all of it is features of the inputs, which the host computes
        reject()
    lowered = PassManager(parse_pipeline(CODINGS[coding])).run(tidy, about)
    known = {node.name: layout for node, layout in layouts(tidy).items()}
    segments, shapes = build_segments(lowered, "float64", known)
    return lowered, segments, {name: columns_in(one) for name, one in shapes.items()}


def forms(graph: Graph, segments: tuple[Segment, ...]) -> list[tuple[Graph, dict[str, Graph]]]:
    """The graph and its streamed form, each with its cores by label."""
    plain = {one.label: one.core or one.streamed for one in segments if one.running}
    found = [(replace(graph, streamed=None), plain)]
    if graph.streamed is not None:
        found.append((graph.streamed, {one.label: one.streamed for one in segments if one.running}))
    return found


def values_of(graph: Graph, at: dict[str, Array]) -> dict[str, Array]:
    """What every node gives, ``(steps, samples, columns)``."""
    found: dict[str, list[Array]] = {}
    evaluate(graph, at, lambda step, node, value: found.setdefault(node.name, []).append(value))
    return {name: np.array(steps) for name, steps in found.items()}


def assert_kept(one: Node, other: Node, rows: slice, columns: slice) -> None:
    """The operation is the same, but for the place of a map among what enters and leaves."""
    assert type(one.op) is type(other.op), (one, other)
    for field in fields(one.op):
        if not (isinstance(one.op, Affine) and field.name in ("weight", "bias")):
            assert getattr(one.op, field.name) is getattr(other.op, field.name), (one, field.name)
    if isinstance(one.op, Affine) and isinstance(other.op, Affine):
        weight, bias = np.zeros(other.op.weight.shape), np.zeros(other.op.bias.shape)
        weight[rows, columns], bias[rows] = dense(one.op.weight), one.op.bias
        np.testing.assert_array_equal(dense(other.op.weight), weight)
        np.testing.assert_array_equal(other.op.bias, bias)


def places(names: tuple[str, ...], columns: dict[str, int]) -> dict[str, slice]:
    """Where values stand among those that enter or leave, side by side."""
    ends = np.cumsum([0, *(columns[name] for name in names)]).tolist()
    return {name: slice(ends[i], ends[i + 1]) for i, name in enumerate(names)}


def evaluable(graph: Graph) -> bool:
    return not any(isinstance(node.op, LevelNeuron) for node in graph.nodes)


def assert_cut(
    form: Graph, cores: dict[str, Graph], segments: tuple[Segment, ...], columns: dict[str, int]
) -> None:
    """Every node of a core is what it is in the whole graph, and computes the same."""
    names, at = program_names(form), form.bind(points(form, 24, 3))
    whole = values_of(form, at) if evaluable(form) else {}
    for segment in segments:
        if segment.label not in cores:
            continue
        core = cores[segment.label]
        entering, leaving = places(segment.inputs, columns), places(segment.outputs, columns)
        own = {node.name: node for node in core.nodes}
        found: dict[str, Array] = {}
        if whole:
            # A value from another core is the mean of its steps, or the last of them.
            known = {n: at[n] if n in at else whole[n] for n in segment.inputs}
            mean = form.read_out == "mean"
            x = [v if v.ndim == 2 else v.mean(axis=0) if mean else v[-1] for v in known.values()]
            found = values_of(core, {"input": np.concatenate(x, axis=1)})
        for node in form.segments[segment.label]:
            again = own[names[node.name]]
            rows = leaving.get(node.name, slice(None))
            assert_kept(node, again, rows, entering.get(node.operands[0].name, slice(None)))
            if whole:
                values = found[again.name]
                values = values[..., rows] if isinstance(node.op, Affine) else values
                np.testing.assert_allclose(values, whole[node.name], rtol=0, atol=1e-9)


def assert_same_core(one: Graph, other: Graph) -> None:
    """What was read is what was written, node by node."""
    assert (one.steps, one.read_out) == (other.steps, other.read_out)
    read = {node.name: node for node in other.nodes}
    assert read.keys() == {node.name for node in one.nodes}
    for node in one.nodes:
        again = read[node.name]
        assert type(node.op) is type(again.op)
        assert sorted(o.name for o in node.operands) == sorted(o.name for o in again.operands)
    if evaluable(one):
        at = {"input": points(one, 24, 5)}
        found, wanted = values_of(other, at), values_of(one, at)
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-9)


def written_and_read(label: str, core: Graph) -> Graph:
    with h5py.File(io.BytesIO(), "w") as file:
        write_core(file.create_group("core"), core, Writer())
        return read_core({name: np.array(data) for name, data in file["core"].items()}, label)


@pytest.mark.parametrize("coding", sorted(CODINGS.keys() - {"signgd-32"}))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_segments_and_files_keep_what_every_node_computes(coding, data):
    graph = data.draw(crossing_dags(("tanh",) if coding == "rate-signed" else FUNCTIONS))
    lowered, segments, columns = compiled(graph, coding)
    for form, cores in forms(lowered, segments):
        assert_cut(form, cores, segments, columns)
    in_nir = {one.label: one.core for one in segments if one.core is not None}
    again = from_nir(to_nir(in_nir), list(in_nir), lowered.steps, lowered.read_out)
    for label, core in in_nir.items():
        assert_same_core(core, again[label])
    for one in segments:
        if one.streamed is not None:
            assert_same_core(one.streamed, written_and_read(one.label, one.streamed))


def followed(graph: Graph) -> float:
    """Error of its sign-gradient program of 32 steps, run segment by segment."""
    lowered, segments, columns = compiled(graph, "signgd-32")
    at = points(graph, 64, 7)
    values = dict(graph.bind(at))
    for segment in segments:
        assert segment.streamed is not None
        x = np.concatenate([values[name] for name in segment.inputs], axis=1)
        (joined,) = evaluate(segment.streamed, {"input": x})
        found = places(segment.outputs, columns)
        values |= {name: joined[:, place] for name, place in found.items()}
    wanted, found = (
        np.concatenate(v, axis=1)
        for v in (evaluate(graph, graph.bind(at)), [values[n.name] for n in lowered.outputs])
    )
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@settings(max_examples=8, deadline=None)
@given(graph=networks_of_layers())
def test_sign_gradient_programs_of_several_inputs_and_outputs(graph):
    assert followed(graph) < 1e-4


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(graph=networks_of_layers())
def test_many_sign_gradient_programs(graph):
    assert followed(graph) < 1e-4


def test_nir_has_no_scheduled_synapses():
    x = Node("input", Input(2))
    op = Scheduled(np.eye(2), np.zeros(2), np.ones(3))
    core = Graph(Level.SPIKING, (x,), (Node("m", op, (x,), "core.1"),), 3, "mean")
    with pytest.raises(LegalizeError, match="NIR has no such node"):
        to_nir({"core.1": core})
