"""A regression layer is trained, saved, and run like any program."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neurons.regression import held_back, read_out, spread_layer
from benchmarks.neurons.regression_training import train
from pinnir.base.errors import PinnirError
from pinnir.ir.evaluate import evaluate
from pinnir.metrics.field_errors import relative_l2
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.points.domain import Domain
from pinnir.program.reading import read

DOMAIN = Domain(("x",), np.array([-1.0]), np.array([1.0]))
POINTS = np.linspace(-1, 1, 64)[:, None]
VALUES = np.sin(np.pi * POINTS)
SCHEMES = {
    "lif": Scheme("euler", 2.0),
    "izhikevich": Scheme("euler", 2.0, 4),
    "fitzhugh-nagumo": Scheme("rk4", 5.0, 10),
}


def layer(name, steps=30, units=20):
    return spread_layer(MEMBRANES[name], SCHEMES[name], steps, units, DOMAIN, 1, seed=0)


def error(found):
    return relative_l2(found.outputs(POINTS), VALUES)


@pytest.mark.parametrize("name", SCHEMES)
def test_training_helps(name):
    start = layer(name)
    before, after = (
        error(train(start, POINTS, VALUES, iterations=0)),
        error(train(start, POINTS, VALUES, iterations=60)),
    )
    assert before < 0.5
    assert after < 0.9 * before


def test_ridge_is_chosen_on_what_is_held_back():
    """Units that follow nothing but noise get almost no weight."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 40))
    told = read_out(np.column_stack([POINTS, noise]), POINTS + 0.5 * rng.normal(size=(64, 1)))
    weight = np.abs(np.asarray(told.weight))[0]
    assert weight[0] > 5 * weight[1:].mean()
    assert held_back(64).sum() == 16


def test_too_few_samples_are_refused():
    with pytest.raises(PinnirError, match="7 samples are too few\nhint: give 8 or more"):
        read_out(np.zeros((7, 3)), np.zeros((7, 1)))


@pytest.mark.parametrize("name", SCHEMES)
def test_rates_are_those_of_the_oracle(name):
    start, counted = layer(name), np.zeros((len(POINTS), 20))

    def count(step, node, value):
        if node.name == "membranes":
            counted[:] += value

    evaluate(start.graph, start.graph.bind(POINTS), count)
    np.testing.assert_array_equal(start.rates(POINTS), counted / start.steps)


@pytest.mark.parametrize("name", SCHEMES)
def test_program_is_the_layer(name, tmp_path):
    fitted = layer(name).with_decoder_fitted(POINTS, VALUES)
    program = fitted.program(DOMAIN)
    program.save(tmp_path / "layer.nir")
    again = read(tmp_path / "layer.nir")
    result = again.run(POINTS)
    np.testing.assert_allclose(result.outputs, fitted.outputs(POINTS), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        result.spikes["membranes"], fitted.rates(POINTS).sum(axis=0) * fitted.steps
    )
    pytest.importorskip("norse")
    on_norse = again.run(POINTS, "norse")
    np.testing.assert_allclose(on_norse.outputs, result.outputs, rtol=0, atol=1e-9)


def test_evaluations_are_those_of_all_steps():
    assert layer("fitzhugh-nagumo").evaluations == 30 * 10 * 4


def test_a_step_that_blows_up_is_refused():
    with pytest.raises(PinnirError, match="the largest stable step is"):
        spread_layer(MEMBRANES["lif"], Scheme("euler", 50.0), 8, 4, DOMAIN, 1, seed=0)
