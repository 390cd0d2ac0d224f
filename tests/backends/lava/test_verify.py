"""Lava itself does what the oracle does."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.export import export
from pinnir.backends.lava.verify import on_lava
from pinnir.backends.recording import probe_points
from pinnir.base.errors import BackendError
from pinnir.cli.app import main
from tests.backends.lava.programs import FORMS, lava, program


@lava
@pytest.mark.parametrize("form", FORMS)
def test_every_event_in_fixed_point_equals_the_oracles(form):
    running = program("resnet", form)
    found = on_lava(running, probe_points(running, 3)).comparison
    assert found.events > 0
    assert found.equal


@lava
@pytest.mark.parametrize("form", ["signed rate", "population", "delta"])
def test_every_event_in_floating_point_equals_the_oracles(form):
    running = program("resnet", form)
    assert on_lava(running, probe_points(running, 3), "floating_pt").comparison.equal


@lava
def test_the_folder_compares_itself(tmp_path):
    export(program("resnet", "delta"), "lava", tmp_path / "out")
    command = [str(ENVIRONMENTS["lava"].python), "runner.py"]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.stdout.endswith(" events and outputs compared, 0 differ\n")
    assert done.returncode == 0
    with np.load(tmp_path / "out" / "samples.npz") as samples:
        changed = dict(samples)
    (name,) = (name for name in changed if name.endswith(".outputs"))
    changed[name][0, 0] -= 1
    np.savez(tmp_path / "out" / "samples.npz", **changed)
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.stdout.endswith(" events and outputs compared, 1 differ\n")
    assert done.returncode == 1


def test_a_missing_environment_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path / "none"))
    program("resnet", "rate").save(tmp_path / "p.nir")
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "p.nir"), "--target", "lava"])
    assert done.exit_code == 2
    assert done.output.endswith("hint: pinnir install lava\n")


def test_an_environment_whose_tools_fail_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    python = ENVIRONMENTS["lava"].python
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho broken\nexit 3\n")
    python.chmod(0o755)
    running = program("resnet", "rate")
    with pytest.raises(BackendError, match=r"lava's runner\.py failed with exit code 3:\nbroken"):
        on_lava(running, probe_points(running, 1))
