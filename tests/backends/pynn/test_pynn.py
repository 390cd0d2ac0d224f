"""PyNN on Brian2, in its own process; needs ``pinnir install pynn``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.export import export
from pinnir.backends.pynn.verify import on_brian2
from pinnir.backends.recording import probe_points
from pinnir.cli.app import main
from tests.backends.pynn.programs import program
from tests.backends.targets import needs


@needs("pynn")
@pytest.mark.parametrize(
    ("neuron", "integrator"),
    [
        ("izhikevich", "euler"),
        ("izhikevich-fast", "rk4"),
        ("hodgkin-huxley", "euler"),
        ("hodgkin-huxley", "rk4"),
    ],
)
def test_brian2_fires_every_spike_of_the_oracle(neuron: str, integrator: str) -> None:
    of = program(neuron, integrator)
    report = on_brian2(of, probe_points(of, 4))
    assert report.comparison.equal
    assert report.comparison.events == 4 * 20 * 6
    assert report.figures["spikes"] > 5


@needs("pynn")
def test_the_exported_folder_runs_alone(tmp_path: Path) -> None:
    export(program("izhikevich"), "pynn", tmp_path / "folder")
    told = ENVIRONMENTS["pynn"].run(["runner.py"], tmp_path / "folder", 300)
    assert '{"spikes_differing": 0}' in told


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNIR_PYNN", str(tmp_path / "none"))
    program("izhikevich").save(tmp_path / "layer.nir")
    found = CliRunner().invoke(main, ["verify", str(tmp_path / "layer.nir"), "--target", "pynn"])
    assert found.exit_code == 2
    assert "is not installed in" in found.output
    assert "run: pinnir install pynn" in found.output
