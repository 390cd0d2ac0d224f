"""Placements: what cores hold and send, how programs keep them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.chips import CHIPS, LOIHI_1, Chip, find_chip
from pinnir.base.errors import LegalizeError
from pinnir.ir.placement import StoredPlacement
from pinnir.mapping.connectivity import connectivity
from pinnir.mapping.occupancy import occupancy
from pinnir.mapping.place import place
from pinnir.program.placing import place_program
from tests.backends.networks import small_program
from tests.compiler.wirings import bits, chips, counted, rates_of, wiring, wirings

SMALL = Chip("small", "a chip", cores_per_chip=4, neurons_per_core=20)


@settings(max_examples=30, deadline=None)
@given(wiring=wirings(), chip=chips(), seed=st.integers(0, 100))
def test_figures_equal_a_count(wiring, chip, seed):
    cores = np.random.default_rng(seed).integers(0, 4, wiring.units)
    cores = np.unique(cores, return_inverse=True)[1]
    rates = rates_of(wiring, seed)
    found = occupancy(wiring, rates, cores, chip)
    for name, value in counted(wiring, rates, cores, chip).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
    assert found.messages == found.traffic.sum()


@pytest.mark.parametrize("chip", CHIPS.values(), ids=str)
def test_memory_of_axons(chip):
    synapses = np.arange(300).reshape(3, 100)
    expected = [[bits(int(one), chip) for one in row] for row in synapses]
    np.testing.assert_array_equal(chip.memory(synapses), expected)


def test_loihi_counts_headers_and_words():
    # 64 synapses of 8 bits and a header of 10 are 522 bits, 9 words; 45 more are 370 bits, 6 words.
    assert LOIHI_1.memory(np.array([0, 1, 64, 109])).tolist() == [0, 64, 576, 960]


@settings(max_examples=20, deadline=None)
@given(wiring=wirings(), seed=st.integers(0, 100))
def test_told_and_read(wiring, seed):
    chip = replace(LOIHI_1, neurons_per_core=7)
    placed, _ = place(wiring, {"all": rates_of(wiring)}, chip, 1, seed)
    again = msgspec.convert(json.loads(json.dumps(placed.told())), StoredPlacement).restored()
    assert (again.chip, again.chips, again.used) == (LOIHI_1, 1, placed.used)
    assert (again.messages, again.method) == (placed.messages, placed.method)
    np.testing.assert_array_equal(again.cores["all"], placed.cores["all"])


@pytest.mark.parametrize("coding", ["population", "rate", "delta", "phase"])
def test_programs(coding):
    program = small_program(coding)
    chip = replace(SMALL, cores_per_chip=16, neurons_per_core=10)
    placed, held = place_program(program, chip)
    wiring = connectivity(program.running)
    assert {name: cores.size for name, cores in placed.cores.items()} == dict(wiring.populations)
    assert held.neurons.sum() == wiring.units and held.synapses.sum() == wiring.synapses
    assert held.neurons.max() <= 10 and placed.used == held.neurons.size
    assert placed.messages == pytest.approx(held.messages) and held.messages > 0


def test_a_program_on_one_core_sends_nothing():
    placed, held = place_program(small_program(), LOIHI_1)
    assert (placed.used, placed.messages, held.messages) == (1, 0, 0)
    assert held.local > 0 and held.read_out > 0


# ----------------------------------------------------------------------------------------- refusals


def refused(wiring, chip, chips=1):
    with pytest.raises(LegalizeError) as caught:
        place(wiring, {"all": rates_of(wiring)}, chip, chips)
    return str(caught.value)


def test_too_many_neurons():
    dense = wiring(0, 30, 6, 0.2, loops=False)
    assert refused(dense, SMALL) == (
        "the program needs 6 cores (6 at the least), 1 chip small has 4; what binds is neurons: "
        f"112 neurons, and a core holds 20 (112 units with {dense.synapses:,} synapses in all)\n"
        "hint: it fits on 2 chips, or with about 67% of the units a neuron (population coding: "
        "44% of the levels)"
    )
    placed, held = place(dense, {"all": rates_of(dense)}, SMALL, 2)
    assert placed.used <= 8 and held.neurons.max() <= 20


def test_too_little_synapse_memory():
    dense = wiring(0, 30, 6, 1.0, loops=False)
    chip = replace(SMALL, neurons_per_core=100, synapse_memory_bits=8 * 600)
    text = refused(dense, chip, 2)
    assert "2 chips small have 8; what binds is synapse memory: " in text
    assert f"{8 * dense.synapses:,} bits, and a core holds 4,800" in text


def test_a_unit_that_fits_nowhere():
    dense = wiring(0, 30, 6, 1.0, loops=False)
    assert refused(dense, replace(SMALL, axons_in=50)) == (
        "'all': a unit that hears 52 others does not fit on a core of small, which has too little "
        "room for axons in\n"
        "hint: compile with fewer levels or units per neuron, or for another chip"
    )


def test_too_many_axons_out():
    dense = wiring(0, 30, 6, 1.0, loops=False)
    text = refused(dense, replace(SMALL, cores_per_chip=128, neurons_per_core=2, axons_out=9))
    assert text == (
        "spikes of single units go to more cores than a core of small has axons out (9)\n"
        "hint: compile with fewer levels or units per neuron, or for another chip"
    )


def test_unknown_chip():
    with pytest.raises(LegalizeError, match="unknown chip") as caught:
        find_chip("loihi9")
    assert caught.value.hint == "known are loihi1, loihi2, spinnaker1, sanafe"
