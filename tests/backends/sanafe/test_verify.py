"""SANA-FE itself, in its own process; needs ``pinnir install sanafe``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.export import export
from pinnir.backends.recording import probe_points, record
from pinnir.backends.sanafe.network import cores_of
from pinnir.backends.sanafe.verify import on_sanafe
from pinnir.cli.app import main
from tests.backends.sanafe.chip import Chip
from tests.backends.targets import needs, whole_program

# Picojoules of Loihi 1, from SANA-FE's loihi.yaml (Davies et al., IEEE Micro, 2018).
SYNAPSE, ACCESS, UPDATE, SPIKE = 35.5, 51.2, 21.6, 69.3


@needs("sanafe")
@pytest.mark.parametrize("coding", ["population", "rate", "signed"])
def test_sanafe_fires_as_the_oracle_and_its_energy_adds_up(coding: str) -> None:
    program = whole_program(coding, "sanafe")
    points = probe_points(program, 4)
    report = on_sanafe(program, points)
    assert report.comparison.equal
    assert report.comparison.events > 0

    (core,) = cores_of(program)
    (seen,) = record(program, points)
    chips = [Chip(core.network) for _ in points]
    for chip, inputs in zip(chips, seen.inputs, strict=True):
        chip.run(inputs)
    synops = np.mean([chip.synops for chip in chips])
    updates = np.mean([chip.updates for chip in chips])
    accesses = np.mean([chip.accesses for chip in chips])
    fired = np.mean([sum(map(np.sum, chip.spikes.values())) for chip in chips])
    told = report.figures
    assert told["synops"] == synops
    assert told["loihi1_energy_synapse_pj"] == pytest.approx(SYNAPSE * synops)
    soma = ACCESS * accesses + UPDATE * updates + SPIKE * fired
    assert told["loihi1_energy_soma_pj"] == pytest.approx(soma)
    parts = ("synapse", "soma", "network")
    total = sum(told[f"loihi1_energy_{part}_pj"] for part in parts)
    assert told["loihi1_energy_total_pj"] == pytest.approx(total)


@needs("sanafe")
def test_the_folder_checks_itself(tmp_path: Path) -> None:
    export(whole_program("rate", "sanafe"), "sanafe", tmp_path / "out")
    told = ENVIRONMENTS["sanafe"].run(["runner.py"], tmp_path / "out", 60)
    assert '"differing": 0' in told


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNIR_SANAFE", str(tmp_path / "none"))
    path = tmp_path / "p.nir"
    whole_program("rate", "sanafe").save(path)
    found = CliRunner().invoke(main, ["verify", str(path), "--target", "sanafe"])
    assert found.exit_code == 2
    assert "sanafe==2.2.9" in found.output
    assert "run: pinnir install sanafe" in found.output
