"""Placements: cores, fill and traffic of the examples on chips, against greedy packing.

``python -m benchmarks.placement`` writes ``docs/placement.md`` and its pictures.
"""

from collections.abc import Iterator

import pinnir
from benchmarks.common import DOCS, own_cases, table, write_page
from pinnir.base.chips import CHIPS, Chip
from pinnir.base.errors import LegalizeError
from pinnir.mapping.connectivity import connectivity
from pinnir.passes import pipelines
from pinnir.program.placing import place_program
from pinnir.program.program import Program
from pinnir.report.placement import placement_row, plot_placement

LEVELS, UNITS, STEPS = 256, 8, 16
# One board of SpiNNaker chips; one chip of the others.
CHIP_COUNTS = {"spinnaker1": 48}
# Which program on which chip is drawn.
PICTURE = ("burgers", "population", "loihi1")

_HEAD = f"""# Placement: neurons onto cores

`pinnir inspect OUT.nir --place CHIP [--chips N] [--figure FILE.png] [--json]` says which cores of a
chip the units of a program would take, how full these are, and how many spikes travel between
them. In a pipeline the pass `place{{chip=loihi1,chips=1,seed=0}}` does the same, last of all; the
program then keeps the core of every unit (`Program.placement` in Python, `placement` in its
manifest). A program that does not fit is refused, with the numbers and what would fit. Nothing
that a program does changes.

What is counted:

- *Synapses* are flattened: one for every pair of units that the maps between their populations
  connect (`compiler/mapping/connectivity.py`). A core has no dendrite that all units of a neuron
  share. The input of the first layer is a current and takes none; the read-out is the host's.
- *Axons in* of a core: units, on any core, that its units hear. *Axons out*: pairs of a unit there
  and a core that hears it, its own included.
- *Messages*: a spike that units on k other cores hear is k messages. Distances are not counted.
  *Local* spikes are heard on their own core, as well or only.
- Spikes are measured: per inference on 256 points, of delta programs per point of lines through
  the domain, of separable networks per sample of each core's own axis.

How it is searched (`compiler/mapping/partition.py`): units move in groups, those of one neuron of
the network, which hear the same; a group is split only where it does not fit. Three starts, a
greedy packing in the order of layers, one that takes the cheapest core, and recursive Kernighan-Lin
bisection (networkx) of the graph of groups that share spikes, are refined by moves and trades that
save messages. The best is taken, so it is never worse than the greedy packing; the same seed gives
the same. Graphs of more than 100,000 edges are not bisected.

The layers of these networks are dense, so all cores of a layer hear all units of the one before:
how many messages there are is mostly how many cores a layer needs, and the search saves what it
saves at the borders of layers and by filling cores with units of the first layer, which take no
synapse memory.

## Chips

{{chips}}
"-": none, or none published. The numbers and where they come from are in `compiler/base/chips.py`,
which also says what is *unverified*: Loihi 2's synapse memory, and SpiNNaker's memory and number of
cores for neurons. No vendor's compiler was asked: a chip may need more than these limits say.

## Measured

Written by `python -m benchmarks.placement`: population and delta programs of {LEVELS} levels, rate
programs of {UNITS} units a neuron and {STEPS} steps. SpiNNaker: one board of chips. *Fill* is that
of the fullest kind, on average over the cores in use. *Greedy* are the messages of the greedy
packing, "none" where that takes more cores than there are; *saved* is relative to it.
"""

_PICTURE = """
## Picture

Cores with their fill and the busiest links, and the messages between all of them.

![Burgers on Loihi 1](images/placement_burgers.png)
"""


def _programs() -> Iterator[tuple[str, str, Program]]:
    for case in own_cases():
        ways = {
            "population": ("nir", pipelines.population(LEVELS)),
            "rate": ("nir", pipelines.rate(STEPS, UNITS)),
            "delta": ("programmable", pipelines.delta(LEVELS)),
        }
        for coding, (target, pipeline) in ways.items():
            yield (
                case.name,
                coding,
                pinnir.compile(case.model, case.domain, target=target, pipeline=pipeline),
            )


def _row(name: str, coding: str, program: Program, chip: Chip) -> list[object]:
    wiring, chips = connectivity(program.running), CHIP_COUNTS.get(chip.name, 1)
    row: list[object] = [
        name,
        coding,
        f"{wiring.units:,}",
        f"{wiring.synapses:,}",
        chip.name if chips == 1 else f"{chips} x {chip.name}",
    ]
    try:
        placement, held = place_program(program, chip, chips)
    except LegalizeError as error:
        needed = error.message.partition("), ")[0]
        return [*row, f"refused: {needed}); {error.hint}", *[""] * 5]
    if (name, coding, chip.name) == PICTURE:
        plot_placement(DOCS / "images" / f"placement_{name}.png", placement, held, program)
    told = placement_row(placement, held)
    fullest = max(told["fill"], key=lambda kind: told["fill"][kind]["mean"])
    greedy = placement.greedy
    saved = f"{1 - held.messages / greedy:.1%}" if greedy else ""
    return [
        *row,
        f"{placement.used:,} of {placement.available:,}",
        f"{fullest} {told['fill'][fullest]['mean']:.0%}",
        f"{held.messages:,.1f}",
        "none" if greedy is None else f"{greedy:,.1f}",
        saved,
        f"{held.local:,.1f}",
    ]


def _chips() -> str:
    headings = (
        "chip",
        "cores",
        "neurons a core",
        "synapse memory a core",
        "bits a synapse",
        "axons in",
        "axons out",
        "source",
    )
    rows = [
        (
            chip.name,
            chip.cores_per_chip,
            f"{chip.neurons_per_core:,}",
            _or_dash(chip.synapse_memory_bits, " bits"),
            _bits(chip),
            _or_dash(chip.axons_in),
            _or_dash(chip.axons_out),
            chip.summary.partition(": ")[2],
        )
        for chip in CHIPS.values()
    ]
    return table(headings, rows)


def _bits(chip: Chip) -> str:
    if chip.block is None:
        return f"{chip.bits_per_synapse}"
    return (
        f"{chip.bits_per_synapse}, and {chip.header_bits} for up to {chip.block} of an axon, "
        f"in words of {chip.word_bits}"
    )


def _or_dash(limit: int | None, unit: str = "") -> str:
    return "-" if limit is None else f"{limit:,}{unit}"


def main() -> None:
    """Place every program on every chip and write the page."""
    rows = [
        _row(name, coding, program, chip)
        for name, coding, program in _programs()
        for chip in CHIPS.values()
    ]
    headings = (
        "network",
        "coding",
        "units",
        "synapses",
        "chip",
        "cores",
        "fill",
        "messages",
        "greedy",
        "saved",
        "local",
    )
    write_page("placement.md", _HEAD.replace("{chips}", _chips()), table(headings, rows), _PICTURE)


if __name__ == "__main__":
    main()
