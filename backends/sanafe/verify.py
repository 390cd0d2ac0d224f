"""Run an export in SANA-FE's own process, and compare every spike with the oracle."""

from __future__ import annotations

import json

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.exported_parts import gathered
from pinnir.backends.recording import record
from pinnir.backends.sanafe.network import cores_of
from pinnir.backends.sanafe.write import expected_of, inputs_of, write
from pinnir.backends.verify import Comparison, Verification, run_exported
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program


def on_sanafe(program: Program, points: Array) -> Verification:
    """Simulate the chip on any points.

    Raises:
        BackendError: If SANA-FE is not installed, or fails.
    """
    environment = ENVIRONMENTS["sanafe"]
    environment.check()
    cores, records = cores_of(program), record(program, points)
    found = run_exported(environment, write(program), gathered(inputs_of, cores, records))
    comparison = Comparison.of("SANA-FE", gathered(expected_of, cores, records), found)
    costs = json.loads(found["costs"].item())
    return Verification("sanafe", comparison, _figures(program, costs))


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
