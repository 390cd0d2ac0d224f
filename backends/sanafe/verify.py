"""Run an export in SANA-FE's own process, and compare every spike with the oracle."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import Arrays, WrittenCore, packed
from pinnir.backends.recording import CoreRecord, record
from pinnir.backends.sanafe.network import Network
from pinnir.backends.sanafe.write import (
    expected_of,
    files_of,
    inputs_of,
    written_cores,
)
from pinnir.backends.verify import Comparison, Report
from pinnir.base.files import write_files
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program

_SECONDS = 3600


def on_sanafe(program: Program, points: Array) -> Report:
    """Simulate the chip on any points.

    Raises:
        BackendError: If SANA-FE is not installed, or fails.
    """
    environment = ENVIRONMENTS["sanafe"]
    environment.check()
    cores, records = written_cores(program), record(program, points)
    with tempfile.TemporaryDirectory(prefix="pinnir-sanafe-") as name:
        folder = Path(name)
        write_files(folder, files_of(program, cores))
        given: Arrays = {}
        for core, seen in zip(cores, records, strict=True):
            given |= inputs_of(core, seen, len(seen.inputs))
        (folder / "inputs.npz").write_bytes(packed(given))
        script = ["runner.py", "--inputs", "inputs.npz", "--output", "results.npz"]
        environment.run(script, folder, _SECONDS)
        with np.load(folder / "results.npz") as found:
            compared = [_compared(*both, found) for both in zip(cores, records, strict=True)]
            costs = json.loads(found["costs"].item())
    return Report("sanafe", Comparison.total(compared), _figures(program, costs))


def _compared(
    core: WrittenCore[Network], seen: CoreRecord, found: np.lib.npyio.NpzFile
) -> Comparison:
    wanted = expected_of(core, seen, len(seen.inputs))
    outputs = f"{core.name}/outputs"
    differing = {name: int((found[name] != value).sum()) for name, value in wanted.items()}
    return Comparison(
        sum(value.size for name, value in wanted.items() if name != outputs),
        sum(count for name, count in differing.items() if name != outputs),
        differing[outputs],
    )


def _figures(program: Program, costs: dict[str, dict[str, float]]) -> dict[str, float]:
    """What an inference takes: cores side by side, energies added, the slowest one's time.

    Those that begin with ``loihi1`` are SANA-FE's, by its constants of Loihi 1; those at 45 nm
    are the program's own, which count synapses before they were flattened.
    """
    told = list(costs.values())
    figures = {
        f"loihi1_energy_{name}_pj": sum(one[f"{name}_pj"] for one in told)
        for name in ("total", "synapse", "soma", "network")
    }
    figures["loihi1_latency_us"] = max(one["latency_us"] for one in told)
    figures["synops"] = sum(one["spikes"] for one in told)
    figures["updates"] = sum(one["neurons_updated"] for one in told)
    figures["chip_steps"] = max(one["chip_steps"] for one in told)
    figures["cores"] = sum(one["cores"] for one in told)
    names = ("energy_45nm_pj", "source_energy_45nm_pj")
    return figures | {name: program.metrics[name] for name in names if name in program.metrics}
