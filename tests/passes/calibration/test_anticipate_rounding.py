"""anticipate-rounding lowers the predicted error, and with it the measured one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pinnir.base.errors import PipelineError
from pinnir.ir.graph import Activation, Affine, Graph
from pinnir.passes.calibration.anticipate_rounding import AnticipateRounding, Teacher, minimum
from pinnir.passes.fitting.trainable_core import core_labels
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.pipelines import TIDY
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.search.compile import prepare
from tests.backends.networks import EXAMPLES
from tests.helpers import (
    compiled,
    core_graph,
    points,
    relative_error,
    residual_core,
    weights_of,
)
from tests.networks import cores_of
from tests.passes.training import (
    assert_deterministic,
    assert_refuses_damage,
    assert_resumes,
    where,
)
from tests.test_axes import graph_on_the_grid

SIGNED = "quantise-activations{levels=65,rounding=signed}"
SMALL = AnticipateRounding(levels=32, iterations=24, rounds=3, points=128, least=0.0)
NAMES = ("resnet", "pfnn", "skip", "modified_mlp", "piratenet", "spinn", "mionet")


def rounded(graph: Graph, allocation: str = "sensitivity", levels: int = 32) -> Graph:
    text = f"quantise-activations{{levels={levels},allocation={allocation}}}"
    return compiled(graph, text)


def predicted(graph: Graph, source: Graph, current: AnticipateRounding = SMALL) -> float:
    """The error on the points that the pass holds back."""
    return current._predicted(graph, Teacher(where(source)))


@pytest.mark.parametrize("name", NAMES)
def test_the_predicted_error_of_families_falls(name):
    """On held-back points; block-diagonal maps, several cores, gates, coordinates."""
    source = cores_of(name)
    after = SMALL.apply(source, where(source))
    assert predicted(after, source) < 0.99 * predicted(source, source)
    assert [node.name for node in after.nodes] == [node.name for node in source.nodes]


@pytest.mark.parametrize("allocation", ["even", "sensitivity"])
@pytest.mark.parametrize("seed", range(2))
def test_the_measured_error_falls(seed, allocation):
    source = core_graph(seed, (2, 12, 12, 1), ("tanh", "tanh"))
    current = replace(SMALL, iterations=120, points=256, allocation=allocation)
    after = current.apply(source, where(source))
    at = points(source, 2048, 3)
    old = relative_error(source, rounded(source, allocation), at)
    assert relative_error(source, rounded(after, allocation), at) < 0.7 * old


def test_a_core_of_both_axes():
    source = compiled(graph_on_the_grid(), TIDY)
    after = SMALL.apply(source, where(source))
    assert predicted(after, source) < 0.95 * predicted(source, source)


def test_an_example():
    job = prepare(EXAMPLES / "burgers_spinn" / "model.onnx", "x=-1:1,t=0:1")
    train = AnticipateRounding(levels=32, iterations=20, rounds=1, points=256)
    round_ = QuantiseActivations(levels=32, allocation="sensitivity")
    old, new = (job.lower((*TIDY, *more, round_)) for more in ((), (train,)))
    at = job.selection[:96]
    assert relative_error(job.tidy, new, at) < 0.9 * relative_error(job.tidy, old, at)


@pytest.mark.parametrize("levels", [2, 2**16])
def test_never_worse_than_its_input(levels):
    """Two levels, where the prediction means little; and so many that nothing is to be gained."""
    source = residual_core()
    current = replace(SMALL, levels=levels, iterations=3, rounds=1)
    after = current.apply(source, where(source))
    assert predicted(after, source, current) <= predicted(source, source, current)


def test_nothing_to_gain_leaves_the_network_as_it_is():
    """What the outputs do not depend on has no loss to lower."""
    source = core_graph(0, (2, 4, 1), ("tanh",))
    op = Affine(np.zeros((1, 4)), np.ones(1))
    source = source.rewrite(lambda n: n.with_op(op) if n.name == "affine1" else n)
    told: list[str] = []
    after = SMALL.apply(source, where(source, progress=told.append))
    assert weights_of(after) == weights_of(source)
    assert len(told) == 1


def test_a_round_without_a_gain_is_the_last():
    source = residual_core()
    for least, rounds in ((0.0, 3), (1.0, 1)):
        told: list[str] = []
        replace(SMALL, least=least).apply(source, where(source, progress=told.append))
        assert len(told) == rounds
        assert told[0].startswith("anticipating rounding, 1 of 3: ")


def test_it_is_deterministic():
    assert_deterministic(SMALL, cores_of("modified_mlp"), cores_of("modified_mlp"))


@pytest.mark.parametrize("after", [1, 2])
def test_it_goes_on_from_where_it_was(tmp_path, after):
    source = cores_of("modified_mlp")
    assert_resumes(SMALL, source, source, tmp_path, after)


def test_a_finished_round_is_not_trained_again(tmp_path, monkeypatch):
    from pinnir.pipeline.checkpoints import Checkpoints

    source = residual_core()
    saved = where(source, checkpoints=Checkpoints(tmp_path))
    wanted = SMALL.apply(source, saved)
    monkeypatch.setattr("pinnir.passes.calibration.anticipate_rounding.minimum", None)
    assert weights_of(SMALL.apply(source, saved)) == weights_of(wanted)
    with pytest.raises(TypeError):
        SMALL.apply(source, replace(saved, seed=1))


def test_a_damaged_state(tmp_path):
    source = residual_core()
    assert_refuses_damage(replace(SMALL, rounds=2), source, source, tmp_path)


def test_without_a_domain_it_trains_on_calibration_points():
    source = residual_core()
    given = replace(where(source), domain=None)
    after = SMALL.apply(source, given)
    assert SMALL._predicted(after, Teacher(given)) < SMALL._predicted(source, Teacher(given))
    few = replace(given, calibration=given.calibration[:1])
    assert SMALL._predicted(SMALL.apply(source, few), Teacher(few)) <= SMALL._predicted(
        source, Teacher(few)
    )


def test_the_loss_falls_with_iterations():
    source = residual_core()
    (loss,) = SMALL._losses(source, Teacher(where(source)), 128, 0)
    found = [loss(minimum(loss, count))[0] for count in (1, 5, 40)]
    assert loss(loss.exact.core.parameters)[0] > found[0] > found[1] > found[2]


def test_options():
    text = "anticipate-rounding{levels=64,iterations=10}"
    (current,) = parse_pipeline(text)
    assert str(current) == text
    assert current.retrains
    with pytest.raises(PipelineError, match="option rounds=0 must lie between 1 and 1000"):
        AnticipateRounding(rounds=0)
    assert core_labels(residual_core()) == ("core.1",)


def test_clips_come_out_as_clips():
    """They are rounded at their corners only while it trains."""
    source = core_graph(1, (2, 12, 12, 1), ("tanh", "tanh"))
    before = compiled(source, "split-thresholds{units=1},refit")
    ask = AnticipateRounding(levels=65, allocation="even", iterations=200, rounds=2, points=256)
    after = ask.apply(before, where(source))
    clips = [node for node in before.nodes if isinstance(node.op, Activation)]
    assert len(clips) == 2
    for node in clips:
        assert after.node(node.name).op is not node.op
        assert after.node(node.name).op.function == "clip"
        np.testing.assert_array_equal(after.node(node.name).op.parameters, node.op.parameters)
    at = points(source, 1024, 3)
    old, new = (relative_error(source, compiled(g, SIGNED), at) for g in (before, after))
    assert new < 0.5 * old
