"""Networks with skips, gates and several cores, on chips whose spikes take a step."""

from __future__ import annotations

import numpy as np
import pytest

import pinnir
from pinnir.backends.exported_parts import value_of_sums
from pinnir.backends.recording import probe_points, record
from pinnir.backends.sanafe.network import cores_of as loihi_cores
from pinnir.backends.spinnaker.network import cores_of as spinnaker_cores
from pinnir.backends.spinnaker.verify import compare, run_network
from pinnir.program.program import Program
from tests.backends.sanafe.chip import Chip
from tests.networks import family

NETWORKS = ("resnet", "skip", "modified_mlp", "spinn")
SIZES = {"rate": {"steps": 4, "levels": 9}, "population": {"levels": 16}}


def program(name: str, target: str, coding: str) -> Program:
    return pinnir.compile(family(name), "-1:1", target=target, coding=coding, **SIZES[coding])


@pytest.mark.parametrize("coding", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_sanafe_fires_as_the_oracle(name: str, coding: str) -> None:
    compiled = program(name, "sanafe", coding)
    records = record(compiled, probe_points(compiled, 4))
    for core, seen in zip(loihi_cores(compiled), records, strict=True):
        for sample, inputs in enumerate(seen.inputs):
            chip = Chip(core.network)
            sums = chip.run(inputs)
            for group in core.network.groups[:-1]:
                assert group.node is not None
                assert np.array_equal(chip.events(group), seen.events[group.node][sample])
            assert np.allclose(sums * value_of_sums(core.whole), seen.outputs[sample], rtol=1e-12)


@pytest.mark.parametrize("coding", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_spinnaker_fires_as_the_oracle(name: str, coding: str) -> None:
    compiled = program(name, "spinnaker", coding)
    records = record(compiled, probe_points(compiled, 8))
    for core, seen in zip(spinnaker_cores(compiled), records, strict=True):
        found = compare(core, seen, run_network(core, seen))
        assert found.events
        assert found.equal
