"""The log of what each pass did."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pinnir.diagnosis.pass_log import PassLog
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Graph, Neuron
from pinnir.ir.printing import print_graph
from pinnir.metrics.field_errors import relative_l2
from pinnir.metrics.source_cost import node_synapses
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import PassManager
from tests.backends.networks import RATE, population
from tests.helpers import context, core_graph, points

GRAPH = core_graph(0, (2, 5, 4, 1), ("tanh", "sin"))
POINTS = points(GRAPH, 64, 3)


def outputs(graph: Graph) -> np.ndarray:
    return evaluate(graph, graph.bind(POINTS))[0]


def logged(pipeline: str) -> tuple[PassLog, list[Graph]]:
    log, graphs = PassLog(outputs, outputs(GRAPH)), [GRAPH]
    manager = PassManager(
        parse_pipeline(pipeline), (log, lambda one, before, after, took: graphs.append(after))
    )
    manager.run(GRAPH, context(GRAPH))
    return log, graphs


@pytest.mark.parametrize("pipeline", [population(9), RATE])
def test_one_record_a_pass(pipeline):
    log, graphs = logged(pipeline)
    passes = parse_pipeline(pipeline)
    assert [record.name for record in log.records] == [one.name for one in passes]
    assert [record.call for record in log.records] == [str(one) for one in passes]
    assert log.initial == print_graph(GRAPH)
    for record, graph in zip(log.records, graphs[1:], strict=True):
        assert record.text == print_graph(graph)
        assert record.neurons == sum(
            node.op.units for node in graph.nodes if isinstance(node.op, Neuron)
        )
        assert record.synapses == sum(node_synapses(node) for node in graph.nodes if node.in_core)
        assert record.error_after == relative_l2(outputs(graph), outputs(GRAPH))


def test_errors_follow_each_other():
    log, _ = logged(population(9))
    assert log.records[0].error_before == 0.0
    assert log.records[0].error_after > 1e-3
    for before, after in pairwise(log.records):
        assert after.error_before == before.error_after


def test_population_equals_its_staircase_network_in_the_log():
    log, _ = logged(population(9))
    quantised, lowered, legal = log.records
    assert lowered.error_after == pytest.approx(quantised.error_after, rel=1e-12)
    assert legal.error_after == lowered.error_after
    assert (quantised.neurons, lowered.neurons) == (0, legal.neurons)
    assert legal.neurons > 0


def test_seconds_are_kept_apart():
    log, _ = logged(population(9))
    assert len(log.seconds) == len(log.records)
    assert all(seconds >= 0 for seconds in log.seconds)
    assert not hasattr(log.records[0], "seconds")


def test_the_log_is_the_same_each_time():
    one, other = logged(RATE)[0], logged(RATE)[0]
    assert one.records == other.records


def test_each_pass_is_measured_once():
    asked: list[Graph] = []

    def measure(graph: Graph) -> np.ndarray:
        asked.append(graph)
        return outputs(graph)

    log = PassLog(measure, outputs(GRAPH))
    PassManager(parse_pipeline(population(9)), (log,)).run(GRAPH, context(GRAPH))
    assert len(asked) == 1 + len(log.records)
