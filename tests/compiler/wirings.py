"""Random wirings and chips, and what a placement holds and sends, counted unit by unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

from pinnir.base.chips import Chip
from pinnir.mapping.connectivity import Connectivity
from pinnir.numerics.matrix import Array


def wiring(seed: int, neurons: int, units: int, density: float, *, loops: bool) -> Connectivity:
    """Neurons of up to so many units each that hear earlier ones, or, with loops, any."""
    rng = np.random.default_rng(seed)
    neuron = np.repeat(np.arange(neurons), rng.integers(1, units, neurons, endpoint=True))
    heard = rng.random((neurons, neuron.size)) < density
    if not loops:
        heard &= neuron < np.arange(neurons)[:, None]
    return Connectivity(
        populations=(("all", neuron.size),),
        fan_in=csr_array(heard),
        row=neuron.astype(np.int64),
        neuron=neuron.astype(np.int64),
        read_out=rng.random(neuron.size) < 0.3,
    )


@st.composite
def wirings(draw: st.DrawFn) -> Connectivity:
    """Any small wiring."""
    return wiring(
        draw(st.integers(0, 10_000)),
        draw(st.integers(1, 12)),
        draw(st.integers(1, 6)),
        draw(st.sampled_from((0.0, 0.2, 0.6, 1.0))),
        loops=draw(st.booleans()),
    )


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    """A chip with some limits, most of them tight."""
    blocks: dict[str, Any] = draw(
        st.sampled_from(({}, {"block": 4, "header_bits": 3, "word_bits": 16}))
    )
    return Chip(
        "small",
        "a chip",
        cores_per_chip=draw(st.integers(1, 16)),
        neurons_per_core=draw(st.integers(2, 20)),
        synapse_memory_bits=draw(st.sampled_from((None, 400, 1600))),
        axons_in=draw(st.sampled_from((None, 10, 30))),
        axons_out=draw(st.sampled_from((None, 10, 40))),
        **blocks,
    )


def rates_of(wiring: Connectivity, seed: int = 0) -> Array:
    """Spikes per inference, multiples of 1/64, so that sums are exact."""
    return np.random.default_rng(seed).integers(0, 256, wiring.units) / 64


def counted(wiring: Connectivity, rates: Array, cores: Array, chip: Chip) -> dict[str, Any]:
    """Everything that ``occupancy`` says, from one unit, axon and spike after the other."""
    count, heard = int(cores.max(initial=-1)) + 1, wiring.fan_in.toarray()[wiring.row]
    found: dict[str, Any] = {
        name: np.zeros(count, int)
        for name in ("neurons", "synapses", "memory", "axons_in", "axons_out")
    }
    found |= {"traffic": np.zeros((count, count)), "local": 0.0}
    for core in cores:
        found["neurons"][core] += 1
    for source, home in enumerate(cores):
        for core in range(count):
            synapses = int(heard[cores == core, source].sum())
            found["synapses"][core] += synapses
            found["memory"][core] += bits(synapses, chip)
            if synapses:
                found["axons_in"][core] += 1
                found["axons_out"][home] += 1
                if core == home:
                    found["local"] += rates[source]
                else:
                    found["traffic"][home, core] += rates[source]
    found["read_out"] = sum(rates[unit] for unit in range(cores.size) if wiring.read_out[unit])
    return found


def bits(synapses: int, chip: Chip) -> int:
    """Memory of one axon, block by block."""
    total = 0
    while synapses:
        here = min(synapses, chip.block or synapses)
        own = here * chip.bits_per_synapse + chip.header_bits
        total += -(-own // chip.word_bits) * chip.word_bits
        synapses -= here
    return total
