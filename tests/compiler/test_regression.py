"""A regression layer is trained, saved, and run like any program."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("norse")
import torch

from pinnir.backends.norse_regression import RegressionModule, train
from pinnir.domain import Domain
from pinnir.errors import PinnirError
from pinnir.metrics import relative_l2
from pinnir.neurons import MEMBRANES
from pinnir.neurons.integrators import Scheme
from pinnir.program import read
from pinnir.regression import spread_layer

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


@pytest.mark.parametrize("name", SCHEMES)
def test_read_out_fits_and_training_helps(name):
    start = layer(name).with_decoder_fitted(POINTS, VALUES, 1e-4)
    found = train(layer(name), POINTS, VALUES, iterations=5)
    errors = [relative_l2(one.outputs(POINTS), VALUES) for one in (start, found)]
    assert errors[0] < 0.5
    assert errors[1] <= errors[0]


def test_training_moves_the_encoder_to_a_lower_error():
    start = layer("lif", steps=60, units=8)
    found = train(start, POINTS, VALUES, iterations=40, rate=1e-2)
    fitted = start.with_decoder_fitted(POINTS, VALUES, 1e-4)
    before, after = (relative_l2(one.outputs(POINTS), VALUES) for one in (fitted, found))
    assert after < 0.9 * before


@pytest.mark.parametrize("name", SCHEMES)
def test_module_does_what_the_oracle_does(name):
    fitted = layer(name).with_decoder_fitted(POINTS, VALUES, 1e-4)
    with torch.no_grad():
        found = RegressionModule(fitted)(torch.as_tensor(POINTS)).numpy()
    np.testing.assert_allclose(found, fitted.outputs(POINTS), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SCHEMES)
def test_program_is_the_layer(name, tmp_path):
    fitted = layer(name).with_decoder_fitted(POINTS, VALUES, 1e-4)
    program = fitted.program(DOMAIN)
    program.save(tmp_path / "layer.nir")
    again = read(tmp_path / "layer.nir")
    result = again.run(POINTS)
    np.testing.assert_allclose(result.outputs, fitted.outputs(POINTS), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        result.spikes["membranes"], fitted.rates(POINTS).sum(axis=0) * fitted.steps
    )
    on_norse = again.run(POINTS, "norse")
    np.testing.assert_allclose(on_norse.outputs, result.outputs, rtol=0, atol=1e-9)


def test_evaluations_are_those_of_all_steps():
    assert layer("fitzhugh-nagumo").evaluations == 30 * 10 * 4


def test_a_step_that_blows_up_is_refused():
    with pytest.raises(PinnirError, match="the largest stable step is"):
        spread_layer(MEMBRANES["lif"], Scheme("euler", 50.0), 8, 4, DOMAIN, 1, seed=0)
