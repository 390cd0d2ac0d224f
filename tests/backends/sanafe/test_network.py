"""Networks for SANA-FE's Loihi, by the rules of its somas; SANA-FE itself is not needed."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from pinnir.backends.exported_parts import value_of_sums
from pinnir.backends.recording import probe_points, record
from pinnir.backends.sanafe.network import cores_of
from pinnir.backends.sanafe.placement import place
from pinnir.backends.sanafe.write import write
from pinnir.base.chips import LOIHI_1
from pinnir.base.errors import LegalizeError
from pinnir.program.placing import place_program
from tests.backends.networks import small_program
from tests.backends.sanafe.chip import Chip
from tests.backends.targets import whole_program

CODINGS = ("population", "rate", "signed")


@pytest.mark.parametrize("coding", CODINGS)
def test_every_spike_and_sum_is_the_oracles(coding: str) -> None:
    program = whole_program(coding, "sanafe")
    (core,) = cores_of(program)
    (seen,) = record(program, probe_points(program, 8))
    fired = 0
    for sample, inputs in enumerate(seen.inputs):
        chip = Chip(core.network)
        sums = chip.run(inputs)
        for group in core.network.groups[:-1]:
            assert group.node is not None
            assert np.array_equal(chip.events(group), seen.events[group.node][sample])
            fired += int(chip.events(group).sum())
        assert np.array_equal(sums * value_of_sums(core.whole), seen.outputs[sample])
        # Nothing fires before its population begins, or after it ends.
        assert all(
            np.sum(chip.spikes[group.name]) == chip.events(group).sum()
            for group in core.network.groups
        )
    assert fired > 0


def test_populations_of_one_layer_begin_one_after_the_other() -> None:
    (core,) = cores_of(whole_program("population", "sanafe"))
    begin = {group.name: group.begin for group in core.network.groups}
    assert list(begin.values()) == sorted(begin.values())
    for one in core.network.projections:
        assert begin[one.target] == begin[one.source] + one.delay
    assert {one.delay for one in core.network.projections} == {1, 2, 3}


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


def test_units_go_where_the_program_was_placed() -> None:
    plain = whole_program("population", "sanafe")
    placed, _ = place_program(plain, LOIHI_1)
    cores = cores_of(plain)
    (here,) = place(plain, cores)
    groups = cores[0].network.groups
    assert [one.size for one in here] == [group.units for group in groups]
    for group, one in zip(groups[:-1], here, strict=False):
        assert group.node is not None
        assert np.array_equal(one, placed.cores[group.node.name])
    assert set(here[-1].tolist()) == {placed.used}

    # A program that brings a placement of its own keeps it.
    moved = {name: 7 - one for name, one in placed.cores.items()}
    own = replace(placed, cores=moved)
    told = replace(plain, manifest={**plain.manifest, "placement": own.told()})
    (there,) = place(told, cores)
    assert set(there[0].tolist()) <= {7 - one for one in here[0].tolist()}


def test_sums_need_a_core_of_their_own() -> None:
    program = whole_program("population", "sanafe")
    placed, _ = place_program(program, LOIHI_1)
    full = {
        name: np.full_like(one, LOIHI_1.cores_per_chip - 1) for name, one in placed.cores.items()
    }
    told = replace(placed, cores=full).told()
    with pytest.raises(LegalizeError, match="adds up its outputs takes one more"):
        place(replace(program, manifest={**program.manifest, "placement": told}), [])


def test_numbers_that_are_not_whole_are_refused() -> None:
    with pytest.raises(LegalizeError, match="numbers that are not whole"):
        write(small_program("rate"))


def test_programmable_neurons_are_refused() -> None:
    with pytest.raises(LegalizeError, match="needs programmable neurons"):
        write(whole_program("delta", "c"))
