"""What is compiled for every target, run there, and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pinnir
from benchmarks.common import DOCS, Case
from pinnir.backends.verify import verify
from pinnir.base.chips import LOIHI_1, LOIHI_2, SPINNAKER_1, Chip
from pinnir.base.targets import TARGETS, Integers
from pinnir.passes import pipelines
from pinnir.pipeline.manager import Passes
from pinnir.program.placing import place_program
from pinnir.program.program import Program
from pinnir.search.compile import prepare

FILE = DOCS / "targets.json"
BITS = (4, 5, 6, 8, 10, 12, 16)
LEVELS, STEPS, UNITS = 256, 32, 4
KEPT = (
    "rel_l2",
    "synops_per_mac",
    "energy_45nm_pj",
    "source_energy_45nm_pj",
    "neurons",
    "spikes_per_activation",
)


@dataclass(frozen=True)
class Run:
    """What is compiled for a target, and what runs it.

    Attributes:
        name: In the VERIFIERS table.
        target: In the TARGETS table.
        programs: By coding: time steps and units a neuron of rate programs, levels of others.
        points: That are run.
        chip: Whose cores are counted, where there is one, and how many chips.
    """

    name: str
    target: str
    programs: Mapping[str, tuple[int, ...]]
    points: int
    chip: tuple[Chip, int] | None = None

    def pipeline(self, coding: str) -> Passes:
        """In floating point."""
        size = self.programs[coding]
        if coding == "rate":
            return pipelines.rate_refitted(*size)
        if coding == "delta":
            return pipelines.delta_refitted(*size)
        return pipelines.population_refitted(*size)


_LARGE = {"rate": (STEPS, UNITS), "population": (LEVELS,), "delta": (LEVELS,)}
# A target is given as much as it holds: 24-bit states bound the steps of rate programs, cores the
# units, and SpiNNaker's 16-bit sums of a step the levels.
RUNS = (
    Run("c", "c", _LARGE, 64),
    Run("cortex-m4", "c", _LARGE, 16),
    Run(
        "lava",
        "lava",
        {"rate": (16, UNITS), "population": (LEVELS,), "delta": (LEVELS,)},
        16,
        (LOIHI_2, 1),
    ),
    Run("lava-stock", "lava-stock", {"rate": (8, 8)}, 16, (LOIHI_2, 1)),
    Run("lava-netx", "lava-stock", {"rate": (8, 8)}, 16, (LOIHI_2, 1)),
    Run("sanafe", "sanafe", {"rate": (STEPS, UNITS), "population": (64,)}, 16, (LOIHI_1, 1)),
    Run("spinnaker", "spinnaker", {"rate": (8, 16), "population": (49,)}, 16, (SPINNAKER_1, 48)),
    Run("nir-stock", "nir", {"rate": (STEPS, UNITS), "population": (LEVELS,)}, 16),
)


def load() -> dict[str, Any]:
    """What was measured before."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def keep(key: str, value: object) -> None:
    """Keep one measurement."""
    found = load() | {key: value}
    FILE.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def measure_bits(case: Case) -> None:
    """Error of a population program by the bits of its weights."""
    plain = pipelines.population_refitted(LEVELS)
    for bits in (None, *BITS):
        key = f"bits/{case.name}/{bits or 'float'}"
        if key not in load():
            integers = Integers(weight_bits=bits or 0, input_bits=16, state_bits=53)
            pipeline = pipelines.in_integers(plain, integers) if bits else plain
            program = pinnir.compile(case.model, case.domain, pipeline=pipeline)
            keep(key, program.metrics["rel_l2"])
            print(f"{key}: {program.metrics['rel_l2']:.3e}", flush=True)


def measure_run(case: Case, run: Run) -> None:
    """Errors in floating point and in the target's integers, and what running it there gave."""
    target = TARGETS[run.target]
    integers = target.integers
    for coding in run.programs:
        key = f"targets/{case.name}/{coding}/{run.name}"
        if key in load():
            continue
        whole = pipelines.for_target(run.pipeline(coding), target)
        program = pinnir.compile(case.model, case.domain, target=run.target, pipeline=whole)
        plain = pipelines.for_target(run.pipeline(coding), replace(target, integers=None))
        report = verify(program, run.name, run.points)
        keep(
            key,
            {
                **{name: program.metrics[name] for name in KEPT},
                "float": _error(case, run.target, plain),
                "bits": _bits(integers, coding),
                "size": run.programs[coding],
                "events": report.comparison.events,
                "differing": report.comparison.differing,
                **_held(program, run),
                **report.figures,
            },
        )
        print(f"{key}: {load()[key]}", flush=True)


def _error(case: Case, target: str, pipeline: Passes) -> float:
    """Against the network on evaluation points, also of neurons that the target has in integers."""
    job = prepare(case.model, case.domain, target)
    return job.errors(job.lower(pipeline), evaluation=True).told["rel_l2"]


def _bits(integers: Integers | None, coding: str) -> int | None:
    """Of a weight, with its sign; None in floating point."""
    if integers is None:
        return None
    return (coding == "rate" and integers.step_bits) or integers.weight_bits


def _held(program: Program, run: Run) -> dict[str, Any]:
    """Cores that the units take, and the memory of their synapses."""
    if run.chip is None:
        return {}
    chip, chips = run.chip
    placed, held = place_program(program, chip, chips)
    return {"cores": placed.used, "memory_bytes": int(held.memory.sum()) // 8}
