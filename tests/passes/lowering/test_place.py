"""place: notes the core of every unit, and nothing else; programs keep it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import pinnir
from pinnir.base.errors import GraphError, LegalizeError, PipelineError, ProgramFileError
from pinnir.ir.graph import Graph, Neuron
from pinnir.ir.printing import print_graph
from pinnir.ir.rules import check_rules
from pinnir.mapping.firing_rates import graph_rates
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.passes.lowering.place import Place
from pinnir.passes.lowering.split_signs import SplitSigns
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.context import Context
from pinnir.program.placing import program_rates
from pinnir.program.program import Program
from pinnir.program.reading import from_bytes
from pinnir.program.streamed_cores import stream_runner
from tests.backends.networks import (
    DOMAIN,
    RATE,
    SIGNED_RATE,
    STREAMED,
    mlp,
    model,
    population,
    small_program,
)
from tests.helpers import compiled, context, core_graph, record

PIPELINES = (population(9), RATE, SIGNED_RATE)


def lowered(pipeline: str = population(9)) -> Graph:
    return compiled(core_graph(0, (2, 6, 5, 1), ["tanh", "sin"]), pipeline)


@cache
def placed_program(coding: str = "population") -> Program:
    if coding == "population":
        return pinnir.compile(model(mlp()), DOMAIN, pipeline=(*pipelines.population(16), Place()))
    placed = (*STREAMED[coding](16), Place(chip="spinnaker1"))
    return pinnir.compile(model(mlp()), DOMAIN, target="programmable", pipeline=placed)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_only_a_note_is_added(pipeline):
    graph = lowered(pipeline)
    placed = Place(chip="loihi2", seed=3).apply(graph, context(graph))
    assert replace(placed, placement=None).nodes == graph.nodes
    assert placed.placement is not None and placed.placement.chip.name == "loihi2"
    check_rules(placed)
    sizes = {node.name: node.op.units for node in graph.nodes if isinstance(node.op, Neuron)}
    assert {name: one.size for name, one in placed.placement.cores.items()} == sizes
    first, *rest = print_graph(placed).splitlines()
    assert first.endswith(" chip=loihi2 cores=1 messages=0")
    assert rest == print_graph(graph).splitlines()[1:]


def test_options():
    (found,) = parse_pipeline("place{chip=loihi2,chips=3,seed=7}")
    assert found == Place("loihi2", 3, 7)
    with pytest.raises(PipelineError, match="chips=0 must lie between 1 and 1024"):
        Place(chips=0)


def test_unknown_chip():
    graph = lowered()
    with pytest.raises(LegalizeError, match="unknown chip"):
        Place("abacus").apply(graph, context(graph))


def test_what_changes_populations_may_not_follow():
    graph = lowered(SIGNED_RATE.removesuffix(",legalise"))
    placed = Place().apply(graph, context(graph))
    with pytest.raises(GraphError) as caught:
        check_rules(SplitSigns().apply(placed, context(graph)))
    assert str(caught.value) == (
        "IF 'act0': is not the population that was placed; place must run last"
    )


# ----------------------------------------------------------------------------------- firing rates


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_rates_of_a_graph_are_mean_spikes(pipeline):
    graph = lowered(pipeline)
    where = context(graph, samples=64)
    seen, found = record(graph, where.calibration), graph_rates(graph, where)
    for node in graph.nodes:
        if isinstance(node.op, Neuron):
            expected = np.abs(seen[node.name]).sum(axis=0).mean(axis=0)
            np.testing.assert_allclose(found[node.name], expected)


@pytest.mark.parametrize("coding", ["population", "rate", "delta", "phase"])
def test_rates_of_a_program_are_those_it_reports(coding):
    program = small_program(coding)
    found = program_rates(program, seed=program.manifest["seed"])
    total = sum(float(one.sum()) for one in found.values())
    assert total == pytest.approx(program.metrics["spikes"], rel=0.1)


@pytest.mark.parametrize("coding", ["delta", "phase"])
def test_rates_of_a_streamed_graph_are_events_of_its_neurons(coding):
    """Points one after the other, through the oracle of streamed forms."""
    graph = compiled(
        core_graph(0, (2, 6, 5, 1), ["tanh", "sin"]),
        f"quantise-activations{{levels=9}},fixed-point,lower{{coding={coding}}}",
    )
    where = context(graph, samples=64)
    runner, counter = stream_runner(graph.streamed, 1), SpikeCounter()
    runner(where.calibration, counter)
    found = graph_rates(graph, where)
    assert found.keys() == counter.spikes.keys()
    for name, events in counter.spikes.items():
        np.testing.assert_array_equal(found[name] * 64, events)


def test_events_in_a_pipeline_are_those_of_the_program(monkeypatch):
    """Both along the same lines through the domain."""
    seen: list[dict[str, Array]] = []

    def keep(graph: Graph, where: Context) -> dict[str, Array]:
        seen.append(graph_rates(graph, where))
        return seen[-1]

    monkeypatch.setattr("pinnir.passes.lowering.place.graph_rates", keep)
    placed = (*STREAMED["delta"](16), Place())
    program = pinnir.compile(model(mlp()), DOMAIN, target="programmable", pipeline=placed)
    found = program_rates(program, seed=program.manifest["seed"])
    assert found.keys() == seen[-1].keys()
    for name, rates in found.items():
        np.testing.assert_allclose(seen[-1][name], rates)


# ------------------------------------------------------------------------------------- programs


@pytest.mark.parametrize("coding", ["population", "delta"])
def test_programs_keep_their_placement(coding):
    program = placed_program(coding)
    again = from_bytes(program.to_bytes())
    assert again.placement is not None and again.placement.used == 1
    assert again.passes[-1].name == "place"
    assert again.passes[-1].error_before == again.passes[-1].error_after
    running = [node for core in again.running for node in core.nodes]
    sizes = {node.name: node.op.units for node in running if isinstance(node.op, Neuron)}
    assert {name: one.size for name, one in again.placement.cores.items()} == sizes
    assert small_program().placement is None


def damaged(**change: object) -> str:
    program = placed_program()
    told = program.manifest["placement"] | change
    data = replace(program, manifest=program.manifest | {"placement": told}).to_bytes()
    with pytest.raises(ProgramFileError) as caught:
        from_bytes(data)
    return str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"chip": "abacus"},
        {"chips": 0},
        {"messages": "many"},
        {"greedy": -1.0},
        {"method": 1},
        {"cores": []},
        {"cores": {"a": [[0, 0]]}},
        {"cores": {"a": [[0]]}},
        {"more": 1},
        {"cores": {"a": [[0, 2**24], [0, 2**24]]}},
    ],
)
def test_a_damaged_placement_is_refused(change):
    assert "the entry 'placement' of its manifest is missing or wrong" in damaged(**change)


def test_a_placement_of_other_units_is_refused():
    assert "its placement is of other units than the program's" in damaged(
        cores={"act0_coarse": [[0, 1]]}
    )
