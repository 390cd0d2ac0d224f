"""Stability limits: steps that blow up are refused, with the largest that does not."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import PinnirError
from pinnir.neurons import LIF, MEMBRANES
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme, integrate, start
from pinnir.neurons.membranes.stability import check_scheme, largest_stable_step


@pytest.mark.parametrize(("integrator", "limit"), [("euler", 2.0), ("rk4", 2.785294)])
def test_linear_model_has_the_limit_of_the_text_books(integrator, limit):
    model = LIF(tau=7.0)
    assert largest_stable_step(model, integrator) == pytest.approx(limit * 7.0, rel=1e-5)


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("name", MEMBRANES)
def test_half_the_limit_is_fine_and_ten_times_the_limit_is_not(name, integrator):
    model = MEMBRANES[name]
    limit = largest_stable_step(model, integrator)
    currents = np.linspace(*model.drive, 5)
    state = start(model, (5,))
    for _ in range(round(50.0 / limit)):
        _, state = integrate(model, Scheme(integrator, limit / 2), state, currents)
        assert np.isfinite(state).all()
    check_scheme(model, Scheme(integrator, limit))
    check_scheme(model, Scheme(integrator, 10 * limit, substeps=10))
    with pytest.raises(PinnirError, match="the largest stable step is"):
        check_scheme(model, Scheme(integrator, 10 * limit))


def test_refusal_names_the_largest_stable_step():
    with pytest.raises(PinnirError) as caught:
        check_scheme(LIF(tau=20.25), Scheme("euler", 50.0))
    assert str(caught.value).replace("40.4", "40.5") == (
        "neuron 'lif': a step of 50 ms blows up under euler\n"
        "hint: the largest stable step is 40.5 ms; or take more sub-steps"
    )


def test_refusal_counts_substeps():
    with pytest.raises(
        PinnirError, match=r"the largest stable step in 2 sub-steps is (79\.9|80) ms"
    ):
        check_scheme(MEMBRANES["lif"], Scheme("euler", 90.0, substeps=2))


def test_hodgkin_huxley_needs_the_steps_that_its_users_know():
    model = MEMBRANES["hodgkin-huxley"]
    assert 0.05 < largest_stable_step(model, "euler") < 0.08
    assert 0.07 < largest_stable_step(model, "rk4") < 0.12
