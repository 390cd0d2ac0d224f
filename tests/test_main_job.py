"""The main job's promises: errors, costs and equalities on real networks."""

import os

import pytest

import pinnir
from benchmarks.common import MODELS, Case, own_cases, third_party_cases
from pinnir.metrics.field_errors import relative_l2
from pinnir.passes import pipelines
from pinnir.search.compile import prepare

CASES = [*own_cases(), *third_party_cases()]


def by_name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=by_name)
@pytest.mark.parametrize("rtol", [1e-2, 1e-3])
def test_tolerance_is_met_on_evaluation_points(case: Case, rtol: float) -> None:
    program = pinnir.compile(case.model, case.domain, rtol=rtol)
    assert program.metrics["rel_l2"] <= program.metrics["rel_l2_upper"] <= rtol
    assert program.metrics["points"] > 8192
    assert program.metrics["core_mac_share"] > 0.99
    other = program.run(program.domain.sample(4096, 12345)).metrics["rel_l2"]
    assert other <= 1.2 * rtol


def test_third_party_models_are_there_if_promised() -> None:
    if MODELS in os.environ:
        assert len(third_party_cases()) == 4


@pytest.mark.parametrize("case", own_cases(), ids=by_name)
def test_auto_tolerance_keeps_the_error_against_the_reference(case: Case) -> None:
    assert case.reference is not None
    every_fifth = tuple(values[::5] for values in case.reference)
    program = pinnir.compile(case.model, case.domain, rtol="auto", reference=every_fifth, effort=1)
    metrics = program.metrics
    assert metrics["rel_l2"] <= metrics["source_rel_l2_reference"] / 3
    assert metrics["rel_l2_reference"] <= 1.1 * metrics["source_rel_l2_reference"]


@pytest.mark.parametrize("case", own_cases(), ids=by_name)
def test_rate_program_of_32_steps(case: Case) -> None:
    job = prepare(case.model, case.domain)
    points = job.evaluation[:256]
    graph = job.lower(pipelines.rate(steps=32, units=32))
    assert relative_l2(job.outputs_of(graph, points), job.source(points)) <= 3e-2
