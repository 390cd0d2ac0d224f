"""Run an export in PyNN's own process, and compare every spike with the oracle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import Arrays, packed
from pinnir.backends.pynn.network import ConstantCore
from pinnir.backends.pynn.write import constant_cores, expected_of, files_of
from pinnir.backends.recording import record
from pinnir.backends.verify import Comparison, Report
from pinnir.base.files import write_files
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

_SECONDS = 3600
# Of outputs, which the simulator's process adds up in another order.
_ROUNDING = 1e-9


def on_brian2(program: Program, points: Array) -> Report:
    """Simulate the membranes on any points, with PyNN on Brian2.

    Raises:
        BackendError: If PyNN is not installed, or fails.
    """
    environment = ENVIRONMENTS["pynn"]
    environment.check()
    cores, given = constant_cores(program), Arrays()
    for core, seen in zip(cores, record(program, points), strict=True):
        given |= expected_of(core, seen)
    with tempfile.TemporaryDirectory(prefix="pinnir-pynn-") as name:
        folder = Path(name)
        write_files(folder, files_of(program, cores))
        inputs = {key: value for key, value in given.items() if key.endswith("/inputs")}
        (folder / "inputs.npz").write_bytes(packed(inputs))
        script = ["runner.py", "--inputs", "inputs.npz", "--output", "results.npz"]
        environment.run(script, folder, _SECONDS)
        with np.load(folder / "results.npz") as found:
            compared = [_compared(core, given, found) for core in cores]
    return Report("pynn", Comparison.total(compared), _figures(cores, given))


def _compared(core: ConstantCore, given: Arrays, found: np.lib.npyio.NpzFile) -> Comparison:
    events, outputs = (f"{core.name}/{kind}" for kind in ("events", "outputs"))
    near = np.isclose(found[outputs], given[outputs], rtol=_ROUNDING, atol=_ROUNDING)
    differing = int((found[events] != given[events]).sum())
    return Comparison(given[events].size, differing, int((~near).sum()))


def _figures(cores: list[ConstantCore], given: Arrays) -> dict[str, float]:
    """Spikes of an inference, and how long it is in the simulator's time."""
    events = [given[f"{core.name}/events"] for core in cores]
    times = [core.steps * core.units.scheme.step for core in cores]
    return {"spikes": float(sum(one.sum() / len(one) for one in events)), "ms": max(times)}
