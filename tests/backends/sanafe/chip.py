"""The rules of SANA-FE's Loihi, as its documentation and ``loihi.yaml`` give them, in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pinnir.backends.sanafe.network import UNIT, LoihiNetwork, SomaGroup
from pinnir.numerics.matrix import Array


@dataclass
class Chip:
    """One inference of a network, step by step.

    Attributes:
        network: What runs.
        spikes: Of every group, a row for each step of the chip.
        synops: Spikes times synapses.
        updates: Somas that had a potential, an input or a bias.
        accesses: Somas visited: all of them in every step.
    """

    network: LoihiNetwork
    spikes: dict[str, list[Array]] = field(default_factory=dict)
    synops: int = 0
    updates: int = 0
    accesses: int = 0

    def run(self, inputs: Array) -> Array:
        """Run one input ``(columns,)``; the sums that leave."""
        groups = self.network.groups
        self.spikes = {group.name: [] for group in groups}
        potential = {group.name: np.zeros(group.units) for group in groups}
        bias = {group.name: np.zeros(group.units) for group in groups}
        for step in range(self.network.steps):
            for group in groups:
                if step == group.begin:
                    potential[group.name] = group.potential * UNIT
                    bias[group.name] = (group.bias + group.from_input @ inputs) * UNIT
                elif step == group.begin + group.steps:
                    potential[group.name][:] = bias[group.name][:] = 0.0
            for group in groups:
                v = potential[group.name]
                arriving, reached = self._arriving(group, step)
                self.updates += int(((v != 0) | reached | (bias[group.name] != 0)).sum())
                self.accesses += group.units
                v[:] = np.trunc(v * group.decay * 64) / 64 + (bias[group.name] + arriving)
                threshold = group.threshold * UNIT
                fired = v > threshold
                if group.reset == "soft":
                    v -= threshold * fired
                self.spikes[group.name].append(fired.astype(np.int8))
        for one in self.network.projections:
            fired = np.sum(self.spikes[one.source], axis=0)
            self.synops += int(np.count_nonzero(one.weight, axis=0) @ fired)
        return np.asarray(potential["sums"] / UNIT)

    def events(self, group: SomaGroup) -> Array:
        """Spikes of a population's own steps, ``(steps, units)``."""
        return np.array(self.spikes[group.name])[group.begin : group.begin + group.steps]

    def _arriving(self, group: SomaGroup, step: int) -> tuple[Array, Array]:
        total, reached = np.zeros(group.units), np.zeros(group.units, bool)
        for one in self.network.projections:
            sent = step - one.delay
            if one.target == group.name and sent >= 0:
                fired = self.spikes[one.source][sent]
                total += one.weight @ fired * UNIT
                reached |= (one.weight[:, fired == 1] != 0).any(axis=1)
        return total, reached
