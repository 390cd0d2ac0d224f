"""A small, fixed slice of the fuzzers; the full counts are run by their own commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="decoys are watched by inotify")
@pytest.mark.parametrize("module", ["fuzz.onnx_models", "fuzz.programs"])
def test_slice(tmp_path, module):
    # The commands need pinnir, which pytest takes from the sources where it is not installed.
    (tmp_path / "sitecustomize.py").write_text("import conftest\n")
    environment = {key: value for key, value in os.environ.items() if key != "PINNIR_MODELS"}
    path = os.pathsep.join(filter(None, (str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(
        [sys.executable, "-m", module, "--count", "150", "--seed", "1"],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "150 mutants, 0 with findings" in result.stdout
