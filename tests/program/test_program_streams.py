"""Delta programs as a whole: orders, lines, several cores, what is counted, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pinnir
from pinnir.base.errors import DomainError, LegalizeError, PipelineError
from pinnir.metrics.input_changes import InputChanges
from pinnir.neurons import Delta
from pinnir.passes import pipelines
from pinnir.points.line_points import LINE_POINTS, line_points
from pinnir.points.streaming_order import Streaming
from pinnir.program import program as running
from pinnir.program.program import Program
from tests.backends.networks import DOMAIN, constrained, fourier, mlp, model, small_program
from tests.networks import FAMILIES, family
from tests.program.test_streamed_groups import plain

SEVERAL = {
    "spinn": "-1:1",
    "resnet": "-1:1",
    "modified_mlp": "-1:1",
    "deeponet_cartesian": "-1:1",
    "pfnn": "-1:1",
    "skip": "-1:1",
}


def streamed(proto: object, domain: str = DOMAIN, coding: str = "delta") -> Program:
    pipeline = getattr(pipelines, coding)(24)
    return pinnir.compile(proto, domain, pipeline=pipeline)


@pytest.mark.parametrize("order", [None, "boustrophedon", "hilbert", "given"])
@pytest.mark.parametrize("lines", [None, 1, 3, 64])
def test_values_do_not_depend_on_the_order(order, lines):
    program = small_program("delta")
    expected = plain(program).run_grid((8, 16)).outputs
    found = program.run_grid((8, 16), order=order, lines=lines)
    np.testing.assert_array_equal(found.outputs, expected)
    assert found.metrics["samples"] == 128


def test_points_are_ordered_and_given_back_in_their_own_order():
    program = small_program("delta")
    points = program.domain.sample(512, 8)
    found = program.run(points)
    np.testing.assert_array_equal(found.outputs, plain(program).run(points).outputs)
    given = program.run(points, streaming=Streaming("given"))
    np.testing.assert_array_equal(found.outputs, given.outputs)
    assert found.metrics["synops"] < 0.5 * given.metrics["synops"]


def test_chunks_change_nothing(monkeypatch):
    program = small_program("delta")
    expected = program.run_grid((16, 16), lines=3)
    monkeypatch.setattr(running, "chunk_of", lambda cores, at_once: 16)
    found = program.run_grid((16, 16), lines=3)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.metrics == expected.metrics


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("coding", ["delta", "phase"])
def test_programs_of_many_kinds(name, coding):
    assert name in FAMILIES
    program = streamed(family(name), SEVERAL[name], coding)
    points = program.domain.sample(64, 2)
    expected = plain(program).run(points).outputs
    np.testing.assert_allclose(program.run(points).outputs, expected, rtol=0, atol=1e-12)
    assert program.metrics["events_per_activation" if coding == "delta" else "spikes"] > 0


@pytest.mark.parametrize("proto", [constrained(), fourier()])
def test_host_parts(proto):
    program = streamed(model(proto))
    expected = plain(program).run_grid((8, 9)).outputs
    np.testing.assert_array_equal(program.run_grid((8, 9)).outputs, expected)


def test_every_axis_streams_its_own_line():
    program = streamed(family("spinn"), "-1:1")
    result = program.run_grid((32, 16), lines=4)
    expected = plain(program).run_grid((32, 16)).outputs
    np.testing.assert_allclose(result.outputs, expected, rtol=0, atol=1e-12)
    assert result.metrics["samples"] == 48


def test_finer_grids_cost_less_a_point():
    program = small_program("delta")
    costs = [program.run_grid((4, n)).metrics["synops_per_mac"] for n in (64, 256, 1024)]
    assert costs[1] < 0.4 * costs[0]
    assert costs[2] < 0.4 * costs[1]


def test_figures_of_a_line_by_hand():
    program = small_program("delta")
    (core,) = program.running
    result = program.run_grid((1, 100))
    assert result.metrics["events_per_activation"] == result.metrics["spikes_per_activation"]
    assert result.metrics["spikes"] == pytest.approx(
        sum(s.sum() for s in result.spikes.values()) / 100
    )
    neurons = [node.op.units for node in core.nodes if isinstance(node.op, Delta)]
    fan = [8, 1]
    synops = sum(
        fan[i] * result.spikes[node.name].sum()
        for i, node in enumerate(n for n in core.nodes if isinstance(n.op, Delta))
    )
    assert result.metrics["synops"] == pytest.approx(synops / 100)
    # All products of the first two points, then those of the column that changes.
    assert result.metrics["analog_macs"] == pytest.approx(neurons[0] * (2 + 2 + 98) / 100)


def test_graded_events_count_once():
    unit = small_program("delta")
    (segment,) = unit.segments
    assert segment.streamed is not None
    core = segment.streamed.rewrite(
        lambda n: n.with_op(replace(n.op, graded=True)) if isinstance(n.op, Delta) else n
    )
    graded = replace(unit, segments=(replace(segment, streamed=core),))
    one, other = unit.run_grid((4, 8)), graded.run_grid((4, 8))
    np.testing.assert_array_equal(one.outputs, other.outputs)
    assert other.metrics["spikes"] < one.metrics["spikes"]


def test_input_changes_by_hand():
    changes = InputChanges(1)
    rows = [[0, 0], [0, 1], [0, 2], [0, 2], [0, 3], [1, 3], [2, 3], [3, 4], [3, 4], [4, 5]]
    #        both    both    second  none    second  both    first   both    none    both
    changes(np.array(rows[:4], float))
    changes(np.array(rows[4:], float))
    assert changes.products.tolist() == [6, 7]


def test_lines_through_a_domain():
    domain = small_program("delta").domain
    points = line_points(domain, 4, 0)
    assert points.shape == (4 * LINE_POINTS, 2)
    pieces = points.reshape(4, LINE_POINTS, 2)
    assert (np.diff(pieces[:, :, 0], axis=1) == 0).all()
    np.testing.assert_allclose(np.diff(pieces[::2, :, 1], axis=1), 1 / 255)
    np.testing.assert_allclose(np.diff(pieces[1::2, :, 1], axis=1), -1 / 255)
    assert small_program("delta").metrics["line_points"] == LINE_POINTS
    assert "line_points" not in small_program("phase").metrics


@pytest.mark.parametrize("coding", ["population", "rate", "phase", "signgd"])
def test_programs_that_do_not_stream(coding):
    with pytest.raises(DomainError) as caught:
        small_program(coding).run_grid((8, 8), lines=2)
    assert str(caught.value) == (
        f"a {coding} program takes points in any order\n"
        "hint: leave order and lines out; compile with --coding delta for streaming"
    )


@pytest.mark.parametrize(
    ("coding", "needs"),
    [
        ("delta", "keep state while points are streamed"),
        ("phase", "read and send digits"),
        ("signgd", "follow functions"),
    ],
)
def test_targets_that_keep_no_state(coding, needs):
    with pytest.raises(LegalizeError) as caught:
        pinnir.compile(model(mlp()), DOMAIN, target="nir", coding=coding, levels=8)
    assert str(caught.value) == (
        f"{coding} coding needs neurons that {needs}, and target nir has no programmable neurons\n"
        "hint: compile with --target programmable, or with another --coding"
    )
    with pytest.raises(LegalizeError) as caught:
        pipeline = getattr(pipelines, coding)(8)
        pinnir.compile(model(mlp()), DOMAIN, target="nir", pipeline=pipeline)
    assert caught.value.message == (
        f"{coding} coding needs neurons that {needs}, and target nir has no programmable neurons"
    )
    assert caught.value.node


def test_the_target_follows_from_the_coding():
    assert pinnir.compile(model(mlp()), DOMAIN, coding="phase", levels=8).manifest["target"] == (
        "programmable"
    )
    assert small_program().manifest["target"] == "nir"


def test_sums_that_would_round_are_refused():
    pipeline = [one for one in pipelines.delta(8) if one.name != "fixed-point"]
    with pytest.raises(PipelineError) as caught:
        pinnir.compile(model(mlp()), DOMAIN, pipeline=pipeline)
    assert str(caught.value) == (
        "Affine 'fc1': its sums would be rounded, and rounding errors would add up\n"
        "hint: run the pass fixed-point before lower"
    )


def test_options_of_other_codings():
    pipeline = "quantise-activations{levels=8},lower{coding=population,hysteresis=1},legalise"
    with pytest.raises(PipelineError) as caught:
        pinnir.compile(model(mlp()), DOMAIN, pipeline=pipeline)
    assert str(caught.value) == (
        "pass 'lower': coding population has no option 'hysteresis'\nhint: it belongs to delta"
    )


def test_the_search_finds_the_cheapest_coding():
    program = pinnir.compile(model(mlp()), DOMAIN, target="programmable", rtol=0.05)
    assert program.manifest["coding"] == "delta"
    assert program.frontier is not None
    families = {point.candidate.family for point in program.frontier.points}
    assert {"delta", "phase", "population"} <= families
