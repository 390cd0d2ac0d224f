"""What a compilation costs, and what its program does, by effort.

``python -m benchmarks.effort`` writes ``docs/effort.md``. ``PINNIR_BASELINE`` names the Python of
an environment with an older pinnir, which is then compared with: all take turns, one process a
compilation. ``PINNIR_MODELS`` adds networks that were trained by others. With names of networks,
only those are measured.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import EXAMPLES, Case, table, third_party_cases, write_page
from ir_examples.build import DOMAINS

RTOL = 1e-2
BASELINE = "PINNIR_BASELINE"
# The commit that BASELINE held when docs/effort.md was written.
BASELINE_COMMIT = "94a82b5"
CODINGS = ("population", "phase", "delta")
EFFORTS = (1, 2)
# Run in a process of its own, so that imports count and nothing is remembered.
_COMPILE = """
import json, resource, sys
import pinnir
model, domain, options = json.loads(sys.argv[1])
program = pinnir.compile(model, domain, **options)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
told = {name: program.metrics.get(name) for name in json.loads(sys.argv[2])}
told["cpu"] = sum(one.ru_utime + one.ru_stime for one in used)
print(json.dumps(told))
"""
_METRICS = ("synops_per_mac", "levels", "nrmse", "nrmse_upper", "points")
BEFORE = f"commit {BASELINE_COMMIT}"
_HEAD = f"""# Measured: efforts

Written by `python -m {{command}}`: networks of the examples, or trained by others, compiled with
`--rtol {RTOL:g}` at several efforts, each in a process of its own. *CPU s* are of that process
and its children, imports included, on one thread of a shared machine: they order and no more.
*Error* is that of the worst output relative to its variation, *bound* the 95 % bound that was
compared with the tolerance, both of the last effort, on so many *points* that nothing was fitted
on.
"""
_COMPARED = f"""## Against the search before there was an engine

Each compilation against the one of `{BEFORE}` by default options: geometric mean, and the least
and largest of all networks.
"""


@dataclass(frozen=True)
class Compiled:
    """One compilation.

    Attributes:
        told: Its program's metrics and ``cpu`` seconds; empty if none was found.
        problem: Why not.
    """

    told: Mapping[str, Any]
    problem: str = ""


def cases() -> list[Case]:
    """The examples, and networks trained by others."""
    own = [Case(name, EXAMPLES / name / "model.onnx", domain) for name, domain in DOMAINS.items()]
    return own + third_party_cases()


def compiled(python: str, case: Case, **options: Any) -> Compiled:
    """Compile in a process of its own.

    Args:
        python: Of the environment.
        case: The network.
        options: Of ``pinnir.compile``.
    """
    given = json.dumps([str(case.model), case.domain, {"rtol": RTOL, **options}])
    command = [python, "-c", _COMPILE, given, json.dumps(_METRICS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if python != sys.executable:  # this repository's folders are not the other one's packages
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode:
        return Compiled({}, done.stderr.strip().splitlines()[-1])
    return Compiled(json.loads(done.stdout))


def measured(case: Case, coding: str) -> dict[str, Compiled]:
    """Compilations of one network by all versions, in turns."""
    versions: dict[str, tuple[str, dict[str, Any]]] = {
        f"effort {effort}": (sys.executable, {"effort": effort}) for effort in EFFORTS
    }
    if BASELINE in os.environ:
        versions = {BEFORE: (os.environ[BASELINE], {})} | versions
    return {
        name: compiled(python, case, coding=coding, **more)
        for name, (python, more) in versions.items()
    }


def row(case: Case, found: Mapping[str, Compiled]) -> list[object]:
    """Levels, costs and CPU seconds of each, and errors of the last."""
    cells: list[object] = [case.name]
    for one in found.values():
        told = one.told
        if not told:
            cells += [one.problem, "", ""]
            continue
        cells += [told["levels"], f"{told['synops_per_mac']:.3g}", f"{told['cpu']:.1f}"]
    last = list(found.values())[-1].told
    errors = f"{last['nrmse']:.2e}, {last['nrmse_upper']:.2e}" if last else ""
    return [*cells, errors, last.get("points", "")]


def ratios(rows: Sequence[Mapping[str, Compiled]], name: str, metric: str) -> str:
    """Geometric mean, least and largest, of what a version takes of the one before the engine."""
    both = [(one[name].told, one[BEFORE].told) for one in rows]
    found = [new[metric] / old[metric] for new, old in both if new and old]
    mean = np.exp(np.mean(np.log(found)))
    return f"{mean:.2f} ({min(found):.2f} to {max(found):.2f})"


def summary(of_codings: Mapping[str, Sequence[Mapping[str, Compiled]]]) -> str:
    """A table of ratios."""
    rows: list[list[object]] = []
    for coding, found in of_codings.items():
        for effort in EFFORTS:
            name = f"effort {effort}"
            costs = ratios(found, name, "synops_per_mac")
            rows.append([coding, name, costs, ratios(found, name, "cpu")])
    return table(["coding", "", "synops per MAC", "CPU seconds"], rows)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks; all if none is given")
    names = parser.parse_args().names
    chosen = [one for one in cases() if not names or one.name in names]
    parts, found = [], dict[str, list[dict[str, Compiled]]]()
    for coding in CODINGS:
        found[coding] = [measured(case, coding) for case in chosen]
        headings = ["network"]
        for name in found[coding][0]:
            headings += [f"{name}: levels", "synops per MAC", "CPU s"]
        rows = [row(case, one) for case, one in zip(chosen, found[coding], strict=True)]
        parts += [f"## {coding}\n", table([*headings, "error, bound", "on points"], rows)]
    if BASELINE in os.environ:
        parts[:0] = [_COMPARED, summary(found)]
    write_page("effort.md", _HEAD.format(command=" ".join(["benchmarks.effort", *names])), *parts)


if __name__ == "__main__":
    main()
