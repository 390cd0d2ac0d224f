"""Run Lava's own neurons, built by our runner or by netx, and compare every event."""

from __future__ import annotations

from dataclasses import replace

from pinnir.backends.environments import ENVIRONMENTS, Environment
from pinnir.backends.exported_parts import hard_reset_errors, sums_that_leave
from pinnir.backends.lava.netx_write import write as write_netx
from pinnir.backends.lava.stock_write import sums_of, write
from pinnir.backends.lava.verify import compared, run_export
from pinnir.backends.lava.write import by_name, chip_cores, entering, events_of, inputs_of
from pinnir.backends.recording import record
from pinnir.backends.verify import Comparison, Report
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program


def on_lava(program: Program, points: Array) -> Report:
    """Run the fixed-point models on any points, and compare.

    The report's figures are the relative L2 errors with soft reset, before it was replaced, and
    with hard reset.

    Raises:
        BackendError: If Lava is not installed, or fails.
        LegalizeError: If the program is not for these neurons.
    """
    environment = ENVIRONMENTS["lava"]
    environment.check()
    found = _compared(program, points, environment, write(program))
    return Report("lava-stock", found, hard_reset_errors(program))


def on_netx(program: Program, points: Array) -> Report:
    """Load the netx files with lava-dl, run them, and compare; figures as of :func:`on_lava`.

    Raises:
        BackendError: If Lava or lava-dl is not installed, or fails.
        LegalizeError: If the program is not for these neurons, or no chain of layers.
    """
    environment = ENVIRONMENTS["lava-netx"]
    environment.check()
    found = _compared(program, points, environment, write_netx(program))
    return Report("lava-netx", found, hard_reset_errors(program))


def _compared(
    program: Program, points: Array, environment: Environment, contents: dict[str, bytes]
) -> Comparison:
    """Events of an export against the oracle's, and what the host makes of them."""
    pairs = list(zip(chip_cores(program, "lava-stock"), record(program, points), strict=True))
    found = run_export(environment, contents, by_name(pairs, inputs_of), "fixed_pt")
    outputs = 0
    for core, seen in pairs:
        events = {name: found[f"{core.label}.{name}"] for name in events_of(core, seen)}
        sums = sums_of(core, entering(seen), events)
        outputs += int((sums != sums_that_leave(core.whole, seen)).sum())
    return replace(compared(by_name(pairs, events_of), found), outputs=outputs)
