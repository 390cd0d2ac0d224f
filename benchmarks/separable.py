"""Separable networks: one simulation a coordinate, and a large grid in little memory.

``python -m benchmarks.separable`` writes ``docs/separable.md``.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pinnir
from benchmarks.common import ROOT, table, write_page

EXAMPLES = ROOT / "ir_examples"
CASES = {
    "burgers_spinn": ("x=-1:1,t=0:1", ("64x64", "256x101", "1024x1024")),
    "beltrami_spinn": ("x=-1:1,y=-1:1,t=0:1", ("16x16x16", "64x64x51", "256x256x101")),
}

_HEAD = """# Measured: separable networks

Written by `python -m benchmarks.separable`. The two SPINNs of `ir_examples/` are compiled with
`--rtol 1e-2` and run by `pinnir run` in a process of its own, which saves the field and runs the
network on the same grid as well. *Samples* are the simulated coordinates of all axes together;
*memory* is the most that the process held. The tolerance is met on points inside the domain; a
uniform grid has lines on its faces too, where errors are larger, so it may end above.
"""


def _run(program: Path, grid: str, folder: Path) -> dict[str, Any]:
    """Figures of one run on a grid, with the peak memory of its process in GiB."""
    command = [
        sys.executable,
        "-c",
        _WATCHED,
        "run",
        str(program),
        "--grid",
        grid,
        "-o",
        str(folder / "field.npz"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"gib": int(done.stderr.split()[-1]) / 2**20}


_WATCHED = """
import resource, sys
from pinnir.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def _rows(name: str, folder: Path) -> list[list[object]]:
    domain, grids = CASES[name]
    program = pinnir.compile(EXAMPLES / name / "model.onnx", domain, rtol=1e-2)
    program.save(folder / "program.nir")
    rows: list[list[object]] = []
    for grid in grids:
        told = _run(folder / "program.nir", grid, folder)
        rows.append(
            [
                name,
                f"{len(program.cores)}",
                grid,
                f"{told['points']:,}",
                f"{told['samples']:,}",
                f"{told['rel_l2']:.2e}",
                f"{told['spikes_per_point']:.3g}",
                f"{told['gib']:.2f}",
            ]
        )
    return rows


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in CASES for row in _rows(name, Path(folder))]
    headings = [
        "network",
        "cores",
        "grid",
        "points",
        "samples",
        "error",
        "spikes a point",
        "memory, GiB",
    ]
    write_page("separable.md", _HEAD, table(headings, rows))


if __name__ == "__main__":
    main()
