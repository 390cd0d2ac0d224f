"""What each target can run: the table that legalisation reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pinnir.base.errors import LegalizeError
from pinnir.base.registry import look_up


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
        "Delta",
        "Phase",
        "SignGradient",
        "Threshold",
        "IF",
        "LIF",
        "FitzHughNagumo",
        "Izhikevich",
        "HodgkinHuxley",
    ),
    programmable=True,
)

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
