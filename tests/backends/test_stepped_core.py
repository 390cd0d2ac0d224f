"""Groups and projections of cores on chips whose spikes take a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pinnir.backends.exported_parts import check_sums, whole_cores
from pinnir.backends.recording import probe_points, record
from pinnir.backends.stepped_core import SUMS, SteppedCore
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.mapping.integer_cores import IntegerCore
from pinnir.neurons import IF
from tests.backends.targets import whole_program


def whole(coding: str) -> IntegerCore:
    ((core, _),) = whole_cores(whole_program(coding, "sanafe")).values()
    return core


@pytest.mark.parametrize("coding", ["population", "rate", "signed"])
def test_what_arrives_and_what_leaves_is_the_oracles(coding: str) -> None:
    """Every spike, sent by the oracle, brings each unit over its threshold as the oracle has it."""
    program = whole_program(coding, "sanafe")
    core = SteppedCore(whole(coding), 5)
    (seen,) = record(program, probe_points(program, 4))
    inputs = np.rint(seen.inputs).astype(np.int64)
    spikes = {
        core.names[node]: events for node, events in seen.events.items() if node in core.names
    }
    begin = {core.names[node]: step for node, step in core.begin.items()}
    for one in core.flat.populations:
        name, potential = core.names[one.node], np.tile(one.potentials, (4, 1))
        for step in range(core.flat.steps):
            current = one.currents(inputs)
            for projection in core.arriving(one):
                sent = begin[name] + step - projection.delay - begin[projection.source]
                if sent >= 0:
                    current = current + spikes[projection.source][:, sent] @ projection.weight.T
            potential = current + (potential if isinstance(one.node.op, IF) else 0)
            fired = potential >= one.thresholds
            assert np.array_equal(fired, spikes[name][:, step])
            potential = potential - fired * one.thresholds
    first, from_input, bias, reaching = core.leaving()
    steps = core.flat.steps
    sums = steps * (inputs @ from_input.T + bias)
    for projection in reaching:
        assert (projection.target, projection.delay) == (SUMS, first - begin[projection.source])
        sums = sums + spikes[projection.source].sum(axis=1) @ projection.weight.T
    unit = np.concatenate([one.unit for one in core.whole.leaving])
    assert np.allclose(sums * unit / steps, seen.outputs, rtol=1e-12, atol=0)


def test_synapses_that_would_wait_for_too_long_are_refused() -> None:
    core = SteppedCore(whole("population"), 0)
    with pytest.raises(LegalizeError, match="synapses delay a spike by 1 steps at most"):
        [core.arriving(one) for one in core.flat.populations]


def test_sums_beyond_a_targets_integers_are_refused() -> None:
    core = whole("rate")
    large = replace(core, reach=dict.fromkeys(core.reach, 2.0**29))
    assert check_sums(core, TARGETS["sanafe"]) == 30
    with pytest.raises(LegalizeError, match="and the target holds 30 bits"):
        check_sums(large, TARGETS["sanafe"])
