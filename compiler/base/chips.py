"""What the cores of each chip hold: the table that placement reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import LegalizeError
from pinnir.base.registry import look_up


@dataclass(frozen=True)
class Chip:
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


LOIHI_1 = Chip(
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

LOIHI_2 = Chip(
    "loihi2",
    "Loihi 2: 128 cores, 1 M neurons (open-neuromorphic.org); 192 KB a core is unverified",
    cores_per_chip=128,
    neurons_per_core=8192,
    synapse_memory_bits=192 * 1024 * 8,
)
"""Neurons a core are 1 M / 128. Unverified: the synapse memory, and that a synapse of 8 bits takes
no more of it. Limits of axons were not found."""

SPINNAKER_1 = Chip(
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

SANAFE_LOIHI = Chip(
    "sanafe",
    "SANA-FE's model of Loihi 1: 32 tiles x 4 cores x 1024 neurons; limits nothing else",
    cores_per_chip=128,
    neurons_per_core=1024,
)
"""The simulator counts what synapses and axons cost, but lets a core hold any number of them."""

CHIPS: dict[str, Chip] = {chip.name: chip for chip in (LOIHI_1, LOIHI_2, SPINNAKER_1, SANAFE_LOIHI)}


def find_chip(name: str) -> Chip:
    """The chip of that name.

    Raises:
        LegalizeError: If there is none.
    """
    return look_up(CHIPS, name, "chip", LegalizeError)
