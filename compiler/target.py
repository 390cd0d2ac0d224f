"""What each target can run: the table that legalisation reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pinnir.errors import LegalizeError


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
        soft_reset: Whether reset by subtraction exists.
        programmable: Whether neurons run programs of their own and keep state from one point to
            the next, as the codings need that have no NIR form.
        max_neurons: Most units of a program, or None.
    """

    name: str
    summary: str
    codings: tuple[str, ...]
    neurons: tuple[str, ...]
    signed_spikes: bool
    recurrent: bool
    soft_reset: bool
    programmable: bool = False
    max_neurons: int | None = None


_NIR = Target(
    name="nir",
    summary="plain NIR graph: Affine, Linear, Threshold, IF, LIF; float64 parameters",
    codings=("population", "rate"),
    neurons=("Threshold", "IF", "LIF"),
    signed_spikes=False,
    recurrent=True,
    soft_reset=True,
)
_NORSE = replace(_NIR, name="norse", summary="simulation with Norse's LIFBox cells in PyTorch")

_PROGRAMMABLE = replace(
    _NIR,
    name="programmable",
    summary="neurons that run programs of their own and keep state between points, beside NIR's",
    codings=("delta", "phase", "population", "rate"),
    neurons=(
        "Delta", "Phase", "Threshold", "IF", "LIF", "FitzHughNagumo", "Izhikevich",
        "HodgkinHuxley",
    ),
    signed_spikes=True,
    programmable=True,
)  # fmt: skip

TARGETS: dict[str, Target] = {
    target.name: target for target in (_NIR, _NORSE, _PROGRAMMABLE)
}  # fmt: skip


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        LegalizeError: If there is none.
    """
    if name not in TARGETS:
        raise LegalizeError("unknown target", node=name, hint=f"known are {', '.join(TARGETS)}")
    return TARGETS[name]
