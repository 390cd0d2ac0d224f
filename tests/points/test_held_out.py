"""Held-out points: they measure, nothing is fitted to them, and classifiers are scored on them."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.codings.signgd import SignGradientCoding

pytest.importorskip("norse")

import pinnir
from ir_examples.build import ROOT
from ir_examples.digits import TRAINING, read_digits
from pinnir.backends.export import export
from pinnir.base.errors import DomainError, LegalizeError, PinnirError, ProgramFileError
from pinnir.metrics.field_errors import class_scores
from pinnir.neurons import SignGradient
from pinnir.passes import pipelines
from pinnir.points.held_out import HeldOut, load_held_out
from pinnir.program.reading import read
from pinnir.search.compile import prepare
from tests.backends.networks import DOMAIN, mlp, model

SMALL = model(mlp())
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(0, 1, (64, 2))
FITTED = RNG.uniform(0, 1, (256, 2))
EXAMPLE = ROOT / "digits_convnext"


def refusal(points: np.ndarray, labels: np.ndarray | None = None, **ask: object) -> str:
    with pytest.raises(DomainError) as caught:
        prepare(SMALL, DOMAIN, evaluation=HeldOut(points, labels), **ask)
    return str(caught.value)


def test_they_are_what_is_measured_on():
    job = prepare(SMALL, DOMAIN, calibration=FITTED, evaluation=HeldOut(POINTS))
    np.testing.assert_array_equal(job.evaluation, POINTS)
    np.testing.assert_array_equal(job.selection, FITTED)
    program = pinnir.compile(SMALL, DOMAIN, levels=16, evaluation=HeldOut(POINTS[:30]))
    assert program.metrics["points"] == 30
    assert len(program.metrics["rel_l2_seeds"]) == 4
    assert "accuracy" not in program.metrics


def test_programs_of_many_steps_are_measured_on_all_of_them():
    """Whatever their number: sets need not be equally large."""
    ask = {"coding": "rate", "steps": 8, "levels": 17, "evaluation": HeldOut(POINTS[:31])}
    assert pinnir.compile(SMALL, DOMAIN, **ask).metrics["points"] == 31


def test_without_calibration_points_a_search_looks_at_the_domain():
    job = prepare(SMALL, DOMAIN, evaluation=HeldOut(POINTS))
    np.testing.assert_array_equal(job.selection, prepare(SMALL, DOMAIN).selection)


def test_refusals():
    both = np.concatenate([FITTED[:3], POINTS])
    assert refusal(both, calibration=FITTED) == (
        "3 of the 67 evaluation points are calibration points\n"
        "hint: measure on points that nothing was fitted to"
    )
    assert refusal(POINTS[:7]) == "7 evaluation points are too few\nhint: give 8 or more"
    assert refusal(POINTS, np.zeros(9, np.int64)) == (
        "there are 9 labels and 64 evaluation points\nhint: save one label a point"
    )
    assert refusal(POINTS + 5).startswith(
        "64 of the 64 points of the evaluation points lie outside"
    )


def test_files(tmp_path):
    np.savez(tmp_path / "p.npz", points=POINTS, labels=np.arange(64) % 3)
    found = load_held_out(tmp_path / "p.npz")
    np.testing.assert_array_equal(found.points, POINTS)
    np.testing.assert_array_equal(found.labels, np.arange(64) % 3)
    np.savez(tmp_path / "q.npz", points=POINTS)
    assert load_held_out(tmp_path / "q.npz").labels is None
    np.savez(tmp_path / "r.npz", points=POINTS, labels=np.ones(64))
    with pytest.raises(DomainError, match="are float64 of shape"):
        load_held_out(tmp_path / "r.npz")


def test_scores():
    scores = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    found = class_scores(scores, -scores, np.array([1, 0, 0]))
    assert found == {"accuracy": pytest.approx(2 / 3), "source_accuracy": pytest.approx(1 / 3)}
    with pytest.raises(DomainError) as caught:
        class_scores(scores, None, np.array([1, 0, 2]))
    assert str(caught.value) == (
        "the labels have shape (3,) and reach from 0 to 2, the network gives 2 scores on 3 points\n"
        "hint: save one whole number from 0 on for each point"
    )


@pytest.fixture(scope="module")
def classifier() -> pinnir.Program:
    return pinnir.compile(
        EXAMPLE / "model.onnx",
        "0:1",
        pipeline=pipelines.signgd_features(20, SignGradientCoding(decay=0.7, delay=1.3)),
        calibration=read_digits(TRAINING).points[:300],
        evaluation=load_held_out(EXAMPLE / "reference.npz"),
    )


def test_a_classifier_from_model_to_file(classifier, tmp_path):
    """Accuracy within a point of the network's, in a file without a NIR core."""
    metrics = classifier.metrics
    assert metrics["points"] == 360
    assert metrics["accuracy"] >= metrics["source_accuracy"] - 0.01
    assert classifier.cores == []
    assert classifier.is_streamed
    classifier.save(tmp_path / "c.nir")
    again = read(tmp_path / "c.nir")
    neurons = [n.op for core in again.running for n in core.nodes if isinstance(n.op, SignGradient)]
    assert {op.function.arguments for op in neurons} == {1, 2}
    held_out = load_held_out(EXAMPLE / "reference.npz")
    points, labels = held_out.points[:32], held_out.labels
    assert labels is not None
    expected, found = classifier.run(points), again.run(points, "norse")
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=1e-10)
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)
    assert found.classified(labels[:32]).metrics["accuracy"] >= 0.9


def test_nir_cannot_say_it(classifier, tmp_path):
    with pytest.raises(ProgramFileError) as caught:
        export(classifier, "nir", tmp_path / "plain")
    assert str(caught.value) == (
        "NIR cannot say this program: its neurons follow functions and have no levels\n"
        "hint: its file runs with pinnir; or compile the network with another --coding"
    )


def test_multiply_accumulates_are_those_of_the_network(classifier):
    """Not those of the maps that it became: 16 patches through every product, and one head."""
    patches, channels, hidden = 16, 16, 32
    block = channels * patches * 9 + 2 * patches * channels * hidden
    assert classifier.cost.macs == patches * 4 * channels + 2 * block + channels * 10
    assert classifier.cost.core_mac_share == 1.0


def test_other_codings_refuse_such_networks():
    with pytest.raises(LegalizeError) as caught:
        pinnir.compile(EXAMPLE / "model.onnx", "0:1")
    assert "networks of images and patches compile with --coding signgd" in str(caught.value)


def test_networks_of_images_have_no_levels():
    with pytest.raises(PinnirError) as caught:
        pinnir.compile(EXAMPLE / "model.onnx", "0:1", coding="signgd", levels=64)
    assert str(caught.value) == (
        "--levels are those of the population program beside a sign-gradient program, and networks "
        "of images and patches have none\nhint: leave --levels out"
    )
