"""fit-neurons puts measured curves in place of ramps; refit-spikes fits maps to what arrives."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import LegalizeError, PinnirError, PipelineError
from pinnir.base.targets import TARGETS
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Level
from pinnir.ir.rules import check_rules
from pinnir.neurons import IF, Integrated
from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.neurons.membranes.response import Response
from pinnir.passes.calibration.fit_neurons import FitNeurons
from pinnir.passes.calibration.refit_spikes import RefitSpikes
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import PassManager
from tests.helpers import context, core_graph, points, relative_error

SOURCE = core_graph(3, (2, 6, 5, 1), ("tanh", "tanh"))
STEPS = 48
FIT = "split-thresholds{{units=4}},fit-neurons{{neuron={0},steps={1}}},refit"
LOWER = f"lower{{coding=rate,steps={STEPS}}}"


def after(pipeline, target="programmable"):
    manager = PassManager(parse_pipeline(pipeline))
    graph = manager.run(SOURCE, context(SOURCE, target=TARGETS[target]))
    check_rules(graph)
    return graph


def fitted(neuron):
    return FIT.format(neuron, STEPS)


@pytest.mark.parametrize("neuron", ["lif", "izhikevich", "fitzhugh-nagumo"])
def test_programs_follow_the_network(neuron):
    graph = after(f"{fitted(neuron)},{LOWER},refit-spikes")
    found = relative_error(SOURCE, graph, points(SOURCE, 64, 9))
    assert found < {"lif": 0.06, "izhikevich": 0.08, "fitzhugh-nagumo": 0.25}[neuron]


def test_lif_is_nearly_as_good_as_integrate_and_fire():
    rate = f"split-thresholds{{units=4}},quantise-activations{{levels={STEPS + 1}}},"
    at = points(SOURCE, 64, 9)
    plain = relative_error(SOURCE, after(f"{rate}refit,{LOWER},refit-spikes"), at)
    assert relative_error(SOURCE, after(f"{fitted('lif')},{LOWER},refit-spikes"), at) < 1.5 * plain


def test_refit_spikes_lowers_the_error():
    at = points(SOURCE, 64, 9)
    before = relative_error(SOURCE, after(f"{fitted('izhikevich')},{LOWER}"), at)
    assert (
        relative_error(SOURCE, after(f"{fitted('izhikevich')},{LOWER},refit-spikes"), at) < before
    )


def test_refit_spikes_changes_maps_that_read_spikes_only():
    before = after(f"{fitted('lif')},{LOWER}")
    changed = RefitSpikes(points=64).apply(before, context(SOURCE))
    pairs = {node.name: node.op for node in before.nodes}
    other = {
        n.name for n in changed.nodes if isinstance(n.op, Affine) and n.op is not pairs[n.name]
    }
    assert other == {"affine1", "affine2"}


def test_refit_spikes_needs_rates():
    graph = after("quantise-activations{levels=9},lower{coding=population}")
    with pytest.raises(PipelineError, match="read in its last step"):
        RefitSpikes().apply(graph, context(SOURCE))


def test_staircases_carry_their_membranes():
    graph = after(FIT.format("izhikevich", 8))
    ops = [node.op for node in graph.nodes if isinstance(node.op, Response)]
    assert [op.base.size for op in ops] == [24, 20]
    assert all(op.model == CONVERSIONS["izhikevich"].model for op in ops)


def test_options_replace_the_table():
    done = FitNeurons(neuron="izhikevich", integrator="rk4", time=2.0, substeps=5, tau=3.0)
    found = done._conversion()
    assert (found.scheme.integrator, found.scheme.step, found.scheme.substeps) == ("rk4", 2.0, 5)
    assert found.synapse.tau == 3.0


def test_a_step_that_blows_up_is_refused():
    with pytest.raises(PinnirError, match="the largest stable step is"):
        after("split-thresholds,fit-neurons{neuron=izhikevich,substeps=1}")


def test_unknown_neuron_is_refused():
    with pytest.raises(PipelineError, match="'foo': unknown neuron\nhint: known are lif, fitz"):
        after("split-thresholds,fit-neurons{neuron=foo}")


def test_targets_of_integers_have_no_membranes():
    with pytest.raises(LegalizeError) as caught:
        after("split-thresholds,fit-neurons{neuron=izhikevich}", "c")
    assert str(caught.value).startswith(
        "neuron 'izhikevich': target c computes with integers, and membranes are integrated in "
        "floating point\nhint: compile with --target programmable"
    )


def test_what_is_no_ramp_is_refused():
    with pytest.raises(PipelineError, match="tanh is no clipped ramp"):
        after("fit-neurons")


def test_lif_is_legal_in_nir():
    graph = after(f"{fitted('lif')},{LOWER},legalise", "nir")
    assert graph.streamed is None
    assert {type(n.op) for n in graph.nodes} >= {Integrated, IF}


def test_other_membranes_are_refused_in_nir():
    with pytest.raises(LegalizeError, match="NIR has no primitive for izhikevich neurons"):
        after(f"{FIT.format('izhikevich', 4)},lower{{coding=rate,steps=4}},legalise", "nir")


def test_beside_nir_stands_the_response_network():
    pipeline = FIT.format("izhikevich", 8)
    graph = after(f"{pipeline},lower{{coding=rate,steps=8}},legalise")
    assert graph.streamed is not None
    assert (graph.level, graph.steps, graph.streamed.steps) == (Level.SPIKING, 1, 8)
    at = SOURCE.bind(points(SOURCE, 32, 1))
    (responses,) = evaluate(after(pipeline), at)
    (beside,) = evaluate(type(graph)(graph.level, graph.inputs, graph.outputs), at)
    np.testing.assert_allclose(beside, responses, atol=1e-9)
    np.testing.assert_array_equal(evaluate(graph, at), evaluate(graph.streamed, at))
