"""compile(): from a model and a tolerance to a proven program."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.numpy_helper import to_array

import pinnir
from pinnir.base.errors import (
    BackendError,
    DomainError,
    FrontendError,
    LegalizeError,
    PinnirError,
    PipelineError,
    ProgramFileError,
)
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Neuron
from pinnir.metrics.confidence import upper_bound
from pinnir.metrics.field_errors import relative_l2
from pinnir.passes import pipelines
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import pipeline_text
from pinnir.program import reading
from pinnir.program.frontier import ToleranceError
from pinnir.program.program import Program
from pinnir.program.smoothing import smooth_run
from pinnir.search import candidates, simulated_search, staircase_search
from pinnir.search.compile import prepare
from pinnir.search.job import (
    CALIBRATION_POINTS,
    EVALUATION_POINTS,
    FACE_POINTS,
    MEASURED_POINTS,
    SELECTION_POINTS,
    SETS,
    Job,
)
from tests.backends.networks import (
    DOMAIN,
    EXAMPLES,
    constrained,
    mlp,
    model,
    small_program,
    two_inputs,
)
from tests.helpers import onnx_model, save

SMALL = model(mlp())
SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'


def job(seed: int = 0) -> Job:
    return prepare(SMALL, DOMAIN, seed=seed)


def error_of(kind: type[PinnirError], **ask) -> str:
    ask = {"model": SMALL, "domain": DOMAIN, "levels": 16} | ask
    with pytest.raises(kind) as caught:
        pinnir.compile(**ask)
    assert type(caught.value) is kind
    return str(caught.value)


def rows(points: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(row) for row in points.tolist()}


# ----------------------------------------------------------------- the points and the tolerance


def test_the_three_sets_of_points_are_different():
    sets = [rows(p) for p in (job().calibration, job().selection, job().evaluation)]
    calibration = CALIBRATION_POINTS + 4 * FACE_POINTS + 4
    selection, evaluation = (SETS * (n + n // 16) for n in (SELECTION_POINTS, EVALUATION_POINTS))
    assert [len(found) for found in sets] == [calibration, selection, evaluation]
    assert len(set.union(*sets)) == sum(len(found) for found in sets)


def test_every_set_covers_the_inside_and_every_face():
    at = job()
    for points in (at.selection, at.evaluation):
        for part in at.sets(points, MEASURED_POINTS):
            on_face = [part == bound for bound in (at.domain.low, at.domain.high)]
            assert [int(hit) for hits in on_face for hit in hits.sum(axis=0)] == [32] * 4
            assert np.all((part >= at.domain.low) & (part <= at.domain.high))
            inside = part[~(on_face[0] | on_face[1]).any(axis=1)]
            assert np.allclose(inside.mean(axis=0), [0, 0.5], atol=0.01)


def test_the_proof_is_over_several_sets():
    program = small_program()
    at, metrics = job(), small_program().metrics
    results = [program.run(points) for points in at.sets(at.evaluation, MEASURED_POINTS)]
    errors = [result.metrics["rel_l2"] for result in results]
    assert metrics["rel_l2_seeds"] == errors
    assert len(errors) == SETS >= 3
    assert metrics["rel_l2_upper"] == upper_bound(errors)
    assert metrics["points"] == sum(result.metrics["points"] for result in results)
    whole = program.run(at.evaluation).metrics
    assert metrics["rel_l2"] == pytest.approx(whole["rel_l2"], rel=1e-12)
    for name in ("spikes", "synops_per_mac", "energy_45nm_pj", "spiking_rate", "spikes_per_point"):
        assert metrics[name] == pytest.approx(whole[name], rel=1e-12)


def test_another_seed_gives_other_points():
    assert not rows(job(seed=0).evaluation) & rows(job(seed=1).evaluation)
    np.testing.assert_array_equal(job(seed=1).evaluation, job(seed=1).evaluation)


@pytest.mark.parametrize("rtol", [1e-1, 1e-2, 2e-3])
@pytest.mark.parametrize("coding", ["population", "rate"])
def test_tolerance_is_met(coding, rtol):
    """On the evaluation points exactly; on points that no one chose, nearly."""
    if coding == "rate" and rtol < 1e-2:
        rtol = 3e-2
    program = pinnir.compile(SMALL, DOMAIN, coding=coding, rtol=rtol, effort=1)
    assert program.manifest["rtol"] == rtol
    assert program.manifest["coding"] == coding
    assert 0 < program.metrics["nrmse"] <= program.metrics["nrmse_upper"] <= rtol
    assert program.metrics["rel_l2"] <= program.metrics["nrmse"]
    fresh = np.random.default_rng(0).uniform([-1, 0], [1, 1], (2000, 2))
    assert program.run(fresh).metrics["rel_l2"] <= 1.1 * rtol


@pytest.mark.parametrize("rtol", ["1e-1", 0.1])
def test_tolerance_as_text_or_number(rtol):
    assert pinnir.compile(SMALL, DOMAIN, rtol=rtol, effort=1).manifest["rtol"] == 0.1


def test_the_default_tolerance():
    program = pinnir.compile(SMALL, DOMAIN, effort=1)
    assert program.manifest["rtol"] == 1e-2
    assert program.metrics["rel_l2"] <= 1e-2


@pytest.mark.parametrize("ask", [{"levels": 16}, {"pipeline": pipelines.population(16)}])
def test_fixed_programs_are_only_measured(ask):
    program = pinnir.compile(SMALL, DOMAIN, **ask, effort=1)
    assert program.manifest["rtol"] is None
    assert program.metrics["rel_l2"] > 1e-2


def truth_of(points: np.ndarray, error: float) -> np.ndarray:
    """A reference solution from which the network is off by about ``error``."""
    own = job().source(points)
    return own + error * np.linalg.norm(own) * np.ones_like(own) / np.sqrt(own.size)


def test_auto_is_a_third_of_the_networks_own_error():
    points = np.random.default_rng(1).uniform([-1, 0], [1, 1], (500, 2))
    truth = truth_of(points, 0.06)
    own = job().source(points)
    program = pinnir.compile(SMALL, DOMAIN, rtol="auto", reference=(points, truth), effort=1)
    scale = program.scales[0].scale
    assert program.manifest["rtol"] == np.sqrt(np.mean((own - truth) ** 2)) / scale / 3
    joint = pinnir.compile(
        SMALL, DOMAIN, rtol="auto", norm="l2", reference=(points, truth), effort=1
    )
    assert joint.manifest["rtol"] == relative_l2(own, truth) / 3
    assert 0.015 < program.manifest["rtol"] < 0.025
    assert program.metrics["rel_l2"] <= program.manifest["rtol"]


def test_errors_against_a_reference():
    points = np.random.default_rng(1).uniform([-1, 0], [1, 1], (500, 2))
    truth = truth_of(points, 0.06)
    program = pinnir.compile(SMALL, DOMAIN, levels=16, reference=(points, truth))
    result = program.run(points, reference=truth)
    assert program.metrics["source_rel_l2_reference"] == relative_l2(result.source, truth)
    assert program.metrics["rel_l2_reference"] == relative_l2(result.outputs, truth)
    assert result.metrics["rel_l2_reference"] == program.metrics["rel_l2_reference"]
    without = small_program()
    assert program.metrics.keys() - without.metrics.keys() == {
        "rel_l2_reference",
        "source_rel_l2_reference",
    }


# ------------------------------------------------------------------------------------ the search


@pytest.mark.parametrize("rtol", [5e-2, 1e-2])
def test_the_search_gives_the_smallest_sufficient_number_of_levels(rtol):
    """As the selection points say; more only if the evaluation points refuted a smaller one."""
    program = pinnir.compile(SMALL, DOMAIN, rtol=rtol, effort=1)
    at, levels = job(), program.manifest["levels"]
    counts = tuple(candidates.level_counts())

    def bound(count: int) -> float:
        return at.errors(at.lower(pipelines.refitted(count))).bound

    assert program.manifest["pipeline"] == pipeline_text(pipelines.population_refitted(levels))
    assert bound(levels) <= 0.98 * rtol
    fewer = counts[counts.index(levels) - 1]
    smaller = pinnir.compile(SMALL, DOMAIN, pipeline=pipelines.population_refitted(fewer))
    too_large = max(bound(fewer) / 0.98, smaller.metrics["nrmse_upper"])
    assert too_large > rtol


def test_what_fails_on_the_evaluation_points_is_followed_by_the_next(monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(staircase_search, "_MARGIN", 1.5)
    program = pinnir.compile(SMALL, DOMAIN, rtol=2e-2, progress=told.append, effort=1)
    assert program.metrics["rel_l2_upper"] <= 2e-2
    assert sum("on the evaluation points" in text for text in told) > 1
    failed = [p for p in program.frontier.points if p.measured_on == "evaluation"]
    assert {program.frontier.meets(point) for point in failed} == {True, False}


def test_a_program_that_fails_is_followed_by_the_next(monkeypatch):
    """Rate programs are not rehearsed: they are built, measured and refused."""
    told: list[str] = []
    monkeypatch.setattr(simulated_search, "_MARGIN", 2.0)
    program = pinnir.compile(
        SMALL, DOMAIN, coding="rate", rtol=5e-2, progress=told.append, effort=1
    )
    assert program.metrics["rel_l2_upper"] <= 5e-2
    assert any("on the evaluation points, one more try" in text for text in told)


def test_the_oracle_says_on_evaluation_points_what_the_program_says():
    program = pinnir.compile(SMALL, DOMAIN, levels=64)
    at = job()
    errors = at.errors(at.lower(pipelines.staircase(64)), evaluation=True)
    assert errors.measured == pytest.approx(program.metrics["nrmse"], rel=1e-5)
    assert errors.bound == pytest.approx(program.metrics["nrmse_upper"], rel=1e-5)
    for name in ("rel_l2", "rel_l2_seeds", "rel_l2_upper", "nrmse_upper_per_output"):
        assert errors.told[name] == pytest.approx(program.metrics[name], rel=1e-5)
    assert errors.points == program.metrics["points"]


@pytest.mark.parametrize(
    ("minimise", "coding"),
    [
        ("synops_per_mac", "population"),
        ("spikes", "population"),
        ("energy", "population"),
        ("steps", "population"),
        ("neurons", "rate"),
    ],
)
def test_auto_takes_the_coding_that_is_cheapest_in_what_was_asked(minimise, coding):
    program = pinnir.compile(SMALL, DOMAIN, rtol=5e-2, minimise=minimise, effort=1)
    assert program.manifest["coding"] == coding
    assert program.metrics["rel_l2_upper"] <= 5e-2
    (chosen,) = (p for p in program.frontier.points if program.frontier.is_chosen(p))
    for point in program.frontier.points:
        if point.measured_on == "evaluation" and program.frontier.meets(point):
            assert chosen.costs[minimise] <= point.costs[minimise]


def test_the_frontier_holds_what_was_measured():
    program = pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)
    frontier, metrics = program.frontier, program.metrics
    assert (frontier.rtol, frontier.criterion) == (5e-2, "synops_per_mac")
    assert {point.candidate.family for point in frontier.points} == {
        "population",
        "population-refitted",
        "rate",
        "rate-signed",
    }
    (chosen,) = (row for row in frontier.rows() if row["chosen"])
    assert chosen["meets"]
    assert chosen["measured_on"] == "evaluation"
    assert chosen["pipeline"] == program.manifest["pipeline"]
    for name in ("rel_l2", "rel_l2_upper", "points", "neurons", "spikes", "synops_per_mac"):
        assert chosen[name] == metrics[name]
    assert pinnir.program.reading.from_bytes(program.to_bytes()).frontier is None


def test_the_same_input_gives_the_same_bytes_and_frontier():
    one, other = (pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1) for _ in range(2))
    assert one.to_bytes() == other.to_bytes()
    assert one.frontier == other.frontier


def test_a_family_that_cannot_stand_for_the_network_is_left_out():
    """One signed neuron cannot be a sigmoid; population and rate programs can."""
    program = pinnir.compile(model(mlp(2, (2, 6, 6, 1), "Sigmoid")), DOMAIN, rtol=5e-2, effort=1)
    families = {point.candidate.family for point in program.frontier.points}
    assert families == {"population", "population-refitted", "rate"}
    assert program.frontier.left_out == {
        "rate-signed": "Activation 'act0': one integrate-and-fire neuron cannot stand for sigmoid"
    }


def test_training_is_searched_as_well():
    """One training serves several numbers of levels, and the program needs fewer of them."""
    told: list[str] = []
    ask = {"coding": "population", "rtol": 5e-3, "norm": "l2"}
    plain = pinnir.compile(SMALL, DOMAIN, **ask, effort=1)
    program = pinnir.compile(SMALL, DOMAIN, train=600, progress=told.append, **ask)
    chosen = {point.candidate.family for point in program.frontier.points if point.errors.upper}
    assert "population-trained" in chosen
    assert program.metrics["rel_l2_upper"] <= 5e-3
    assert program.metrics["levels"] < plain.metrics["levels"]
    rounds = [text for text in told if text.startswith("anticipating rounding, 1 of")]
    tried = [one for one in program.frontier.points if "anticipate" in one.candidate.pipeline]
    assert len(rounds) < len(tried)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ({"train": -1, "levels": None}, "-1 iterations of training are too few"),
        ({"train": 10}, "--train is for the search"),
        (
            {"train": 10, "levels": None, "steps": 8, "coding": "signgd"},
            "--train is for the search",
        ),
    ],
)
def test_training_that_cannot_be(ask, message):
    assert message in error_of(PinnirError, **ask)


def test_tolerance_error_carries_what_was_reached():
    with pytest.raises(ToleranceError) as caught:
        pinnir.compile(SMALL, DOMAIN, levels=16, rtol=1e-3)
    program = small_program()
    assert caught.value.reached == program.metrics
    assert str(caught.value) == (
        "the tolerance 0.001 was not reached; the best program has an error of "
        f"{program.metrics['nrmse']:.3g} of the variation in output 'fc2', up to "
        f"{program.metrics['nrmse_upper']:.3g} on other points (population, 1 steps, 16 levels)\n"
        "hint: allow a larger --rtol, --effort 3, more --levels or --steps, or another --coding"
    )


def test_the_best_of_several_tries_is_reported(monkeypatch):
    """No number of levels is enough: the smallest error of all that were built is told."""
    monkeypatch.setattr(candidates, "MAX_LEVELS", 12)
    with pytest.raises(ToleranceError) as caught:
        pinnir.compile(SMALL, DOMAIN, coding="population", rtol=1e-5, effort=1)
    assert "(population, 1 steps, 12 levels)" in str(caught.value)
    assert caught.value.reached["levels"] == 12
    assert caught.value.frontier.chosen is None
    assert not any(map(caught.value.frontier.meets, caught.value.frontier.points))


def test_a_tolerance_beyond_the_most_levels():
    with pytest.raises(ToleranceError) as caught:
        pinnir.compile(model(mlp(0, (2, 2, 1))), DOMAIN, rtol=1e-12)
    assert caught.value.reached["levels"] == 2**16
    assert caught.value.reached["rel_l2"] < 1e-3


def test_a_rate_program_that_cannot_be_accurate_enough():
    with pytest.raises(ToleranceError) as caught:
        pinnir.compile(SMALL, DOMAIN, coding="rate", steps=2, rtol=1e-4)
    assert "(rate, 2 steps, " in str(caught.value)
    assert 1e-4 < caught.value.reached["rel_l2"] < 1


# ------------------------------------------------------------------------------- what is asked for


def test_population_with_fixed_levels():
    program = pinnir.compile(SMALL, DOMAIN, levels=30, steps=1)
    told = program.manifest
    assert (told["coding"], told["levels"], told["steps"]) == ("population", 30, 1)
    assert told["pipeline"] == pipeline_text(pipelines.population(30))
    assert told["read_out"] == "last"
    assert program.metrics["depth"] == 4


def test_rate_with_fixed_steps_and_levels():
    program = pinnir.compile(SMALL, DOMAIN, coding="rate", steps=16, levels=65)
    told = program.manifest
    assert (told["coding"], told["levels"], told["steps"]) == ("rate", 65, 16)
    assert told["pipeline"] == pipeline_text(pipelines.rate(16, 4))
    assert told["read_out"] == "mean"
    assert program.metrics["steps"] == 16


def test_rate_with_fixed_steps():
    program = pinnir.compile(SMALL, DOMAIN, coding="rate", steps=16, rtol=0.1)
    assert program.manifest["steps"] == 16
    assert program.metrics["rel_l2"] <= 0.1


def test_fixed_levels_are_those_of_the_targets_first_coding():
    assert pinnir.compile(SMALL, DOMAIN, levels=16).manifest["coding"] == "population"


@pytest.mark.parametrize("target", ["nir", "norse"])
def test_target(target):
    assert pinnir.compile(SMALL, DOMAIN, levels=16, target=target).manifest["target"] == target


def test_an_explicit_pipeline_is_run_as_it_is():
    same = pinnir.compile(SMALL, DOMAIN, pipeline=pipelines.population(16))
    assert same.to_bytes() == small_program().to_bytes()
    signed = pinnir.compile(SMALL, DOMAIN, pipeline=pipelines.rate_signed(16))
    told = signed.manifest
    assert (told["coding"], told["steps"], told["levels"]) == ("rate", 16, 33)
    assert told["pipeline"] == pipeline_text(pipelines.rate_signed(16))
    assert [record.name for record in signed.passes][-2:] == ["calibrate-light", "legalise"]


def test_a_pipeline_may_be_any_sequence_of_passes():
    passes = pipelines.population(16)
    one, other = (pinnir.compile(SMALL, DOMAIN, pipeline=kind(passes)) for kind in (list, tuple))
    assert one.to_bytes() == other.to_bytes()
    assert one.frontier is not None
    assert one.frontier.points[0].candidate.passes == passes


def test_a_pipeline_without_legalise_loses_nothing():
    """A rate program whose constant currents had no place in the file would be wrong."""
    pipeline = pipelines.rate(8, 4)
    complete = pinnir.compile(SMALL, DOMAIN, pipeline=pipeline)
    try:
        program = pinnir.compile(SMALL, DOMAIN, pipeline=pipeline[:-1])
    except LegalizeError:
        return
    assert program.metrics["rel_l2"] == pytest.approx(complete.metrics["rel_l2"], rel=1e-6)


def test_given_calibration_points_are_used():
    narrow = np.random.default_rng(0).uniform([-0.1, 0.4], [0.1, 0.6], (512, 2))
    program = pinnir.compile(SMALL, DOMAIN, levels=64, calibration=narrow)
    at = np.random.default_rng(1).uniform([-0.1, 0.4], [0.1, 0.6], (512, 2))
    everywhere = pinnir.compile(SMALL, DOMAIN, levels=64)
    inside = program.run(at).metrics["rel_l2"]
    assert inside < 0.5 * everywhere.run(at).metrics["rel_l2"]
    assert program.metrics["rel_l2"] > 5 * inside


def test_observers_see_the_final_pipeline():
    seen: list[str] = []
    program = pinnir.compile(
        SMALL,
        DOMAIN,
        rtol=0.1,
        observers=[lambda done, before, after, seconds: seen.append(str(done))],
    )
    assert seen == [str(one) for one in parse_pipeline(program.manifest["pipeline"])]
    assert [record.call for record in program.passes] == seen
    assert len(program.seconds) == len(seen)


def test_progress_tells_every_step_of_the_search():
    told: list[str] = []
    program = pinnir.compile(SMALL, DOMAIN, rtol=0.05, progress=told.append, effort=1)
    assert any(text.startswith(f"{program.manifest['levels']} levels: ") for text in told)


def test_the_manifest_says_where_the_program_comes_from():
    told = small_program().manifest
    assert told["source_sha256"] == SMALL.sha256
    assert (told["dtype"], told["seed"], told["dt"]) == ("float32", 0, 1.0)
    assert told["versions"].keys() == {"pinnir", "nir", "numpy", "onnx"}


# ---------------------------------------------------------------------------------------- models


def test_a_path(tmp_path):
    path = save(tmp_path, mlp())
    one = pinnir.compile(path, DOMAIN, levels=16)
    assert one.to_bytes() == pinnir.compile(str(path), DOMAIN, levels=16).to_bytes()


def test_several_inputs():
    program = pinnir.compile(model(two_inputs()), DOMAIN, rtol=1e-2, effort=1)
    assert program.inputs == (("x", 1), ("t", 1))
    assert program.domain.columns == ("x", "t")
    assert program.metrics["rel_l2"] <= 1e-2
    points = program.domain.sample(64, 0)
    result = program.run(points)
    np.testing.assert_allclose(result.source, job().source(points), atol=1e-6)


def test_several_inputs_in_another_order():
    """The domain may name the inputs in any order; points are in the model's."""
    program = pinnir.compile(model(two_inputs()), "t=0:1,x=-1:1", levels=16)
    assert str(program.domain) == "x=-1:1,t=0:1"


