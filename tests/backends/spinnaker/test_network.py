"""Networks for SpiNNaker, by the s16.15 equations of its units; sPyNNaker is not needed."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.backends.recording import probe_points, record
from pinnir.backends.spinnaker.groups import CLOCK
from pinnir.backends.spinnaker.network import cores_of
from pinnir.backends.spinnaker.neuron import LOWEST, MOST_RING, ONE, TruncatedIF, ring
from pinnir.backends.spinnaker.verify import compare, plain_units, run_network
from pinnir.backends.spinnaker.write import write
from pinnir.backends.stepped_core import SUMS
from pinnir.base.errors import LegalizeError
from pinnir.mapping.integer_cores import Whole
from tests.backends.networks import small_program
from tests.backends.targets import whole_program


def whole(*values: int) -> Whole:
    return np.array([values], np.int64)


def test_every_spike_and_sum_is_the_oracles() -> None:
    program = whole_program("population", "spinnaker")
    (core,) = cores_of(program)
    (seen,) = record(program, probe_points(program, 32))
    trace = run_network(core, seen)
    found = compare(core, seen, trace)
    assert found.equal
    assert found.events == 32 * sum(g.units for g in core.network.groups if g.node is not None)
    assert trace.spikes[CLOCK].sum(axis=(0, 2)).tolist() == [32] + [0] * (core.network.steps - 1)
    assert not trace.spikes[SUMS].any()


def test_units_are_held_down_until_their_step() -> None:
    (core,) = cores_of(whole_program("population", "spinnaker"))
    begin = {group.name: group.begin for group in core.network.groups}
    held = {one.target for one in core.network.projections if one.source == CLOCK}
    assert held
    for group in core.network.groups:
        if group.begin and group.node is not None:
            assert np.all(group.potential < group.threshold)
    for one in core.network.projections:
        assert begin[one.source] + one.delay == begin[one.target]


def test_the_folder_holds_the_network_and_what_is_expected() -> None:
    program = whole_program("population", "spinnaker")
    files = write(program)
    told = json.loads(files["program.json"])
    (core,) = [part for part in told["segments"] if part["file"].endswith(".npz")]
    network = np.load(io.BytesIO(files[core["file"]]))
    samples = np.load(io.BytesIO(files["samples.npz"]))
    name = core["file"].removesuffix(".npz")
    clock = {"name": CLOCK, "begin": 0, "steps": 1, "shift": 0, "reset": LOWEST}
    assert json.loads(bytes(network["told"]))["groups"][0] == clock
    assert np.array_equal(network["p0/sample"], samples[f"{name}/p0/potential"][0])
    assert samples[f"{name}/p0/spikes"].shape == (16, 1, network["p0/threshold"].size)
    assert files == write(program)


def test_every_spike_and_sum_of_a_rate_program_is_the_oracles() -> None:
    program = whole_program("rate", "spinnaker")
    (core,) = cores_of(program)
    (seen,) = record(program, probe_points(program, 32))
    trace = run_network(core, seen)
    found = compare(core, seen, trace)
    assert found.equal
    assert found.events == 32 * 4 * sum(g.units for g in core.network.groups if g.node is not None)
    # Clock units fire once each, one a step.
    fired = trace.spikes[CLOCK][0]
    assert np.array_equal(fired[: fired.shape[1]], np.eye(fired.shape[1]))
    assert fired.sum() == fired.shape[1]


def test_integrating_units_begin_at_their_floor_with_their_potential() -> None:
    program = whole_program("rate", "spinnaker")
    (core,) = cores_of(program)
    (seen,) = record(program, probe_points(program, 4))
    for group in core.network.groups:
        if group.node is not None and group.begin:
            assert np.all(group.potential == LOWEST)
            reaching = [one for one in core.network.projections if one.target == group.name]
            (clock,) = (one for one in reaching if one.source == CLOCK)
            assert np.array_equal(clock.weight[:, group.begin - 1], group.node.op.potential)
            highest = group.offsets(seen.inputs).max(axis=0)
            assert np.all(clock.weight[:, : group.begin - 1] <= -highest[:, None])


def test_soft_reset_is_refused() -> None:
    with pytest.raises(LegalizeError, match="reset hard and stop at their reset potential"):
        write(whole_program("rate", "c"))


def test_sums_that_ring_buffers_do_not_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnir.backends.spinnaker.groups.MOST_RING", 10)
    with pytest.raises(LegalizeError, match="ring buffers hold 10"):
        cores_of(whole_program("population", "spinnaker"))


def test_numbers_that_are_not_whole_are_refused() -> None:
    with pytest.raises(LegalizeError, match="numbers that are not whole"):
        write(small_program())


class TestTheNeuron:
    """Each case is a line of ``neuron_model_if_trunc.h`` or ``threshold_type_static.h``."""

    units = TruncatedIF(
        threshold=np.array([100]),
        reset=np.array([-7]),
        offset=np.array([3]),
        resistance=np.array([ONE]),
        refractory=np.array([2]),
    )

    def test_inputs_and_the_offset_are_added(self) -> None:
        spikes, v, _ = self.units.step(whole(10), whole(0), whole(20), whole(5))
        assert (spikes.item(), v.item()) == (0, 28)

    def test_it_does_not_fall_below_its_reset(self) -> None:
        _, v, _ = self.units.step(whole(0), whole(0), whole(0), whole(50))
        assert v.item() == -7

    def test_it_fires_at_its_threshold_and_resets_hard(self) -> None:
        spikes, v, timer = self.units.step(whole(0), whole(0), whole(97), whole(0))
        assert (spikes.item(), v.item(), timer.item()) == (1, -7, 2)
        spikes, *_ = self.units.step(whole(0), whole(0), whole(96), whole(0))
        assert spikes.item() == 0

    def test_input_is_lost_in_the_refractory_period(self) -> None:
        spikes, v, timer = self.units.step(whole(-7), whole(2), whole(500), whole(0))
        assert (spikes.item(), v.item(), timer.item()) == (0, -7, 1)

    def test_the_resistance_is_a_fraction_of_fifteen_bits(self) -> None:
        half = TruncatedIF(*(np.array([n]) for n in (100, LOWEST, 0, ONE // 2, 0)))
        _, v, _ = half.step(whole(0), whole(0), whole(9), whole(0))
        assert v.item() == 4

    def test_ring_buffers_stop_at_sixteen_bits(self) -> None:
        assert ring(whole(MOST_RING + 5, 3), 1).tolist() == [[2 * MOST_RING, 6]]

    @given(st.lists(st.integers(-(2**14), 2**14), min_size=1, max_size=20), st.integers(1, 2**15))
    def test_it_is_the_published_equation_in_floating_point(
        self, inputs: list[int], threshold: int
    ) -> None:
        """Steps of V <- max(V + I, V_reset), s = V >= theta, in exact floats of 2^-15."""
        units, reset = plain_units(*(np.array([n]) for n in (threshold, -500, 0))), -500 / ONE
        v, timer, wanted = whole(0), whole(0), 0.0
        for value in inputs:
            sides = (whole(max(value, 0)), whole(max(-value, 0)))
            spikes, v, timer = units.step(v, timer, *sides)
            wanted = max(wanted + value / ONE, reset)
            fires = wanted >= threshold / ONE
            wanted = reset if fires else wanted
            assert (spikes.item(), v.item() / ONE) == (fires, wanted)
