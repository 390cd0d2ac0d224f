"""Run an export in PyNN's own process, and compare every spike with the oracle."""

from __future__ import annotations

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import gathered
from pinnir.backends.pynn.network import cores_of
from pinnir.backends.pynn.write import expected_of, inputs_of, write
from pinnir.backends.recording import record
from pinnir.backends.verify import Comparison, Verification, run_exported
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

# Of outputs, which the simulator's process adds up in another order.
_ROUNDING = 1e-9


def on_brian2(program: Program, points: Array) -> Verification:
    """Simulate the membranes on any points, with PyNN on Brian2.

    The figures are the spikes of an inference, and how long it is in the simulator's time.

    Raises:
        BackendError: If PyNN is not installed, or fails.
    """
    environment = ENVIRONMENTS["pynn"]
    environment.check()
    cores, records = cores_of(program), record(program, points)
    found = run_exported(environment, write(program), gathered(inputs_of, cores, records))
    wanted = gathered(expected_of, cores, records)
    comparison = Comparison.of("PyNN", wanted, found, _ROUNDING)
    events = [seen.events[core.population] for core, seen in zip(cores, records, strict=True)]
    times = [core.steps * core.units.scheme.step for core in cores]
    figures = {"spikes": float(sum(one.sum() / len(one) for one in events)), "ms": max(times)}
    return Verification("pynn", comparison, figures)
