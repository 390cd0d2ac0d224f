"""Units and synapses do what a factored core does."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.backends.recording import probe_points, record
from pinnir.ir.graph import Node
from pinnir.mapping.flat_units import FlatCore, flatten
from pinnir.mapping.integer_cores import integer_core
from pinnir.neurons import IF
from tests.integer_programs import program


def simulate(flat: FlatCore, inputs: np.ndarray) -> tuple[dict[Node, np.ndarray], np.ndarray]:
    """Spikes ``(samples, steps, units)`` by population and outputs, in 64-bit integers."""
    samples = len(inputs)
    current = {p.node: p.currents(inputs) for p in flat.populations}
    potential = {p.node: np.tile(p.potentials, (samples, 1)) for p in flat.populations}
    spikes = {p.node: np.zeros_like(potential[p.node]) for p in flat.populations}
    seen: dict[Node, list[np.ndarray]] = {p.node: [] for p in flat.populations}
    outputs = []
    for _ in range(flat.steps):
        for p in flat.populations:
            arriving = current[p.node] + sum(spikes[s] @ w.T for s, w in p.synapses.items())
            before = 0 if p.feedback is None else spikes[p.node] @ p.feedback.T
            v = arriving + (potential[p.node] + before if isinstance(p.node.op, IF) else 0)
            spikes[p.node] = (v >= p.thresholds).astype(np.int64)
            potential[p.node] = v - spikes[p.node] * p.thresholds
            seen[p.node].append(spikes[p.node])
        leaving = [
            (bias + sum(spikes[s] @ w.T for s, w in weights.items())) * unit
            for unit, weights, bias in flat.leaving
        ]
        outputs.append(np.concatenate(leaving, axis=1))
    return {n: np.stack(found, axis=1) for n, found in seen.items()}, np.stack(outputs, axis=1)


@pytest.mark.parametrize("coding", ["population", "rate", "signed"])
@pytest.mark.parametrize("name", ["resnet", "spinn", "pfnn", "modified_mlp"])
def test_spikes_and_outputs(name, coding):
    made = program(name, coding)
    for seen in record(made, probe_points(made, 20)):
        flat = flatten(integer_core(seen.core, 2.0**15))
        spikes, outputs = simulate(flat, seen.inputs)
        for node, found in spikes.items():
            np.testing.assert_array_equal(found, seen.events[node])
        left = outputs.mean(axis=1) if seen.core.read_out == "mean" else outputs[:, -1]
        np.testing.assert_allclose(left, seen.outputs, rtol=0, atol=1e-9)


def test_start_units_become_potentials():
    made = program("resnet", "rate")
    (core,) = made.running
    flat = flatten(integer_core(core, 2.0**15))
    names = {p.node.name for p in flat.populations}
    assert names
    assert not any(name.endswith("_start") for name in names)
    for p in flat.populations:
        np.testing.assert_array_equal(p.potentials, p.thresholds // 2)
