"""The page: ``docs/targets.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from benchmarks.common import table, write_page
from benchmarks.targets.measure import BITS, LEVELS, RUNS
from pinnir.metrics.spikes import MAC_PJ

# Of one synaptic operation, by SANA-FE's constants of Loihi 1.
LOIHI_SYNOP_PJ = 35.5
# Network, coding and target, and what was measured.
Row: TypeAlias = tuple[tuple[str, str, str], dict[str, Any]]


def write(found: dict[str, Any], names: list[str]) -> None:
    """Write the page from what was measured."""
    rows = list(_runs(found))
    parts = [
        _BITS,
        bits_table(found, names),
        _RUNS,
        runs_table(rows),
        _HELD,
        held_table(rows),
        _INSTRUCTIONS,
        instructions_table(rows),
        _LOIHI,
        loihi_table(rows),
        _ENERGY,
        energy_table(rows),
    ]
    write_page("targets.md", _HEAD, *parts)


def _runs(found: dict[str, Any]) -> Iterator[Row]:
    """Network, coding and target with what was measured; targets in the order of RUNS."""
    order = [run.name for run in RUNS]
    keys = [tuple(key.split("/")[1:]) for key in found if key.startswith("targets/")]
    for name, coding, target in sorted(keys, key=lambda key: (order.index(key[2]), key)):
        yield (name, coding, target), found[f"targets/{name}/{coding}/{target}"]


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


def runs_table(rows: list[Row]) -> str:
    """What was compared where, and what integers cost."""
    return table(
        [
            "network",
            "coding",
            "size",
            "run as",
            "bits of a weight",
            "events compared",
            "differ",
            "error, floating point",
            "error, as run",
            "ratio",
        ],
        [
            [
                name,
                coding,
                _size(coding, one["size"]),
                target,
                one["bits"] or "float64",
                f"{one['events']:,}",
                one["differing"],
                f"{one['float']:.2e}",
                f"{one['rel_l2']:.2e}",
                f"{one['rel_l2'] / one['float']:.2f}",
            ]
            for (name, coding, target), one in rows
        ],
    )


def _size(coding: str, size: list[int]) -> str:
    if coding == "rate":
        return "{} steps, {} units".format(*size)
    return f"{size[0]} levels"


def held_table(rows: list[Row]) -> str:
    """Units, cores and memory."""
    chips = {run.name: run.chip for run in RUNS}
    shown = []
    for (name, coding, target), one in rows:
        chip = chips[target]
        if chip is not None:
            limits, count = chip
            board = limits.name if count == 1 else f"{count} x {limits.name}"
            # sPyNNaker says itself how many cores it maps to.
            cores = int(one.get("image_cores", one["cores"]))
            shown.append(
                [
                    name,
                    coding,
                    target,
                    f"{one['neurons']:,}",
                    board,
                    f"{cores:,}",
                    f"{one['memory_bytes']:,}",
                ]
            )
    return table(
        ["network", "coding", "run as", "units", "chip", "cores", "synapses, bytes"], shown
    )


def instructions_table(rows: list[Row]) -> str:
    """Flash, memory and instructions of the microcontroller."""
    columns = ("instructions", "instructions_plain", "flash_bytes", "ram_bytes")
    return table(
        ["network", "coding", "instructions", "of a plain network", "flash, bytes", "RAM, bytes"],
        [
            [name, coding, *(f"{one[column]:,}" if column in one else "" for column in columns)]
            for (name, coding, target), one in rows
            if target == "cortex-m4"
        ],
    )


def loihi_table(rows: list[Row]) -> str:
    """Energy and time by SANA-FE, beside the network's multiply-accumulates there."""
    shown = []
    for (name, coding, target), one in rows:
        if target == "sanafe":
            macs = one["source_energy_45nm_pj"] / MAC_PJ
            total, network = one["loihi1_energy_total_pj"], macs * LOIHI_SYNOP_PJ
            synapses = one["loihi1_energy_synapse_pj"] / total
            shown.append(
                [
                    name,
                    coding,
                    f"{one['synops']:,.0f}",
                    f"{total / 1e6:.1f}",
                    f"{synapses:.0%}",
                    f"{one['loihi1_latency_us'] / 1e3:.2f}",
                    f"{network / 1e6:.3f}",
                    f"{total / network:.0f}",
                ]
            )
    return table(
        [
            "network",
            "coding",
            "synaptic operations",
            "energy, µJ",
            "of it synapses",
            "time, ms",
            "network, µJ",
            "ratio",
        ],
        shown,
    )


