"""The rate of a membrane by its current, and the slope that stands for its derivative."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neurons.current_curve import curve
from pinnir.neurons import MEMBRANES
from pinnir.neurons.membranes.integrators import Scheme
from pinnir.neurons.membranes.response import counts

SCHEMES = {"lif": Scheme("euler", 2.0), "izhikevich": Scheme("euler", 2.0, 4)}
STEPS = 40


@pytest.fixture(scope="module", params=SCHEMES)
def of(request):
    model = MEMBRANES[request.param]
    return model, SCHEMES[request.param], curve(model, SCHEMES[request.param], STEPS, *model.drive)


def test_rates_are_those_of_simulations(of):
    model, scheme, found = of
    currents = np.linspace(*model.drive, 41)
    rates, _ = found.at(currents)
    np.testing.assert_array_equal(rates, counts(model, scheme, currents, STEPS) / STEPS)


def test_slopes_add_up_to_the_rise_of_the_rate(of):
    """As those of a staircase do not, which are zero."""
    model, _, found = of
    currents = np.linspace(*model.drive, len(found.slopes))
    rise = found.rates[-1] - found.rates[0]
    assert np.trapezoid(found.slopes, currents) == pytest.approx(rise, rel=0.1)


def test_beyond_its_currents_nothing_changes(of):
    model, _, found = of
    rates, slopes = found.at(np.array([[model.drive[0] - 50, model.drive[1] + 50]]))
    np.testing.assert_array_equal(rates, found.rates[[[0, -1]]])
    np.testing.assert_array_equal(slopes, 0)
