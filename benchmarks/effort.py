"""What a compilation costs, and what its program does, by effort.

``python -m benchmarks.effort`` writes ``docs/effort.md``. ``PINNIR_BASELINE`` names the Python of an
environment with an older pinnir, which is then compared with: both take turns, one process a
compilation. ``PINNIR_MODELS`` adds networks that were trained by others.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Case, table, third_party_cases, write_page
from ir_examples.build import DOMAINS
from ir_examples.build import ROOT as EXAMPLES

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
told["coding"] = program.manifest["coding"]
told["cpu"] = sum(one.ru_utime + one.ru_stime for one in used)
print(json.dumps(told))
"""
_METRICS = ("synops_per_mac", "levels", "nrmse", "nrmse_upper", "points", "energy_nj")


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
