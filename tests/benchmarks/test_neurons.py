"""Membrane models behave as in Brian2, whose figures are kept with the benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neurons.ours import simulate
from benchmarks.neurons.protocols import SETTINGS, measure, rate_of
from benchmarks.neurons.verify import differences, load
from pinnir.neurons import MEMBRANES

# The most by which a figure may differ.
WITHIN = 0.01
MODELS = pytest.mark.parametrize("name", SETTINGS)


def agree(found, expected):
    for path, difference in differences(found, expected):
        assert difference <= WITHIN, path


def test_every_model_is_measured():
    assert set(SETTINGS) == set(MEMBRANES) == set(load()["models"])


@MODELS
def test_figures_are_those_of_brian2(name):
    agree(measure(name, simulate), load()["models"][name])


@pytest.mark.long
@MODELS
def test_brian2_still_gives_these_figures(name):
    pytest.importorskip("brian2")
    from benchmarks.neurons import in_brian2

    agree(measure(name, in_brian2.simulate), load()["models"][name])


def test_rate_is_that_of_the_mean_interval():
    spikes = np.zeros(100, bool)
    spikes[[9, 19, 39, 59]] = True
    assert rate_of(spikes, 0.5, 5.0) == pytest.approx(2 / 20.0)
    assert rate_of(spikes, 0.5, 25.0) == 0.0


def test_differences_name_the_figure():
    assert list(differences({"a": {"b": 1.1}}, {"a": {"b": 1.0}})) == [("/a/b", pytest.approx(0.1))]
