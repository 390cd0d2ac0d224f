"""CPU seconds of commands on small programs: ``python -m benchmarks.startup``.

It writes ``docs/startup.md``. Seconds are of the process and its children together.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pinnir
from benchmarks.common import EXAMPLES, table, write_page

ROUNDS = 5
LIBRARIES = [sys.executable, "-c", "import numpy, h5py"]
GRIDS = {"burgers": "32x32", "function_regression": "1024"}

_HEAD = f"""# Measured: how long commands take to start

Written by `python -m benchmarks.startup`. CPU seconds of a command and its children, the least of
{ROUNDS} rounds in which all took turns. *Ratio* is to `python -c "import numpy, h5py"` in the same
rounds, as seconds depend on the machine and on what else it does. *Threads free* is without
`OMP_NUM_THREADS`, the others are with 1.
"""


def seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """CPU seconds of a process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(folder: Path) -> dict[str, list[str]]:
    """What is measured, by its name on the page."""
    start = [sys.executable, "-c", "from pinnir.cli import main; main()"]
    found = {'`python -c "import numpy, h5py"`': LIBRARIES}
    for name, grid in GRIDS.items():
        path = EXAMPLES / name / "program.nir"
        alone = folder / f"{name}.nir"
        replace(pinnir.read(path), source=None).save(alone)
        field = ["--grid", grid, "-o", str(folder / "field.npz")]
        found[f"`inspect` {name}"] = [*start, "inspect", str(path)]
        found[f"`run --grid {grid}` {name}"] = [*start, "run", str(path), *field]
        found[f"the same without source {name}"] = [*start, "run", str(alone), *field]
    return found


def main() -> None:
    """Measure, and write the page."""
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        asked = commands(Path(folder))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
        for _ in range(ROUNDS):
            for name, command in asked.items():
                found[name].append((seconds(command, one), seconds(command, free)))
    least = {name: tuple(map(min, zip(*rounds, strict=True))) for name, rounds in found.items()}
    base = next(iter(least.values()))[0]
    rows = [[name, f"{a:.2f}", f"{a / base:.1f}", f"{b:.2f}"] for name, (a, b) in least.items()]
    write_page("startup.md", _HEAD, table(["", "CPU seconds", "ratio", "threads free"], rows))


if __name__ == "__main__":
    main()
