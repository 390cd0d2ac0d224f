"""Run Lava's own neurons, and compare every event with the oracle."""

from __future__ import annotations

from dataclasses import replace

from pinnir.backends.lava.environment import interpreter
from pinnir.backends.lava.run import compared, run_export
from pinnir.backends.lava.stock_write import events_of, sums_of, write
from pinnir.backends.lava.write import chip_cores, entering
from pinnir.backends.parts import hard_reset_errors, sums_that_leave
from pinnir.integers import Whole
from pinnir.ir import Array
from pinnir.program import Program
from pinnir.recording import record
from pinnir.verification import Report


def on_lava(program: Program, points: Array) -> Report:
    """Run the fixed-point models on any points, and compare.

    The report's figures are the relative L2 errors with soft reset, before it was replaced, and
    with hard reset.

    Raises:
        BackendError: If Lava is not installed, or fails.
        LegalizeError: If the program is not for these neurons.
    """
    python = interpreter()
    pairs = list(zip(chip_cores(program, "lava-stock"), record(program, points), strict=True))
    samples: dict[str, Whole] = {}
    expected: dict[str, Whole] = {}
    for core, seen in pairs:
        samples[f"{core.label}.inputs"] = entering(seen)
        expected |= {f"{core.label}.{name}": x for name, x in events_of(core, seen).items()}
    found = run_export(python, write(program), samples, "fixed_pt")
    report = Report("lava-stock", compared(expected, found), hard_reset_errors(program))
    outputs = 0
    for core, seen in pairs:
        events = {name: found[f"{core.label}.{name}"] for name in events_of(core, seen)}
        sums = sums_of(core, entering(seen), events)
        outputs += int((sums != sums_that_leave(core.whole, seen)).sum())
    return replace(report, comparison=replace(report.comparison, outputs=outputs))
