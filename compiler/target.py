"""What each target can run: the table that legalisation reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pinnir.errors import LegalizeError
from pinnir.registry import look_up


@dataclass(frozen=True)
class Integers:
    """The integers that a target computes with, all of them with a sign.

    Attributes:
        weight_bits: Of a synapse's weight.
        input_bits: Of a value that enters.
        state_bits: Of sums and membrane potentials.
        lateral_bits: Of what synapses between units of one layer add up to, times a power of two;
            None if they are as wide as sums.
        powers: Whether weights of spikes may be times a power of two.
        step_bits: Of what synapses bring to an integrate-and-fire unit in one step, of each sign,
            and so of the weights of such units; None if only ``weight_bits`` and ``state_bits``
            bound it.
    """

    weight_bits: int
    input_bits: int
    state_bits: int
    lateral_bits: int | None = None
    step_bits: int | None = None
    powers: bool = True

    def entering_bits(self, steps: int) -> int:
        """Bits of what enters a core of so many steps: its currents add up in the state.

        Three bits are left for several inputs and a bias.
        """
        grown = max(0, steps - 1).bit_length()
        return max(2, min(self.input_bits, self.state_bits - self.weight_bits - 3 - grown))


@dataclass(frozen=True)
class Target:
    """Capabilities of a target.

    Attributes:
        name: As the command line spells it.
        summary: One line for listings.
        codings: Codings it can run, cheapest first.
        neurons: Neuron models it can run, by class name.
        signed_spikes: Whether a unit may fire -1.
        recurrent: Whether a population may feed itself, one step later.
        soft_reset: Whether reset by subtraction exists; where it does not, ``hard-reset`` sets
            units back to zero.
        floor: Whether the potential of units that reset to zero never lies below it.
        programmable: Whether neurons run programs of their own and keep state from one point to
            the next, as the codings need that have no NIR form.
        max_neurons: Most units of a program, or None.
        integers: What it computes with, or None for floating point.
    """

    name: str
    summary: str
    codings: tuple[str, ...]
    neurons: tuple[str, ...]
    signed_spikes: bool
    recurrent: bool
    soft_reset: bool
    floor: bool = False
    programmable: bool = False
    max_neurons: int | None = None
    integers: Integers | None = None


_NIR = Target(
    name="nir",
    summary="plain NIR graph: Affine, Linear, Threshold, IF, LIF; float64 parameters",
    codings=("population", "rate"),
    neurons=("Threshold", "IF", "LIF", "HardResetIF"),
    signed_spikes=False,
    recurrent=True,
    soft_reset=True,
)
_NORSE = replace(_NIR, name="norse", summary="simulation with Norse's LIFBox cells in PyTorch")

_PROGRAMMABLE = replace(
    _NIR,
    name="programmable",
    summary="neurons that run programs of their own and keep state between points, beside NIR's",
    codings=("delta", "phase", "signgd", "population", "rate"),
    neurons=(
        "Delta", "Phase", "SignGradient", "Threshold", "IF", "LIF", "FitzHughNagumo", "Izhikevich",
        "HodgkinHuxley",
    ),
    programmable=True,
)  # fmt: skip

# Differences of sums must fit as well, so one bit of 32 stays free.
_C = replace(
    _PROGRAMMABLE,
    name="c",
    summary="C99 for microcontrollers: integers only, 8-bit weights, 32-bit sums",
    codings=("delta", "population", "rate"),
    neurons=("Delta", "Threshold", "IF"),
    integers=Integers(weight_bits=8, input_bits=16, state_bits=31),
)

_LAVA = replace(
    _C,
    name="lava",
    summary="Lava processes, as for Loihi 2: integers only, 8-bit weights, 24-bit state",
    signed_spikes=False,
    integers=Integers(weight_bits=8, input_bits=12, state_bits=24),
)

# Of 24 bits of a potential, Lava's LIF shifts what arrives by six.
_LAVA_STOCK = replace(
    _LAVA,
    name="lava-stock",
    summary="Lava's own Dense and LIF: hard reset, 8-bit weights, 18-bit state",
    codings=("rate",),
    neurons=("HardResetIF",),
    recurrent=False,
    soft_reset=False,
    programmable=False,
    integers=Integers(weight_bits=8, input_bits=10, state_bits=18, powers=False),
)

# A potential is kept in 64ths of a 32-bit integer, and written in units of 1/32.
_SANAFE = replace(
    _NIR,
    name="sanafe",
    summary="SANA-FE's model of Loihi: 8-bit weights, 14-bit inputs, 30-bit sums",
    neurons=("Threshold", "IF"),
    max_neurons=128 * 1024,
    integers=Integers(weight_bits=8, input_bits=14, state_bits=30),
)

# Its integrate-and-fire units reset hard and have a floor; memoryless units do not mind. Weights
# have 16 bits, but so has the sum of all that reach a unit in one step; for population programs
# that bounds levels times inputs, and narrow weights leave more of them.
_SPINNAKER = replace(
    _NIR,
    name="spinnaker",
    summary="SpiNNaker through sPyNNaker: 6-bit weights, whose sums of a step have 16 bits",
    codings=("population", "rate"),
    neurons=("Threshold", "FlooredIF"),
    soft_reset=False,
    floor=True,
    integers=Integers(weight_bits=6, input_bits=16, state_bits=30, lateral_bits=14, step_bits=16),
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (_NIR, _NORSE, _PROGRAMMABLE, _C, _LAVA, _LAVA_STOCK, _SANAFE, _SPINNAKER)
}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        LegalizeError: If there is none.
    """
    return look_up(TARGETS, name, "target", LegalizeError)


