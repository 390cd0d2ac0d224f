"""Run an export with Lava in its own environment, and compare every event with the oracle."""

from __future__ import annotations

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.export import Exporter
from pinnir.backends.exported_parts import gathered, hard_reset_errors
from pinnir.backends.lava.network import cores_of
from pinnir.backends.lava.stock_network import sums_of
from pinnir.backends.lava.write import (
    events_of,
    expected_of,
    inputs_of,
    write,
    write_netx,
    write_stock,
)
from pinnir.backends.recording import record
from pinnir.backends.verify import Comparison, Verification, run_exported
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

_SECONDS = 1800


def on_lava(program: Program, points: Array, tag: str = "fixed_pt") -> Verification:
    """Run our own processes on any points, and compare.

    Args:
        program: The program.
        points: ``(samples, columns)``.
        tag: Of the models, ``fixed_pt`` or ``floating_pt``.

    Raises:
        BackendError: If Lava is not installed, or fails.
    """
    environment = ENVIRONMENTS["lava"]
    environment.check()
    cores, records = cores_of(program), record(program, points)
    given = gathered(inputs_of, cores, records)
    found = run_exported(environment, write(program), given, "--tag", tag, seconds=_SECONDS)
    wanted = gathered(expected_of, cores, records)
    return Verification("lava", Comparison.of("Lava", wanted, found), {})


def on_lava_stock(program: Program, points: Array) -> Verification:
    """Run the fixed-point models of Lava's own neurons on any points, and compare.

    The figures are the relative L2 errors with soft reset, before it was replaced, and with hard
    reset.

    Raises:
        BackendError: If Lava is not installed, or fails.
        LegalizeError: If the program is not for these neurons.
    """
    return _decoded("lava-stock", "lava", write_stock, program, points)


def on_netx(program: Program, points: Array) -> Verification:
    """Load the netx files with lava-dl, run them, and compare; figures as of :func:`on_lava_stock`.

    Raises:
        BackendError: If Lava or lava-dl is not installed, or fails.
        LegalizeError: If the program is not for these neurons, or no chain of layers.
    """
    return _decoded("lava-netx", "lava-netx", write_netx, program, points)


def _decoded(
    target: str, name: str, write_folder: Exporter, program: Program, points: Array
) -> Verification:
    """Compare events, and what the host makes of those that leave."""
    environment = ENVIRONMENTS[name]
    environment.check()
    contents = write_folder(program)
    cores, records = cores_of(program, "lava-stock"), record(program, points)
    given = gathered(inputs_of, cores, records)
    found = run_exported(environment, contents, given, seconds=_SECONDS)
    for core, seen in zip(cores, records, strict=True):
        events = {name: found[f"{core.prefix}{name}"] for name in events_of(core, seen)}
        inputs = given[f"{core.prefix}inputs"]
        found[f"{core.prefix}outputs"] = sums_of(core, inputs, events)
    comparison = Comparison.of("Lava", gathered(expected_of, cores, records), found)
    return Verification(target, comparison, hard_reset_errors(program))
