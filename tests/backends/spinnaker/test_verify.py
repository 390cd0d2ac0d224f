"""sPyNNaker itself, on a virtual board; needs ``pinnir install spinnaker``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pinnir.backends.environments import ENVIRONMENTS
from pinnir.backends.export import export
from pinnir.backends.recording import probe_points
from pinnir.backends.spinnaker.network import cores_of
from pinnir.backends.spinnaker.verify import on_virtual_board
from pinnir.base.errors import BackendError
from pinnir.cli.app import main
from tests.backends.targets import needs, whole_program


@needs("spinnaker")
def test_the_image_is_the_network_and_fires_as_the_oracle() -> None:
    program = whole_program("population", "spinnaker")
    report = on_virtual_board(program, probe_points(program, 8))
    assert report.comparison.equal
    (core,) = cores_of(program)
    synapses = sum(np.count_nonzero(one.weight) for one in core.network.projections)
    units = sum(group.units for group in core.network.groups)
    assert report.figures["image_synapses"] == synapses
    assert report.figures["image_parameters"] == 4 * units
    assert report.figures["image_synapses_differing"] == 0
    assert report.figures["image_parameters_differing"] == 0


@needs("spinnaker")
def test_integrating_units_are_held_and_fire_as_the_oracle() -> None:
    program = whole_program("rate", "spinnaker")
    report = on_virtual_board(program, probe_points(program, 8))
    assert report.comparison.equal
    assert report.figures["image_parameters_differing"] == 0
    assert {"rel_l2_soft_reset", "rel_l2_hard_reset"} <= set(report.figures)


@needs("spinnaker")
def test_a_wrong_weight_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(whole_program("population", "spinnaker"), "spinnaker", folder)
    script = (folder / "runner.py").read_text()
    changed = script.replace("to] * UNIT\n", "to] * UNIT\n                chosen[0] += 0.5\n")
    assert changed != script
    (folder / "runner.py").write_text(changed)
    with pytest.raises(BackendError, match=r'"synapses_differing": [1-9]'):
        ENVIRONMENTS["spinnaker"].run(["runner.py"], folder, 300)


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNIR_SPINNAKER", str(tmp_path / "none"))
    path = tmp_path / "p.nir"
    whole_program("population", "spinnaker").save(path)
    found = CliRunner().invoke(main, ["verify", str(path), "--target", "spinnaker", "--json"])
    assert found.exit_code == 2
    assert "run: pinnir install spinnaker" in found.output