def energy_table(rows: list[Row]) -> str:
    """Energy at 45 nm, and where it breaks even."""
    shown = []
    for (name, coding, target), one in rows:
        if target == "cortex-m4":  # runs the programs of c
            continue
        ratio = one["energy_45nm_pj"] / one["source_energy_45nm_pj"]
        shown.append(
            [
                name,
                coding,
                target,
                f"{one['spikes_per_activation']:.2f}",
                f"{one['synops_per_mac']:.2f}",
                f"{one['energy_45nm_pj'] / 1e6:.4f}",
                f"{one['source_energy_45nm_pj'] / 1e6:.4f}",
                f"{ratio:.2f}",
                "wins" if ratio < 1 else "loses",
            ]
        )
    return table(
        [
            "network",
            "coding",
            "compiled for",
            "spikes per activation",
            "synaptic operations per MAC",
            "program, µJ",
            "network, µJ",
            "ratio",
            "",
        ],
        shown,
    )


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
Everything below is simulated or emulated; no chip has run it.
"""

_BITS = f"""## Error by the bits of a weight

Population programs of {LEVELS} levels, uneven and refitted; inputs of 16 bits. In brackets the
ratio to floating point.
"""

_RUNS = """## What was run and compared

Rate programs are of so many steps and units a neuron, population and delta programs of so many
levels, uneven and refitted: what each target holds. Every event of every unit in every step is
compared, on 64 points for `c` and 16 for the others; outputs are equal as well wherever events are.
*Error* is relative L2 against the source network on evaluation points. Lava's own neurons
(`lava-stock`, and the same from `netx` files) and SpiNNaker's rate programs reset to zero, in
floating point as well; what that costs is in [targets-lava.md](targets-lava.md) and
[targets-chips.md](targets-chips.md). NIR's stock readers compute in floating point, and events in
both of them count.
"""

_HELD = """## Units, cores and memory

Memory, and Loihi's cores, by the pass `place`, under the limits of [placement.md](placement.md):
synapses are flattened, what enters and what leaves is the host's. On Loihi 1 one core more adds up
the outputs. SpiNNaker's cores are those that sPyNNaker maps to.
"""

_INSTRUCTIONS = """## On a microcontroller

A Cortex-M4 under QEMU; instructions are per point, counted by the board's timer: of population and
rate programs on the 16 points, of delta programs along a line of 256 points through the domain. A
*plain network* is the same integer network computed densely: every product, every level looked up
by bisection.
"""

_LOIHI = f"""## On Loihi, by SANA-FE

Energy and time of an inference by SANA-FE's constants of Loihi 1. *Network* is what the source
network's multiply-accumulates alone would cost if each took one synaptic operation there
({LOIHI_SYNOP_PJ} pJ).
"""

_ENERGY = """## Which programs win

On the 45 nm accounting (0.9 pJ a synaptic operation, 4.6 pJ a multiply-accumulate) a program wins
where its synaptic operations per multiply-accumulate, with what analog input costs, stay below 5.1.
A synapse fires once a spike, and a source neuron's multiply-accumulates are as many as its
synapses, so the break-even is about five spikes per activation, less where spikes fan out to
several units of a neuron. Delta programs are measured on 64 lines through the whole domain.
"""
