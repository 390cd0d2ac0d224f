"""The search for placements: always legal, never worse than greedy, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import networkx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from pinnir.base.chips import LOIHI_1, Chip
from pinnir.base.errors import LegalizeError
from pinnir.ir.placement import Index, Placement
from pinnir.mapping import partition as partition_module
from pinnir.mapping.connectivity import Connectivity
from pinnir.mapping.occupancy import occupancy
from pinnir.mapping.packing import NOWHERE, Packing, group_of, groups_of
from pinnir.mapping.partition import fitting_groups, pack, partition
from pinnir.numerics.matrix import Array
from tests.compiler.wirings import chips, counted, rates_of, wiring, wirings

WIDE = replace(LOIHI_1, neurons_per_core=8, axons_in=None, axons_out=None)


def found(wiring: Connectivity, rates: Array, chip: Chip, seed: int = 0) -> Placement | None:
    try:
        return partition(wiring, rates, chip, 1, seed)
    except LegalizeError:
        return None


def cores_of(placed: Placement) -> Index:
    """Core of every unit."""
    return np.concatenate(list(placed.cores.values()))


@settings(max_examples=60, deadline=None)
@given(wiring=wirings(), chip=chips(), seed=st.integers(0, 100))
def test_every_unit_has_one_core_and_no_limit_is_broken(wiring, chip, seed):
    rates = rates_of(wiring)
    one = found(wiring, rates, chip, seed)
    assume(one is not None)
    cores = cores_of(one)
    assert cores.shape == (wiring.units,)
    assert set(cores) == set(range(cores.max() + 1))
    assert cores.max() < chip.cores_per_chip
    expected = counted(wiring, rates, cores, chip)
    for name, most in (
        ("neurons", chip.neurons_per_core),
        ("memory", chip.synapse_memory_bits),
        ("axons_in", chip.axons_in),
        ("axons_out", chip.axons_out),
    ):
        assert most is None or expected[name].max() <= most, name
    assert one.messages == pytest.approx(expected["traffic"].sum())
    assert one.greedy is None or one.messages <= one.greedy


@settings(max_examples=20, deadline=None)
@given(wiring=wirings(), chip=chips(), seed=st.integers(0, 100))
def test_the_same_seed_gives_the_same(wiring, chip, seed):
    rates = rates_of(wiring)
    one, other = (found(wiring, rates, chip, seed) for _ in range(2))
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        np.testing.assert_array_equal(cores_of(one), cores_of(other))
        assert (one.messages, one.method) == (other.messages, other.method)


@settings(max_examples=30, deadline=None)
@given(wiring=wirings(), chip=chips(), seed=st.integers(0, 100))
def test_figures_kept_up_are_those_counted_anew(wiring, chip, seed):
    rng, rates = np.random.default_rng(seed), rates_of(wiring)
    packing = Packing(wiring, rates, chip, 99)
    for _ in range(3):
        packing.open()
    groups = groups_of(wiring)
    for group in groups:
        packing.put(group, int(rng.integers(3)))
    for i in rng.integers(0, len(groups), 8):
        home = packing.take(groups[i])
        costs, without = packing.costs(groups[i]), packing.messages()
        for core in rng.permutation(3):
            packing.put(groups[i], int(core))
            assert packing.messages() == pytest.approx(without + costs[core])
            assert packing.take(groups[i]) == core
        packing.put(groups[i], home)
    cores = np.unique(packing.core, return_inverse=True)[1]
    expected = counted(wiring, rates, cores, chip)
    used = np.unique(packing.core)
    for name, kept in (
        ("neurons", packing._neurons),
        ("memory", packing._memory),
        ("axons_in", packing._in),
        ("axons_out", packing._out),
    ):
        np.testing.assert_array_equal(kept[used], expected[name], err_msg=name)
    assert packing.messages() == pytest.approx(expected["traffic"].sum())


@settings(max_examples=30, deadline=None)
@given(wiring=wirings(), chip=chips(), seed=st.integers(0, 100))
def test_what_is_said_to_break_a_limit_does(wiring, chip, seed):
    """A group is refused by a core just where the figures would exceed a limit."""
    rng, rates = np.random.default_rng(seed), rates_of(wiring)
    packing = Packing(wiring, rates, chip, 99)
    for _ in range(2):
        packing.open()
    for group in groups_of(wiring):
        core = int(rng.integers(2))
        broken = packing.broken(group, core)
        before = _exceeded(packing)
        packing.put(group, core)
        if not before:
            assert (broken is not None) == _exceeded(packing)


def _exceeded(packing: Packing) -> bool:
    chip = packing.chip
    pairs = (
        (packing._neurons, chip.neurons_per_core),
        (packing._memory, chip.synapse_memory_bits),
        (packing._in, chip.axons_in),
        (packing._out, chip.axons_out),
    )
    return any(most is not None and bool((used > most).any()) for used, most in pairs)


def test_groups_are_neurons_and_split_only_where_they_do_not_fit():
    layers = wiring(3, 8, 6, 0.4, loops=False)
    sizes = np.bincount(layers.neuron)
    groups = fitting_groups(layers, rates_of(layers), replace(WIDE, neurons_per_core=4))
    for group in groups:
        (neuron,) = set(layers.neuron[group.units])
        assert (group.units.size == sizes[neuron]) == (sizes[neuron] <= 4)
    assert sorted(np.concatenate([group.units for group in groups])) == list(range(layers.units))


def test_a_group_is_split_when_cores_run_out():
    """Three neurons of 4 units on two cores of 6: one of them must be on both."""
    none = csr_array((3, 12), dtype=bool)
    neuron = np.repeat(np.arange(3), 4)
    few = Connectivity((("all", 12),), none, neuron, neuron, np.zeros(12, bool))
    two = replace(WIDE, cores_per_chip=2)
    one = partition(few, np.ones(12), replace(two, neurons_per_core=6), 1, 0)
    assert one is not None
    assert np.bincount(cores_of(one)).tolist() == [6, 6]
    assert partition(few, np.ones(12), replace(two, neurons_per_core=5), 1, 0) is None


def test_separate_networks_end_on_separate_cores():
    """Neurons of two networks take turns; what belongs together is found by its spikes."""
    units, rng = np.arange(16), np.random.default_rng(0)
    alike = units[:, None] % 2 == units % 2
    heard = csr_array(alike & (units < units[:, None]))
    two = Connectivity((("all", 16),), heard, units, units, np.zeros(16, bool))
    one = partition(two, rng.uniform(1, 2, 16), replace(WIDE, cores_per_chip=1), 2, 0)
    assert one is not None
    assert one.messages == 0 and one.greedy > 0
    assert len(set(cores_of(one)[::2])) == len(set(cores_of(one)[1::2])) == 1


def test_graphs_of_too_many_edges_are_not_bisected(monkeypatch):
    dense = wiring(0, 12, 4, 1.0, loops=False)
    monkeypatch.setattr(partition_module, "MOST_EDGES", 5)
    monkeypatch.setattr(networkx, "from_scipy_sparse_array", None)
    one = partition(dense, rates_of(dense), replace(WIDE, cores_per_chip=99), 1, 0)
    assert one is not None and one.method in ("greedy", "cheapest")


def test_packing_takes_the_last_group_first():
    few = wiring(0, 4, 1, 0.0, loops=False)
    packing = Packing(few, np.ones(4), replace(WIDE, neurons_per_core=2), 2)
    placed = pack(packing, groups_of(few), "greedy")
    assert [group.units.tolist() for group in placed] == [[3], [2], [1], [0]]
    assert packing.core.tolist() == [1, 1, 0, 0]
    assert packing.numbered().tolist() == [0, 0, 1, 1]


def test_nothing_is_anywhere_at_first():
    few = wiring(0, 4, 1, 1.0, loops=True)
    packing = Packing(few, np.ones(4), WIDE, 2)
    assert (packing.core == NOWHERE).all() and packing.messages() == 0
    packing.open()
    assert packing.costs(group_of(few, np.arange(4))).tolist() == [0]


def test_occupancy_of_no_units():
    none = wiring(0, 1, 1, 0.0, loops=False)
    held = occupancy(none, np.zeros(1), np.zeros(1, np.int64), WIDE)
    assert held.traffic.shape == (1, 1) and held.messages == 0
