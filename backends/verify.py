"""verify(): run what a target would run, and compare every event with the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pinnir.backends.recording import probe_points
from pinnir.base.errors import PinnirError, VerificationError
from pinnir.base.registry import imported
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# (program, points) -> what was compared
Verifier = Callable[[Program, Array], "Report"]

VERIFIERS: dict[str, str] = {
    "nir-stock": "pinnir.backends.nir.verify:in_readers",
    "c": "pinnir.backends.c.verify:on_host",
    "cortex-m4": "pinnir.backends.c.verify:on_cortex_m4",
    "lava": "pinnir.backends.lava.verify:on_lava",
    "lava-stock": "pinnir.backends.lava.stock_verify:on_lava",
    "lava-netx": "pinnir.backends.lava.stock_verify:on_netx",
    "pynn": "pinnir.backends.pynn.verify:on_brian2",
    "sanafe": "pinnir.backends.sanafe.verify:on_sanafe",
    "spinnaker": "pinnir.backends.spinnaker.verify:on_virtual_board",
}


@dataclass(frozen=True)
class Comparison:
    """Events and outputs against the oracle's.

    Attributes:
        events: How many were compared: every unit's in every step at every point.
        differing: How many of them differ.
        outputs: How many outputs differ.
    """

    events: int
    differing: int
    outputs: int

    @classmethod
    def total(cls, found: Iterable[Comparison]) -> Comparison:
        """Several as one."""
        rows = [(one.events, one.differing, one.outputs) for one in found]
        return cls(*(sum(column) for column in zip(*rows, strict=True)))

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.differing or self.outputs)


@dataclass(frozen=True)
class Report:
    """What a verification found.

    Attributes:
        target: What ran.
        comparison: With the oracle.
        figures: What else was measured there, by name.
    """

    target: str
    comparison: Comparison
    figures: Mapping[str, float]


def verify(program: Program, target: str, points: int) -> Report:
    """Write, build and run a program's export, and compare it with the oracle.

    Args:
        program: What to verify.
        target: Name in the VERIFIERS table.
        points: On how many points of the domain, where the target takes any.

    Raises:
        PinnirError: If there is no such target, or the program has no form there.
        BackendError: If the target's tools are not installed, or fail.
        VerificationError: If an event or an output differs.
    """
    if target not in VERIFIERS:
        raise PinnirError("nothing runs it", node=target, op="target",
                          hint=f"known are {', '.join(VERIFIERS)}")  # fmt: skip
    verifier: Verifier = imported(VERIFIERS[target])
    report = verifier(program, probe_points(program, points))
    found = report.comparison
    if not found.equal:
        raise VerificationError(
            f"{found.differing} of {found.events} events and {found.outputs} outputs differ from "
            "the oracle's",
            node=target,
            op="target",
            hint="this is a bug in pinnir; report it with the program file",
        )
    return report
