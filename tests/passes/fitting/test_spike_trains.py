"""Neurons that are simulated layer after layer do what they do all at once."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.passes.fitting.spike_trains import SpikeTrain, SpikeTrains
from pinnir.passes.fitting.trainable_core import TrainableCore, core_labels
from tests.helpers import compiled, core_graph, points, residual_core
from tests.networks import cores_of

STEPS = 16
ROUNDED = {
    "ramps": f"split-thresholds{{units=3}},quantise-activations{{levels={STEPS + 1}}}",
    "signed": f"balance-thresholds{{steps={STEPS}}},"
    f"quantise-activations{{levels={2 * STEPS + 1},rounding=zero}}",
    "centred": f"split-thresholds{{units=1}},"
    f"quantise-activations{{levels={2 * STEPS + 1},rounding=signed}}",
}
SOURCES = {
    "plain": lambda: core_graph(0, (2, 9, 9, 1), ("tanh", "tanh")),
    "residual": residual_core,
    "gated": lambda: cores_of("modified_mlp"),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("rounded", ROUNDED.values(), ids=ROUNDED)
def test_layers_one_after_the_other_equal_all_at_once(source, rounded):
    graph = compiled(source(), rounded)
    for label in core_labels(graph):
        core = TrainableCore.of(graph, label, graph, STEPS)
        entering = core.entering_values(points(graph, 3_000, 1))
        wanted = core.forward(core.parameters, entering, until=core.nodes[-1])
        run, trains = core.begun(core.parameters, entering), SpikeTrains(STEPS)
        for node in core.nodes:
            if node in run.maps:
                run.compute(node)
            else:
                run.values[node] = trains.fire(run, node)
            np.testing.assert_allclose(run.values[node], wanted.values[node], rtol=0, atol=1e-9)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("neurons", [1, 8, 13])
def test_spikes_are_kept(neurons, signed):
    rng = np.random.default_rng(neurons)
    spikes = rng.integers(-1 if signed else 0, 2, (4, 20, neurons)).astype(np.float64)
    train = SpikeTrain.empty(4, 20, neurons, signed=signed)
    for step in range(4):
        train.keep(step, slice(0, 15), spikes[step, :15])
        train.keep(step, slice(15, 20), spikes[step, 15:])
    for step in range(4):
        np.testing.assert_array_equal(train.at(step, slice(3, 18)), spikes[step, 3:18])
