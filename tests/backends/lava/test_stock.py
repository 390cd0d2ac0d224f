"""Lava's own neurons: hard reset in integers, and what it costs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pinnir.backends.lava.stock import StockLayer
from pinnir.backends.lava.stock_run import accuracy, on_lava
from pinnir.backends.lava.stock_write import stock_cores, write
from pinnir.errors import LegalizeError
from pinnir.ir import Input, Node
from pinnir.recording import probe_points
from tests.backends.lava.chip import network, simulate, unpacked
from tests.backends.lava.programs import lava, program


def test_a_spike_forgets_the_rest():
    layer = StockLayer(Node("n", Input(1)), 10, np.array([4]), np.array([1]), np.array([[6]]), 1,
                       {})  # fmt: skip
    found = layer.events(np.array([[2], [0]]), {}, 4)
    # 4 + 7 = 11 fires and leaves nothing, not 1; then 7, 14, and 7 again.
    assert found[:, :, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_currents_are_cut_off_downwards():
    layer = StockLayer(Node("n", Input(1)), 1, np.array([1]), np.array([0]), np.array([[-1]]), 3,
                       {})  # fmt: skip
    assert layer.events(np.array([[1]]), {}, 2).tolist() == [[[0], [0]]]


def test_the_exported_network_does_what_the_integers_say():
    files = write(program("resnet", "rate"))
    samples = unpacked(files["samples.npz"])
    (label,) = json.loads(files["program.json"])["cores"]
    found = simulate(network(files, label), samples[f"{label}.inputs"])
    for name, events in found.items():
        np.testing.assert_array_equal(events, samples[f"{label}.{name}"], err_msg=name)


def test_numbers_fit_lavas_neurons():
    for core in stock_cores(program("resnet", "rate")):
        for layer in core.layers:
            assert 16 <= layer.threshold < 2**17
            assert np.abs(layer.from_input).max(initial=0) <= 127
            assert layer.reach(core.soft.largest_input, core.soft.steps) < 2**17


def test_no_potential_goes_beyond_its_reach():
    layer = StockLayer(Node("n", Input(1)), 10, np.array([4]), np.array([-2]), np.array([[6]]), 1,
                       {})  # fmt: skip
    # The lowest potential after 3 steps is 4 + 3 (-2 - 3 * 5), the bound is for any sign.
    assert layer.reach(5.0, 3) == 3 * (15 + 1 + 2) + 4


def test_what_is_said_of_the_read_out_gives_the_outputs():
    running = program("resnet", "rate")
    told = json.loads(write(running)["program.json"])
    (core,) = stock_cores(running)
    (part,) = (part for part in told["segments"] if "core" in part)
    inputs = np.array([[3, 1], [-20, 7]])
    events = core.events(inputs)
    rates = {core.soft.names[node]: found.mean(axis=1) for node, found in events.items()}
    x = np.concatenate([*(rates[name] for name in part["from"]), inputs], axis=1)
    outputs = x @ np.array(part["weight"]).T + part["bias"]
    np.testing.assert_allclose(outputs, core.outputs(inputs, events), rtol=1e-12)


def test_fitting_bounds_what_hard_reset_costs():
    running = program("resnet", "rate")
    found = accuracy(running, stock_cores(running))
    assert found["rel_l2_hard_reset"] < 2 * found["rel_l2_soft_reset"]


@pytest.mark.parametrize("form", ["signed rate", "population", "delta"])
def test_only_unsigned_rate_programs_have_this_form(form):
    with pytest.raises(LegalizeError, match="is no plain integrate-and-fire population"):
        write(program("resnet", form))


@lava
def test_every_event_equals_the_integers():
    running = program("resnet", "rate")
    report = on_lava(running, probe_points(running, 3))
    assert report.comparison.events > 0
    assert report.comparison.equal
    assert set(report.figures) == {"rel_l2_soft_reset", "rel_l2_hard_reset"}
