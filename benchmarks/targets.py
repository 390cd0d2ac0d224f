"""python -m benchmarks.targets: integers and targets, written to docs/targets.md.

What was measured is kept in docs/targets.json, and only what is missing is measured.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import pinnir
from benchmarks.common import DOCS, Case, own_cases, table, write_page
from pinnir import pipelines
from pinnir.errors import BackendError, LegalizeError
from pinnir.target import TARGETS, Integers
from pinnir.verification import VERIFIERS, verify

FILE = DOCS / "targets.json"
BITS = (4, 5, 6, 8, 10, 12, 16)
LEVELS, STEPS, UNITS = 256, 32, 4
POINTS = 64
PIPELINES = {
    "rate": pipelines.rate_refitted(STEPS, UNITS),
    "population": pipelines.population_refitted(LEVELS),
    "delta": pipelines.delta_refitted(LEVELS),
}


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


def measure_targets(case: Case) -> None:
    """Errors in floating point and in integers, and what running it elsewhere gave."""
    integers = TARGETS["c"].integers
    assert integers is not None
    for coding, plain in PIPELINES.items():
        key = f"targets/{case.name}/{coding}"
        known = load().get(key, {"runs": {}})
        missing = [name for name in VERIFIERS if name not in known["runs"]]
        if not missing:
            continue
        before = pinnir.compile(case.model, case.domain, pipeline=plain)
        after = pinnir.compile(
            case.model, case.domain, target="c", pipeline=pipelines.in_integers(plain, integers)
        )
        runs = known["runs"]
        for name in missing:
            try:
                report = verify(after, name, POINTS)
            except (BackendError, LegalizeError) as error:
                print(f"{key} on {name}: {error}", flush=True)
                continue
            found = report.comparison
            runs[name] = {"events": found.events, "differing": found.differing, **report.figures}
            print(f"{key} on {name}: {runs[name]}", flush=True)
        kept = ("rel_l2", "synops_per_mac", "energy_45nm_pj", "source_energy_45nm_pj",
                "neurons", "spikes_per_activation")  # fmt: skip
        told = {one: after.metrics[one] for one in kept}
        keep(key, {"float": before.metrics["rel_l2"], **told, "runs": runs})


def bits_table(found: dict[str, Any], names: list[str]) -> str:
    """Errors by bits, one row a network."""
    rows = []
    for name in names:
        plain = found[f"bits/{name}/float"]
        cells = [f"{plain:.2e}"]
        for bits in BITS:
            error = found[f"bits/{name}/{bits}"]
            cells.append(f"{error:.2e} ({error / plain:.2f})")
        rows.append([name, *cells])
    return table(["network", "floating point", *(f"{bits} bits" for bits in BITS)], rows)


def runs_table(found: dict[str, Any]) -> str:
    """What was compared where."""
    rows = []
    for key, one in found.items():
        kind, _, rest = key.partition("/")
        if kind != "targets":
            continue
        name, _, coding = rest.partition("/")
        for target, run in one["runs"].items():
            ratio = one["rel_l2"] / one["float"]
            rows.append([
                name, coding, target, f"{run['events']:,}", run["differing"],
                f"{one['float']:.2e}", f"{one['rel_l2']:.2e}", f"{ratio:.2f}",
                *(f"{run[part]:,}" if part in run else "" for part in
                  ("instructions", "instructions_plain", "flash_bytes", "ram_bytes")),
            ])  # fmt: skip
    return table(
        ["network", "coding", "run as", "events compared", "differ", "error, floating point",
         "error, integers", "ratio", "instructions", "of a plain network", "flash, bytes",
         "RAM, bytes"],
        rows,
    )  # fmt: skip


def energy_table(found: dict[str, Any]) -> str:
    """Energy at 45 nm, and where it breaks even."""
    rows = []
    for key, one in found.items():
        kind, _, rest = key.partition("/")
        if kind == "targets":
            ratio = one["energy_45nm_pj"] / one["source_energy_45nm_pj"]
            rows.append([
                *rest.split("/"), f"{one['neurons']:,}", f"{one['spikes_per_activation']:.2f}",
                f"{one['synops_per_mac']:.2f}", f"{ratio:.2f}", "wins" if ratio < 1 else "loses",
            ])  # fmt: skip
    return table(
        ["network", "coding", "units", "spikes per activation", "synaptic operations per MAC",
         "energy at 45 nm, network = 1", ""],
        rows,
    )  # fmt: skip


_HEAD = """# Targets

Written by `python -m benchmarks.targets`.

A target's integers come from two passes. `quantise-inputs` rounds what enters a core on the host.
`quantise` writes the staircase network in integers, layer after layer: every map is fitted anew to
what really arrives, and its weights are rounded so that its *sums* stay (GPTQ, Frantar et al.,
ICLR 2023, then moves of single weights). The activations of a network of few inputs vary together,
so what one weight loses others make up for, and few bits suffice. All codings execute the result
exactly, and the float64 oracle computes it exactly; so every target is compared event by event.
Weights, biases, thresholds and sums are checked against the target's bits for *any* input in range;
nothing wraps.

`pinnir compile --target c` searches programs in integers. `pinnir export OUT.nir --target c -o DIR`
writes them as C99 (integers only, no allocation, no library), with 16 points and what the oracle
says of them; `make check` there compiles with all warnings and sanitizers and compares.
`pinnir verify OUT.nir --target c` does so on any number of points, `--target cortex-m4` runs the
16 points on a Cortex-M4 under QEMU and counts instructions. Chips and their simulators:
[SANA-FE's Loihi and SpiNNaker](targets-chips.md), [Lava](targets-lava.md); other importers of NIR:
[stock NIR](nir_stock.md). `make test-targets` installs what all of them need and runs their tests.
"""

_BITS = f"""## Error by the bits of a weight

Population programs of {LEVELS} levels, uneven and refitted; inputs of 16 bits. In brackets the
ratio to floating point.
"""

_RUNS = f"""## What was run and compared

8-bit weights, 16-bit inputs. Rate: {STEPS} steps, {UNITS} units a neuron; population and delta:
{LEVELS} levels. Every event of every unit in every step is compared, on {POINTS} points on the
host and 16 on the Cortex-M4; outputs are equal as well wherever events are. Instructions are per
point, counted by the board's timer under QEMU: of population and rate programs on the 16 points, of
delta programs along a line of 256 points through the domain. A *plain network* is the same
integer network computed densely: every product, every level looked up by bisection.
"""

_ENERGY = """## Which programs win

On the 45 nm accounting (0.9 pJ a synaptic operation, 4.6 pJ a multiply-accumulate) a program wins
where its synaptic operations per multiply-accumulate, with what analog input costs, stay below 5.1.
A synapse fires once a spike, and a source neuron's multiply-accumulates are as many as its
synapses, so the break-even is about five spikes per activation, less where spikes fan out to
several units of a neuron. Delta programs are measured on 64 lines through the whole domain.
"""


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets")
    parser.add_argument("--page", action="store_true", help="only write the page")
    ask = parser.parse_args()
    cases = own_cases()
    if not ask.page:
        for case in cases:
            measure_bits(case)
            measure_targets(case)
    found = load()
    names = [case.name for case in cases]
    parts = [_BITS, bits_table(found, names), _RUNS, runs_table(found)]
    write_page("targets.md", _HEAD, *parts, _ENERGY, energy_table(found))


if __name__ == "__main__":
    main()