def test_float64():
    wide = model(mlp(dtype="float64"))
    program = pinnir.compile(wide, DOMAIN, rtol=1e-2, effort=1)
    assert program.manifest["dtype"] == "float64"
    assert program.metrics["rel_l2"] <= 1e-2
    assert program.passes[0].error_after < 1e-12
    assert small_program().passes[0].error_after > 1e-12


def test_float64_host_part():
    proto = constrained()
    program = pinnir.compile(model(proto), DOMAIN, levels=16)
    assert program.segments[-1].host is not None


def test_an_open_input_width():
    program = pinnir.compile(model(mlp(width=None)), DOMAIN, levels=16)
    assert program.inputs == (("x", 2),)
    points = program.domain.sample(64, 0)
    np.testing.assert_array_equal(program.run(points).outputs, small_program().run(points).outputs)


def test_an_open_input_width_and_a_domain_of_another():
    with pytest.raises(PinnirError, match="3"):
        pinnir.compile(model(mlp(width=None)), "x=-1:1,y=0:1,t=0:1", levels=16)


def test_several_outputs():
    program = pinnir.compile(model(mlp(1, (2, 8, 3))), DOMAIN, rtol=1e-2, effort=1)
    result = program.run(program.domain.sample(64, 0))
    assert result.outputs.shape == (64, 3)
    per_output = result.metrics["rel_l2_per_output"]
    for column, error in enumerate(per_output):
        found, truth = result.outputs[:, column], result.source[:, column]
        assert error == pytest.approx(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    assert len(per_output) == 3


@pytest.mark.parametrize("function", ["Tanh", "Sigmoid", "Relu", "Sin", "Cos"])
def test_activations(function):
    program = pinnir.compile(model(mlp(2, (2, 6, 6, 1), function)), DOMAIN, rtol=1e-2, effort=1)
    assert program.metrics["rel_l2"] <= 1e-2


@pytest.mark.parametrize("name", ["burgers", "poisson"])
def test_examples(name):
    program = pinnir.compile(EXAMPLES / name / "model.onnx", "-1:1", levels=64)
    assert isinstance(program, Program)
    assert program.domain.columns == ("points.0", "points.1")
    neurons = sum(n.op.units for n in program.cores[0].nodes if isinstance(n.op, Neuron))
    assert program.metrics["neurons"] == neurons
    assert program.metrics["rel_l2"] < 0.1


# ------------------------------------------------------------------------------- wrong arguments


def test_wrong_target():
    assert error_of(LegalizeError, target="loihi9") == (
        f"'loihi9': unknown target\nhint: known are {', '.join(TARGETS)}"
    )


def test_wrong_coding():
    assert error_of(PinnirError, coding="morse") == (
        "target nir does not run the coding 'morse'\nhint: it runs auto, population, rate"
    )


def test_wrong_criterion():
    assert error_of(PinnirError, minimise="money") == (
        "programs cannot be minimised in 'money'\n"
        "hint: known are synops_per_mac, neurons, spikes, steps, energy"
    )


@pytest.mark.parametrize("steps", [0, -3])
def test_too_few_steps(steps):
    assert error_of(PinnirError, coding="rate", steps=steps) == (
        f"{steps} steps are too few\nhint: give --steps 1 or more"
    )


@pytest.mark.parametrize("levels", [-1, 0, 1, 65537])
def test_levels_out_of_range(levels):
    assert error_of(PinnirError, levels=levels) == (
        f"{levels} levels are out of range\nhint: give --levels from 2 to 65536"
    )


def test_population_takes_one_step():
    assert error_of(PinnirError, steps=4) == (
        "population coding takes one step, not 4\nhint: leave --steps out, or use --coding rate"
    )


@pytest.mark.parametrize("rtol", ["tiny", "", "nan", "inf", 0, -0.1, float("nan")])
def test_wrong_tolerance(rtol):
    assert error_of(PinnirError, rtol=rtol) == (
        f"the tolerance {rtol} is not a positive number\nhint: try 1e-2"
    )


def test_auto_needs_a_reference():
    assert error_of(DomainError, rtol="auto") == (
        "a tolerance of auto is a third of the network's own error, which needs a reference "
        "solution\nhint: give --reference REF.npz, or a number"
    )


def test_reference_of_another_shape():
    points = np.zeros((5, 2))
    assert error_of(DomainError, reference=(points, np.zeros((5, 3)))) == (
        "the reference solution has shape (5, 3), the network gives (5, 1)\n"
        "hint: save points and outputs with one row a point and one column an output"
    )


def test_reference_that_is_not_finite():
    assert error_of(DomainError, reference=(np.zeros((5, 2)), np.full((5, 1), np.nan))) == (
        "the reference solution holds NaN or infinite values\n"
        "hint: save points and outputs with one row a point and one column an output"
    )


def test_reference_points_outside():
    text = error_of(DomainError, reference=(np.full((5, 2), 3.0), np.zeros((5, 1))))
    assert text == (
        "5 of the 5 points of the reference points lie outside the domain x=-1:1,t=0:1; "
        "the first is (3, 3)\n"
        "hint: compile with a wider --domain, or leave these points out"
    )


def test_wrong_calibration():
    hint = "hint: give the columns x, t, one row a point"
    for shape in ((5,), (5, 3), (0, 2)):
        assert error_of(DomainError, calibration=np.zeros(shape)) == (
            f"the calibration points has shape {shape}, not (samples, 2)\n{hint}"
        )
    assert error_of(DomainError, calibration=np.full((5, 2), np.nan)) == (
        "the calibration points holds NaN or infinite values\nhint: remove them"
    )


def test_pipeline_without_spikes():
    assert error_of(PinnirError, pipeline="fuse-affine") == (
        "the pipeline makes no spiking program: it has no pass 'lower'\n"
        "hint: a complete pipeline is fold-constants,drop-identity,fuse-affine,fuse-activations,"
        "split-host,gather-synapses,quantise-activations{levels=256},lower{coding=population},legalise"
    )


def test_wrong_pipelines():
    assert error_of(PipelineError, pipeline="morse").startswith("'morse': unknown pass\nhint: ")
    assert error_of(PipelineError, pipeline="") == (
        'the pipeline is empty\nhint: write "pass{option=value},pass"'
    )
    assert error_of(PipelineError, pipeline="legalise{levels=3}") == (
        "pass 'legalise': has no option 'levels'\nhint: its options are none"
    )
    assert error_of(PipelineError, pipeline="lower{levels=3}") == (
        "pass 'lower': coding population has no option 'levels'\nhint: it belongs to signgd"
    )
    assert error_of(PipelineError, pipeline="lower") == (
        "pass 'lower': coding population takes a staircase graph, not a tensor graph\n"
        "hint: check the order of the pipeline"
    )


def test_wrong_domain():
    assert error_of(DomainError, domain="") == f"the domain is empty\nhint: {SYNTAX}"
    assert error_of(DomainError, domain="x=-1:1") == (
        f"the domain gives 1 columns (x), the model's input 'x' has 2\nhint: {SYNTAX}"
    )


def test_missing_model(tmp_path):
    path = tmp_path / "no.onnx"
    assert error_of(FrontendError, model=path) == (
        f"the model file {path} does not exist\nhint: give the path of an .onnx file"
    )


def test_nothing_that_can_spike():
    assert error_of(LegalizeError, model=model(mlp(0, (2, 1)))) == (
        "the network has no activation between two matrix products, so nothing can spike\n"
        "  Affine: 'fc0'\n"
        "hint: pinnir compiles networks of layers: matrix product, activation, matrix product, "
        "with (samples, columns) values"
    )


def log_of_radius() -> onnx.ModelProto:
    """``tanh(log|x| W) V`` of two coordinates: singular where both are 0."""
    nodes = [
        helper.make_node("ReduceL2", ["x", "axes"], ["r"], keepdims=1),
        helper.make_node("Log", ["r"], ["l"]),
        helper.make_node("MatMul", ["l", "w"], ["a"]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    weights = {"axes": np.array([1]), "w": np.ones((1, 4), "f"), "v": np.ones((4, 1), "f")}
    weights["w"][0, 0] = 0  # tanh alone would hide that its argument is infinite
    return onnx_model(nodes, weights)


def test_a_network_that_is_singular_in_the_middle_can_be_read_again(tmp_path):
    path, out = save(tmp_path, log_of_radius()), tmp_path / "out.nir"
    found = pinnir.compile(path, "-1:1", levels=16)
    assert np.isfinite(found.run(np.array([found.manifest["trial"]])).outputs).all()
    found.save(out)
    again = pinnir.read(out)
    points = again.domain.sample(64, 0)
    np.testing.assert_array_equal(again.run(points).outputs, found.run(points).outputs)
    assert "trial" not in pinnir.compile(SMALL, DOMAIN, levels=16).manifest


def test_points_where_the_network_is_not_finite_are_left_out_of_the_fit(tmp_path):
    """The corner of the domain is one of the points that are drawn."""
    program = pinnir.compile(save(tmp_path, log_of_radius()), "0:1", levels=32)
    assert program.metrics["calibration_points_not_finite"] == 1
    assert program.metrics["rel_l2"] < 0.05
    assert "calibration_points_not_finite" not in pinnir.compile(SMALL, DOMAIN, levels=16).metrics


def test_points_where_the_network_is_not_finite_are_left_out_of_the_errors(tmp_path):
    """On a line of the domain, whose ends are points of every set: 32 on each face of a box."""
    program = pinnir.compile(save(tmp_path, log_of_radius()), "x0=0,x1=0:1", rtol=5e-2, effort=1)
    assert program.metrics["evaluation_points_not_finite"] == SETS * 32
    assert program.metrics["points"] == SETS * (EVALUATION_POINTS + 128 - 32)
    assert program.metrics["nrmse_upper"] <= 5e-2


def log_of_sum() -> onnx.ModelProto:
    """``tanh(log(x0 + x1) W) V``: not finite on one side of a line."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["r"], keepdims=1),
        *log_of_radius().graph.node[1:],
    ]
    weights = {init.name: to_array(init) for init in log_of_radius().graph.initializer}
    return onnx_model(nodes, weights)


def test_sets_without_points_that_are_not_finite_are_equally_large(tmp_path):
    path = save(tmp_path, log_of_sum())
    whole, at = prepare(SMALL, "-1:2"), prepare(path, "-1:2")
    for name in ("calibration", "selection", "evaluation"):
        drawn, kept = getattr(whole, name), getattr(at, name)
        assert np.all(kept.sum(axis=1) > 0)
        assert rows(kept) < rows(drawn)
        if name != "calibration":
            before, after = np.array_split(drawn, SETS), np.split(kept, SETS)
            for one, other in zip(before, after, strict=True):
                assert rows(other) <= rows(one)
                assert len(other) > 0.98 * np.sum(one.sum(axis=1) > 0)
    assert at.left_out == {
        "calibration": np.sum(whole.calibration.sum(axis=1) <= 0),
        "evaluation": np.sum(whole.evaluation.sum(axis=1) <= 0),
    }


def test_a_network_that_is_not_finite_on_most_of_its_domain_is_refused(tmp_path):
    path = save(tmp_path, log_of_sum())
    with pytest.raises(BackendError) as caught:
        pinnir.compile(path, "-2:1", levels=16)
    assert re.fullmatch(
        r"the source network gives NaN or values beyond 1e\+100 on \d+ of \d+ points; "
        r"the first is \(.*\)\nhint: give a domain on which it is finite; .*",
        str(caught.value),
    )


def test_a_run_leaves_points_out_where_the_network_is_not_finite(tmp_path):
    program = pinnir.compile(save(tmp_path, log_of_radius()), "-1:1", levels=16)
    result = program.run_grid((9, 9))
    found = program.domain.grid((9, 9))
    middle = np.all(found == 0, axis=1)
    assert result.metrics["points_not_finite"] == middle.sum() == 1
    assert np.isnan(result.outputs[middle]).all()
    others = program.run(found[~middle])
    np.testing.assert_array_equal(result.outputs[~middle], others.outputs)
    for name in ("points", "rel_l2", "nrmse", "spikes", "energy_45nm_pj"):
        assert result.metrics[name] == others.metrics[name]
    with pytest.raises(DomainError, match="cannot be smoothed around the 1 points where the"):
        smooth_run(result, (9, 9), None)
    with pytest.raises(BackendError, match="on 1 of 1 points"):
        program.run(np.zeros((1, 2)))


def test_a_stream_has_no_gaps(tmp_path):
    path = save(tmp_path, log_of_radius())
    program = pinnir.compile(path, "-1:1", coding="delta", target="programmable", levels=16)
    with pytest.raises(BackendError, match="on 1 of 81 points"):
        program.run_grid((9, 9))


def test_a_program_that_could_not_be_read_again_is_refused(monkeypatch):
    def never(program, name):
        raise ProgramFileError(f"{name} is damaged")

    monkeypatch.setattr(reading, "_try", never)
    with pytest.raises(ProgramFileError, match="the compiled program is damaged"):
        pinnir.compile(SMALL, DOMAIN, levels=16)
