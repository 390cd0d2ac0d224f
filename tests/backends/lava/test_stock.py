"""Lava's own neurons: the program that was compiled for them, event by event."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pinnir.backends.exported_parts import hard_reset_errors, sums_that_leave
from pinnir.backends.lava.network import cores_of
from pinnir.backends.lava.stock_network import sums_of
from pinnir.backends.lava.verify import on_lava_stock
from pinnir.backends.lava.write import events_of, inputs_of
from pinnir.backends.lava.write import write_stock as write
from pinnir.backends.recording import probe_points, record
from pinnir.base.errors import LegalizeError
from pinnir.neurons import HardResetIF
from pinnir.program.program import Program
from tests.backends.lava.chip import network, simulate, unpacked
from tests.backends.lava.programs import lava, program

NETWORKS = ("resnet", "skip", "modified_mlp", "spinn")


def stock(name: str = "resnet") -> Program:
    return program(name, "rate", "lava-stock")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_exported_network_does_what_the_oracle_does(name):
    files = write(stock(name))
    samples = unpacked(files["samples.npz"])
    for label in json.loads(files["program.json"])["cores"]:
        found = simulate(network(files, label), samples[f"{label}.inputs"])
        assert found
        for own, events in found.items():
            np.testing.assert_array_equal(events, samples[f"{label}.{own}"], err_msg=own)


def test_numbers_fit_lavas_neurons():
    for core in cores_of(stock(), "lava-stock"):
        neurons = [node for node in core.whole.core.nodes if isinstance(node.op, HardResetIF)]
        assert neurons
        for node in neurons:
            (threshold,) = np.unique(node.op.threshold)
            assert 16 <= threshold < 2**17
        assert max(core.whole.reach[node] for node in neurons) < 2**17


def test_a_connection_of_spikes_is_one_dense():
    files = write(stock())
    (label,) = json.loads(files["program.json"])["cores"]
    told, _ = network(files, label)
    between = [(one["source"], one["target"]) for one in told["synapses"]]
    assert len(between) > 3
    for pair in between:
        assert pair[0] == "input" or between.count(pair) == 1


def test_what_is_said_of_the_read_out_gives_the_outputs():
    running = stock()
    told = json.loads(write(running)["program.json"])
    (core,) = cores_of(running, "lava-stock")
    (seen,) = record(running, probe_points(running, 4))
    (part,) = (part for part in told["segments"] if "core" in part)
    events, inputs = events_of(core, seen), inputs_of(core, seen)["inputs"]
    rates = [events[name].mean(axis=1) for name in part["from"]]
    x = np.concatenate([*rates, inputs], axis=1)
    outputs = x @ np.array(part["weight"]).T + part["bias"]
    np.testing.assert_allclose(outputs, seen.outputs, rtol=1e-12)
    sums = sums_of(core, inputs, events)
    np.testing.assert_array_equal(sums, sums_that_leave(core.whole, seen))


def test_what_hard_reset_costs_is_told():
    found = hard_reset_errors(stock())
    assert found["rel_l2_hard_reset"] < 2 * found["rel_l2_soft_reset"]
    assert hard_reset_errors(program("resnet", "rate")) == {}


@pytest.mark.parametrize(
    ("form", "kind"),
    [("rate", "IF"), ("signed rate", "IF"), ("population", "Threshold"), ("delta", "Delta")],
)
def test_programs_for_other_neurons_have_no_form_here(form, kind):
    with pytest.raises(LegalizeError, match=f"target lava-stock has no {kind} neurons"):
        write(program("resnet", form))


@lava
def test_every_event_equals_the_oracles():
    running = stock()
    report = on_lava_stock(running, probe_points(running, 3))
    assert report.comparison.events > 0
    assert report.comparison.equal
    assert set(report.figures) == {"rel_l2_soft_reset", "rel_l2_hard_reset"}