@dataclass(frozen=True)
class Cores:
    """Limits of the cores of a chip; None where there is no such limit, or none is published.

    Attributes:
        name: As the command line spells it.
        summary: One line for listings, with the sources of the numbers.
        cores_per_chip: Cores that run neurons.
        neurons_per_core: Most units on a core.
        synapse_memory_bits: Memory of a core for its synapses.
        bits_per_synapse: Of one synapse in it.
        axons_in: Most units, on any core, that the units of a core hear.
        axons_out: Most pairs of a unit of a core and a core that hears it.
        block: Most synapses of one axon that share a header; None means there are no headers.
        header_bits: Bits of a header.
        word_bits: A header and its synapses take whole words of so many bits.
    """

    name: str
    summary: str
    cores_per_chip: int
    neurons_per_core: int
    synapse_memory_bits: int | None = None
    bits_per_synapse: int = 8
    axons_in: int | None = None
    axons_out: int | None = None
    block: int | None = None
    header_bits: int = 0
    word_bits: int = 1

    def memory(self, synapses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bits that axons of so many ``synapses`` each take in a core, any shape."""
        if self.block is None:
            return self._words(synapses)
        whole, rest = np.divmod(synapses, self.block)
        full = int(self._words(np.int64(self.block)))
        return whole * full + np.where(rest > 0, self._words(rest), 0)

    def _words(self, synapses: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
        bits = synapses * self.bits_per_synapse + self.header_bits
        return np.asarray(-(-bits // self.word_bits) * self.word_bits, np.int64)


LOIHI_1 = Cores(
    "loihi1",
    "Loihi 1: limits and synapse format of nengo-loihi (block.py), dense synapses of 8 bits",
    cores_per_chip=128,
    neurons_per_core=1024,
    synapse_memory_bits=16384 * 64,
    axons_in=4096,
    axons_out=4096,
    block=64,
    header_bits=10,
    word_bits=64,
)
"""Its 128 x 1 Mbit are the 130 M synapses of 1 bit that Intel gives for a chip. Synapses without
indices: in the sparse format every synapse takes index bits as well."""

LOIHI_2 = Cores(
    "loihi2",
    "Loihi 2: 128 cores, 1 M neurons (open-neuromorphic.org); 192 KB a core is unverified",
    cores_per_chip=128,
    neurons_per_core=8192,
    synapse_memory_bits=192 * 1024 * 8,
)
"""Neurons a core are 1 M / 128. Unverified: the synapse memory, and that a synapse of 8 bits takes
no more of it. Limits of axons were not found."""

SPINNAKER_1 = Cores(
    "spinnaker1",
    "SpiNNaker 1: 256 neurons a core (sPyNNaker 7); 17 cores and their SDRAM are unverified",
    cores_per_chip=17,
    neurons_per_core=256,
    synapse_memory_bits=128 * 2**20 * 8 // 17,
    bits_per_synapse=32,
)
"""Synapses are words of 32 bits, as sPyNNaker's memory image shows. Unverified: that of 18 cores
one is the monitor, and the chip's 128 MB of memory, of which a core is given an equal share.
Packets are multicast by the router, so axons have no limit a core; the router's 1023 entries are
not counted."""

SANAFE_LOIHI = Cores(
    "sanafe",
    "SANA-FE's model of Loihi 1: 32 tiles x 4 cores x 1024 neurons; limits nothing else",
    cores_per_chip=128,
    neurons_per_core=1024,
)
"""The simulator counts what synapses and axons cost, but lets a core hold any number of them."""

CHIPS: dict[str, Cores] = {
    chip.name: chip for chip in (LOIHI_1, LOIHI_2, SPINNAKER_1, SANAFE_LOIHI)
}  # fmt: skip


def find_chip(name: str) -> Cores:
    """The chip of that name.

    Raises:
        LegalizeError: If there is none.
    """
    return look_up(CHIPS, name, "chip", LegalizeError)
