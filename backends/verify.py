"""verify(): run what a target would run, and compare every event with the oracle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinnir.backends.environments import Environment
from pinnir.backends.exported_parts import Arrays, packed
from pinnir.backends.recording import probe_points
from pinnir.base.errors import BackendError, PinnirError, VerificationError
from pinnir.base.files import write_files
from pinnir.base.registry import imported
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# (program, points) -> what was compared
Verifier = Callable[[Program, Array], "Verification"]

VERIFIERS: dict[str, str] = {
    "nir-stock": "pinnir.backends.nir.verify:in_readers",
    "c": "pinnir.backends.c.verify:on_host",
    "cortex-m4": "pinnir.backends.c.verify:on_cortex_m4",
    "lava": "pinnir.backends.lava.verify:on_lava",
    "lava-stock": "pinnir.backends.lava.verify:on_lava_stock",
    "lava-netx": "pinnir.backends.lava.verify:on_netx",
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
    def of(cls, target: str, wanted: Arrays, found: Arrays, rounding: float = 0.0) -> Comparison:
        """Compare arrays by name, those of outputs have names that end with ``outputs``.

        Args:
            target: What it is called in the message.
            wanted: The oracle's.
            found: The target's.
            rounding: By how much outputs may differ, relative and absolute.

        Raises:
            BackendError: If an array has another shape.
        """
        events = differing = outputs = 0
        for name, values in wanted.items():
            given = found[name]
            if given.shape != values.shape:
                raise BackendError(f"{target} gave {name} as {given.shape}, not {values.shape}")
            wrong = given != values
            if name.endswith("outputs"):
                if rounding:
                    wrong = ~np.isclose(given, values, rtol=rounding, atol=rounding)
                outputs += int(wrong.sum())
            else:
                events += values.size
                differing += int(wrong.sum())
        return cls(events, differing, outputs)

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
class Verification:
    """What a verification found.

    Attributes:
        target: What ran.
        comparison: With the oracle.
        figures: What else was measured there, by name.
    """

    target: str
    comparison: Comparison
    figures: Mapping[str, float]


def run_exported(
    environment: Environment,
    contents: Mapping[str, bytes],
    given: Arrays,
    *options: str,
    seconds: int = 3600,
) -> Arrays:
    """Run ``runner.py`` of an exported folder in the environment that it needs.

    Args:
        environment: The environment.
        contents: The folder's files by name.
        given: What enters the cores, in place of the folder's own ``samples.npz``.
        options: Of the runner.
        seconds: How long it may take.

    Returns:
        The arrays that it wrote.

    Raises:
        BackendError: If the environment is missing, or the runner fails.
    """
    with tempfile.TemporaryDirectory(prefix=f"pinnir-{environment.name}-") as name:
        folder = Path(name)
        write_files(folder, {**contents, "samples.npz": packed(given)})
        environment.run(["runner.py", *options, "--output", "found.npz"], folder, seconds)
        with np.load(folder / "found.npz") as found:
            return dict(found)


def verify(program: Program, target: str, points: int) -> Verification:
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
        known = f"known are {', '.join(VERIFIERS)}"
        raise PinnirError("nothing runs it", node=target, op="target", hint=known)
    verifier: Verifier = imported(VERIFIERS[target])
    verification = verifier(program, probe_points(program, points))
    found = verification.comparison
    if not found.equal:
        raise VerificationError(
            f"{found.differing} of {found.events} events and {found.outputs} outputs differ from "
            "the oracle's",
            node=target,
            op="target",
            hint="this is a bug in pinnir; report it with the program file",
        )
    return verification
