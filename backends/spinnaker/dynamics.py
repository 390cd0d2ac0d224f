"""A network's spikes, by the s16.15 model of its units and whatever synapses a machine holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.backends.spinnaker.groups import SpinnakerNetwork
from pinnir.backends.spinnaker.neuron import TruncatedIF, ring
from pinnir.mapping.integer_cores import Whole
from pinnir.numerics.matrix import Array


@dataclass(frozen=True, eq=False)
class Wires:
    """Synapses of one receptor type from one population to another.

    Attributes:
        source: Population that fires.
        target: Population that listens.
        excitatory: Whether their weights count as positive.
        weight: Magnitudes, ``(target units, source units)``; 0 is no synapse.
        delay: Steps, same shape.
    """

    source: str
    target: str
    excitatory: bool
    weight: Whole
    delay: Whole


@dataclass(frozen=True, eq=False)
class Trace:
    """What populations did.

    Attributes:
        spikes: ``(samples, steps, units)`` by population.
        potentials: After the last step, ``(samples, units)`` by population.
    """

    spikes: dict[str, Whole]
    potentials: dict[str, Whole]


def simulate(
    network: SpinnakerNetwork,
    inputs: Array,
    units: Mapping[str, TruncatedIF],
    wires: Sequence[Wires],
) -> Trace:
    """Run the populations of a network.

    Args:
        network: Whose groups say potentials to begin with, and shifts of ring buffers.
        inputs: What enters, ``(samples, columns)``.
        units: By population.
        wires: Between them.
    """
    steps = network.steps
    shifts = {group.name: group.shift for group in network.groups}
    v = {group.name: group.potentials(inputs) for group in network.groups}
    timer = {name: np.zeros_like(value) for name, value in v.items()}
    spikes = {n: np.zeros((len(inputs), steps, x.shape[1]), np.int64) for n, x in v.items()}
    delayed = [
        (one, delay, np.where(one.delay == delay, one.weight, 0))
        for one in wires
        for delay in np.unique(one.delay[one.weight > 0])
    ]
    for step in range(steps):
        total = {(name, kind): np.zeros_like(v[name]) for name in v for kind in (True, False)}
        for one, delay, weight in delayed:
            if step >= delay:
                total[one.target, one.excitatory] += spikes[one.source][:, step - delay] @ weight.T
        for name, model in units.items():
            excitatory, inhibitory = (ring(total[name, k], shifts[name]) for k in (True, False))
            fired, v[name], timer[name] = model.step(v[name], timer[name], excitatory, inhibitory)
            spikes[name][:, step] = fired
    return Trace(spikes, v)
