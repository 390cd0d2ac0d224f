"""What commands on small programs import, and in how many processes: that is most of their time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "ir_examples" / "function_regression" / "program.nir"
# Of the process that was started, told when it ends: a copy of it ends without this.
CODE = """
import json, sys
from pinnir.base import sandbox
from pinnir.cli import main
try:
    main(sys.argv[1:])
finally:
    told = {"modules": sorted(sys.modules), "forked": sandbox.can_fork()}
    print(json.dumps(told), file=sys.stderr)
"""
HEAVY = {"torch", "norse", "scipy", "matplotlib", "numba", "networkx", "pandas", "sympy"}
# What compiles is not needed to run.
HEAVY |= {"pinnir.search.compile", "pinnir.passes.pipelines", "pinnir.codings.population"}


@pytest.mark.parametrize("command", ["run", "inspect"])
@pytest.mark.parametrize("threads", ["1", None])
def test_little_is_imported(tmp_path, command, threads):
    options = ["--grid", "64", "-o", str(tmp_path / "field.npz")] if command == "run" else []
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    environment |= {} if threads is None else {"OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", CODE, command, str(EXAMPLE), *options],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert HEAVY.intersection(told["modules"]) == set()
    if hasattr(os, "pidfd_open"):
        assert told["forked"], "libraries started threads: the file is checked by a new interpreter"
