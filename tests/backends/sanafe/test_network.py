"""Networks for SANA-FE's Loihi, by the rules of its somas; SANA-FE itself is not needed."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from pinnir.backends.sanafe.placement import SYNAPSES, UNITS, place
from pinnir.backends.sanafe.write import write, written_cores
from pinnir.errors import LegalizeError
from pinnir.recording import probe_points, record
from tests.backends.networks import small_program
from tests.backends.sanafe.chip import Chip
from tests.backends.targets import whole_program

CODINGS = ("population", "rate", "signed")


@pytest.mark.parametrize("coding", CODINGS)
def test_every_spike_and_sum_is_the_oracles(coding: str) -> None:
    program = whole_program(coding, "sanafe")
    (core,) = written_cores(program)
    (seen,) = record(program, probe_points(program, 8))
    fired = 0
    for sample, inputs in enumerate(seen.inputs):
        chip = Chip(core.network)
        sums = chip.run(inputs)
        for group in core.network.groups[:-1]:
            assert group.node is not None
            assert np.array_equal(chip.events(group), seen.events[group.node][sample])
            fired += int(chip.events(group).sum())
        assert np.array_equal(sums * core.network.unit, seen.outputs[sample])
        # Nothing fires before its population begins, or after it ends.
        assert all(
            np.sum(chip.spikes[group.name]) == chip.events(group).sum()
            for group in core.network.groups
        )
    assert fired > 0


def test_populations_of_one_layer_begin_one_after_the_other() -> None:
    (core,) = written_cores(whole_program("population", "sanafe"))
    begin = {group.name: group.begin for group in core.network.groups}
    assert list(begin.values()) == sorted(begin.values())
    for one in core.network.synapses:
        assert begin[one.target] == begin[one.source] + 1 + one.waits
    assert {one.waits for one in core.network.synapses} == {0, 1, 2}


def test_the_folder_holds_the_network_and_what_is_expected() -> None:
    files = write(whole_program("rate", "sanafe"))
    told = json.loads(files["program.json"])
    (core,) = [part for part in told["segments"] if part["file"].endswith(".npz")]
    network = np.load(io.BytesIO(files[core["file"]]))
    samples = np.load(io.BytesIO(files["samples.npz"]))
    name = core["file"].removesuffix(".npz")
    groups = json.loads(bytes(network["told"]))["groups"]
    assert [group["name"] for group in groups] == ["p0", "p1", "sums"]
    assert samples[f"{name}/p0"].shape == (16, 4, network["p0/bias"].size)
    assert b"import sanafe" in files["runner.py"]
    assert files == write(whole_program("rate", "sanafe"))


def test_cores_are_filled_one_after_the_other() -> None:
    (core,) = written_cores(whole_program("rate", "sanafe"))
    network = core.network
    assert {int(n) for cores in place(network) for n in cores} == {0}
    first = network.groups[0]
    units = UNITS + 7
    wide = replace(first, bias=np.zeros(units))
    (cores,) = place(replace(network, groups=(wide,), synapses=()))
    assert np.bincount(cores).tolist() == [UNITS, 7]
    dense = replace(network.synapses[0], weight=np.ones((10, SYNAPSES // 4), np.int64))
    target = replace(network.groups[1], bias=np.zeros(10))
    _, cores = place(replace(network, groups=(first, target), synapses=(dense,)))
    assert np.bincount(cores).tolist() == [4, 4, 2]


def test_a_chip_that_is_too_small_is_named() -> None:
    (core,) = written_cores(whole_program("rate", "sanafe"))
    wide = replace(core.network.groups[0], bias=np.zeros(129 * UNITS))
    with pytest.raises(LegalizeError, match="takes 129 cores, and Loihi has 128"):
        place(replace(core.network, groups=(wide,), synapses=()))


def test_numbers_that_are_not_whole_are_refused() -> None:
    with pytest.raises(LegalizeError, match="numbers that are not whole"):
        write(small_program("rate"))


def test_programmable_neurons_are_refused() -> None:
    with pytest.raises(LegalizeError, match="needs programmable neurons"):
        write(whole_program("delta", "c"))
