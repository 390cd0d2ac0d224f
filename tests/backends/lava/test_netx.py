"""Lava's own neurons as netx files, and what a chain of dense layers cannot hold."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pinnir.backends.lava.network import cores_of
from pinnir.backends.lava.netx_network import dense_layers
from pinnir.backends.lava.verify import on_netx
from pinnir.backends.lava.write import write_netx as write
from pinnir.backends.recording import probe_points
from pinnir.base.errors import LegalizeError
from pinnir.mapping.flat_units import FlatCore
from pinnir.mapping.integer_cores import Whole
from pinnir.program.program import Program
from tests.backends.lava.chip import unpacked
from tests.backends.lava.programs import program
from tests.backends.targets import needs, whole_program


def stock() -> Program:
    return whole_program("rate", "lava-stock")


def simulate(file: h5py.File, told: dict, inputs: Whole) -> dict[str, Whole]:
    """LIF with reset, layer after layer, every layer a step behind the one before."""
    steps = told["steps"]
    ones = np.tile([1, told["upper"]], (len(inputs) * steps, 1))
    start = ones * (np.arange(len(ones)) % steps == 0)[:, None]
    sent = np.concatenate([np.repeat(inputs, steps, axis=0), ones, start], axis=1)
    found = {}
    for number, (name, units) in enumerate(zip(told["populations"], told["units"], strict=True), 1):
        layer = file[f"layer/{number}"]
        weight, threshold = layer["weight"][()].astype(np.int64), int(layer["neuron/vThMant"][()])
        v, spikes = np.zeros(len(weight), np.int64), []
        for step, arriving in enumerate(sent @ weight.T):
            v = (0 if step % steps == 0 else v) + arriving
            spikes.append(v > threshold)
            v = np.where(v > threshold, 0, v)
        sent = np.array(spikes, np.int64)
        found[name] = sent.reshape(len(inputs), steps, -1)[:, :, :units]
    return found


def parts(files: dict[str, bytes]) -> list[dict]:
    told = json.loads(files["program.json"])
    return [part for part in told["segments"] if "core" in part]


def test_the_files_do_what_the_oracle_does():
    files = write(stock())
    samples = unpacked(files["samples.npz"])
    (told,) = parts(files)
    with h5py.File(io.BytesIO(files[told["file"]])) as file:
        found = simulate(file, told, samples[f"{told['core']}.inputs"])
    assert len(found) > 1
    for name, events in found.items():
        np.testing.assert_array_equal(events, samples[f"{told['core']}.{name}"], err_msg=name)
    assert files == write(stock())


def test_numbers_are_what_netx_takes():
    files = write(stock())
    (told,) = parts(files)
    with h5py.File(io.BytesIO(files[told["file"]])) as file:
        assert file["layer/0/type"][0] == b"input"
        columns = file["layer/0/shape"][0]
        for number in range(1, len(file["layer"])):
            layer = file[f"layer/{number}"]
            assert layer["type"][0] == b"dense"
            assert layer["weight"].shape == (layer["shape"][0], columns)
            columns = layer["shape"][0]
            weight = layer["weight"][()]
            assert np.abs(weight).max() <= 127
            # Without a weight below zero netx would keep all eight bits, and Lava drops the last.
            assert weight.min() < 0
            assert 0 <= layer["neuron/vThMant"][()] < 2**17


def test_what_is_no_chain_is_refused():
    with pytest.raises(LegalizeError, match=r"hears .* besides .*, and netx's dense layers are"):
        write(program("resnet", "rate", "lava-stock"))


def changed(**fields: Whole):
    """The core of the chain with other numbers of its second population."""
    (core,) = cores_of(stock(), "lava-stock")
    first, second, *rest = core.flat.populations
    flat = FlatCore((first, replace(second, **fields), *rest), core.flat.leaving, core.flat.steps)
    core.__dict__["flat"] = flat
    return core, second


def test_wide_weights_are_refused():
    core, second = changed()
    ((source, weight),) = second.synapses.items()
    core, _ = changed(synapses={source: 2 * np.sign(weight) * 127})
    with pytest.raises(LegalizeError, match="has weights of up to 254, and netx's have 8 bits"):
        dense_layers(core)


def test_several_thresholds_are_refused():
    core, second = changed()
    core, _ = changed(thresholds=second.thresholds + np.arange(second.thresholds.size))
    with pytest.raises(LegalizeError, match="has several thresholds"):
        dense_layers(core)


def test_large_biases_take_several_relays():
    core, second = changed()
    plain, _ = dense_layers(core)[:2]
    core, _ = changed(bias=np.full_like(second.bias, 1000))
    relayed, layer = dense_layers(core)[:2]
    assert len(relayed.weight) > len(plain.weight)
    ones = layer.weight[0, second.synapses[relayed.node].shape[1] :]
    assert ones[:8].sum() == 1000


@needs("lava-netx")
@pytest.mark.parametrize("make", [stock, lambda: program("spinn", "rate", "lava-stock")])
def test_netx_fires_as_the_oracle(make):
    running = make()
    report = on_netx(running, probe_points(running, 3))
    assert report.comparison.events > 0
    assert report.comparison.equal
