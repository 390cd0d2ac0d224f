"""A network's spikes, by the s16.15 model of its units and whatever synapses a machine holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.backends.spinnaker.neuron import TruncatedIF, ring
from pinnir.mapping.integer_cores import Whole


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
    units: Mapping[str, TruncatedIF],
    shifts: Mapping[str, tuple[int, int]],
    wires: Sequence[Wires],
    potentials: Mapping[str, Whole],
    steps: int,
) -> Trace:
    """Run populations.

    Args:
        units: By population.
        shifts: Left shifts of excitatory and inhibitory ring buffers, by population.
        wires: Between them.
        potentials: In step 0, ``(samples, units)`` by population.
        steps: How many.
    """
    v = {name: value.copy() for name, value in potentials.items()}
    timer = {name: np.zeros_like(value) for name, value in v.items()}
    samples = len(next(iter(v.values())))
    spikes = {name: np.zeros((samples, steps, x.shape[1]), np.int64) for name, x in v.items()}
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
            excitatory, inhibitory = (
                ring(total[name, kind], shift)
                for kind, shift in zip((True, False), shifts[name], strict=True)
            )
            fired, v[name], timer[name] = model.step(v[name], timer[name], excitatory, inhibitory)
            spikes[name][:, step] = fired
    return Trace(spikes, v)
