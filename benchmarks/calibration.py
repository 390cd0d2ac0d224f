"""What uneven levels, refitted maps and training before the rounding gain, network by network.

``python -m benchmarks.calibration`` measures the study's eight networks and writes the table of
``docs/calibration.md``; with names of examples, only their rows are measured anew.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import DOCS, table
from benchmarks.paper_a.cells import PROBLEMS
from ir_examples.build import DOMAINS, ROOT
from pinnir.codings.population import PopulationCoding
from pinnir.ir.graph import Graph, Neuron, Staircase
from pinnir.passes import pipelines
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.pipeline.manager import Pass
from pinnir.search.compile import prepare

LEVELS, ITERATIONS = 256, 2000
_TRAINING = pipelines.anticipating(LEVELS, ITERATIONS)
_UNEVEN = (*pipelines.TIDY, QuantiseActivations(levels=LEVELS, allocation="sensitivity"))
VARIANTS = {
    "even": pipelines.staircase(LEVELS),
    "uneven": _UNEVEN,
    "uneven, refit": pipelines.refitted(LEVELS),
    "anticipate, uneven, refit": pipelines.refitted(LEVELS, _TRAINING),
}
_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Row:
    """Figures of one network under one pipeline.

    Attributes:
        network: Its name.
        variant: Of :data:`VARIANTS`.
        error: Relative L2 error of the staircase network on the selection points, which nothing
            is fitted on.
        seconds: Of all passes up to the staircase network.
        levels: Mean number of levels a neuron.
        units: Of the population program.
    """

    network: str
    variant: str
    error: float
    seconds: float
    levels: float
    units: int


def measured(network: str, variant: str) -> Row:
    """Compile one network with one pipeline, and measure it."""
    job = prepare(ROOT / network / "model.onnx", DOMAINS[network])
    found: list[Graph] = []
    spent = 0.0

    def observe(current: Pass, before: Graph, after: Graph, seconds: float) -> None:
        nonlocal spent
        found.append(after)
        spent += seconds if current.name != "lower" else 0.0

    job.lower((*VARIANTS[variant], Lower(PopulationCoding())), [observe])
    rounded, lowered = found[-2:]
    counts = [
        np.count_nonzero(node.op.directions, axis=1) + 1
        for node in rounded.nodes
        if isinstance(node.op, Staircase)
    ]
    units = sum(node.op.units for node in lowered.nodes if isinstance(node.op, Neuron))
    levels = float(np.concatenate(counts).mean())
    return Row(network, variant, job.errors(rounded).told["rel_l2"], spent, levels, units)


def page_table(rows: list[Row]) -> str:
    """The table of the page, one row a network and variant."""
    headings = ["network", "pipeline", "error", "of even", "seconds", "mean levels", "units"]
    even = {row.network: row.error for row in rows if row.variant == "even"}
    cells = [
        [
            row.network if row.variant == "even" else "",
            row.variant,
            f"{row.error:.2e}",
            f"{row.error / even[row.network]:.2f}",
            f"{row.seconds:.1f}",
            f"{row.levels:.0f}",
            f"{row.units:,}",
        ]
        for row in rows
    ]
    return table(headings, cells)


def write_table(rows: list[Row], page: Path) -> None:
    """Replace what stands between the marks of a page."""
    text = page.read_text()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n{page_table(rows)}\n{_END}{after}")


def main() -> None:
    """Measure the networks named, or all, and write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("networks", nargs="*", default=PROBLEMS, metavar="NETWORK")
    asked = parser.parse_args().networks
    for network in asked:
        if network not in DOMAINS:
            parser.error(f"no network {network!r}: choose from {', '.join(DOMAINS)}")
    kept = DOCS / "calibration.json"
    rows = [Row(**row) for row in json.loads(kept.read_text())] if kept.exists() else []
    for network in asked:
        new = [measured(network, variant) for variant in VARIANTS]
        rows = [row for row in rows if row.network != network] + new
        rows.sort(key=lambda row: list(DOMAINS).index(row.network))
        kept.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        write_table(rows, DOCS / "calibration.md")


if __name__ == "__main__":
    main()
