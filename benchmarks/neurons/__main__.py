"""``python -m benchmarks.neurons`` runs the paper's study and writes ``docs/neurons.md``.

Every model takes from a minute (LIF) to hours (Hodgkin-Huxley); models may be named, and
``--page`` writes the page from what was measured before. With ``--iterations 0`` the encoder is
not trained, only the read-out is fitted.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.common import table, write_page
from benchmarks.neurons.study import CLOCKS, FUNCTIONS, Cell, cells
from pinnir.neurons.integrators import INTEGRATORS

FILE = Path(__file__).parent / "study.json"
_HEADINGS = ("neuron", "integrator", "sub-step", "noise", *FUNCTIONS, "spikes", "evaluations",
             "seconds")  # fmt: skip


def load() -> list[Cell]:
    """What was measured so far."""
    return [Cell(**one) for one in json.loads(FILE.read_text())] if FILE.exists() else []


def write() -> None:
    """Write the page."""
    groups: dict[tuple[str, str, float, float], list[Cell]] = {}
    for one in load():
        key = one.neuron, one.integrator, one.substep, one.noise
        groups.setdefault(key, []).append(one)
    rows = []
    for (neuron, integrator, substep, noise), found in groups.items():
        errors = [
            [one.rel_l2 for one in found if one.function == function] for function in FUNCTIONS
        ]
        told = [f"{np.mean(e):.2%} ± {np.std(e):.2%}" if e else "" for e in errors]
        spikes, seconds = (np.mean([getattr(one, name) for one in found])
                           for name in ("spikes", "seconds"))  # fmt: skip
        rows.append((neuron, integrator, f"{substep:g}", f"{noise:g}", *told, f"{spikes:.0f}",
                     f"{found[0].evaluations:,}", f"{seconds:.1f}"))  # fmt: skip
    write_page(
        "neurons.md",
        "# Membrane models for regression\n",
        "`python -m benchmarks.neurons`: one layer of 50 membranes, 128 data, 100 steps; relative "
        "L2 error halfway between the data, mean and spread over the seeds, against the function "
        "without noise. Spikes and evaluations of the right-hand side are those of an inference, "
        "seconds those of training.\n",
        table(_HEADINGS, rows),
    )


def main() -> None:
    """Measure what was asked for, keep it, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("neurons", nargs="*", choices=[*CLOCKS, []], metavar="NEURON")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    for neuron in () if asked.page else asked.neurons or CLOCKS:
        for integrator in INTEGRATORS:
            found = list(cells(neuron, integrator, asked.seeds, asked.iterations))
            kept = [c for c in load() if (c.neuron, c.integrator) != (neuron, integrator)]
            FILE.write_text(json.dumps([asdict(one) for one in kept + found], indent=1) + "\n")
    write()


if __name__ == "__main__":
    main()
