"""How a real number travels as spikes: a file and a line of the table each; no pass is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.base.registry import imported, look_up

if TYPE_CHECKING:
    from pinnir.base.targets import Target
    from pinnir.codings.coding import Coding

CODINGS: dict[str, str] = {
    "population": "pinnir.codings.population:PopulationCoding",
    "rate": "pinnir.codings.rate:RateCoding",
    "phase": "pinnir.codings.phase:PhaseCoding",
    "delta": "pinnir.codings.delta:DeltaCoding",
    "signgd": "pinnir.codings.signgd:SignGradientCoding",
}


def find_coding(name: str) -> type[Coding]:
    """The coding of that name, imported on demand.

    Raises:
        PipelineError: If there is none.
    """
    found: type[Coding] = imported(look_up(CODINGS, name, "coding", PipelineError))
    return found


def check_programmable(coding: str, target: Target, *, node: str = "", op: str = "") -> None:
    """Find out whether a target's neurons can do what a coding needs.

    Raises:
        LegalizeError: If it needs programmable neurons and there are none; of this node.
    """
    needed = find_coding(coding).neurons_must if coding in CODINGS else ""
    if needed and not target.programmable:
        raise LegalizeError(
            f"{coding} coding needs neurons that {needed}, and target {target.name} "
            "has no programmable neurons",
            node=node,
            op=op,
            hint="compile with --target programmable, or with another --coding",
        )
