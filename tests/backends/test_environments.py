"""Python environments of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pinnir.backends.environments import Environment, find_environment
from pinnir.base.errors import BackendError
from pinnir.cli.app import main


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """One that holds nothing but this interpreter."""
    monkeypatch.setenv("PINNIR_SMALL", str(tmp_path / "small"))
    one = Environment("small", ("one==1.0",))
    one.python.parent.mkdir(parents=True)
    one.python.symlink_to(sys.executable)
    (one.folder / "pinnir-requirements.txt").write_text("one==1.0\n")
    return one


def test_a_script_runs_in_its_folder(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import os; print(os.getcwd(), os.environ['MORE'])")
    assert not environment.problem
    told = environment.run(["script.py"], tmp_path, 60, {"MORE": "more"})
    assert told.split() == [str(tmp_path), "more"]


def test_a_script_that_fails_is_quoted(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; print('first'); sys.exit('broken')")
    with pytest.raises(BackendError) as error:
        environment.run(["script.py"], tmp_path, 60)
    assert str(error.value) == "small's script.py failed with exit code 1:\nbroken\n\nfirst"


def test_a_script_that_does_not_end_is_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time; time.sleep(60)")
    with pytest.raises(BackendError, match=r"small's script\.py did not end within 1 s"):
        environment.run(["script.py"], tmp_path, 1)


def test_other_versions_are_told_apart(environment: Environment, tmp_path: Path) -> None:
    newer = Environment("small", ("one==2.0",))
    with pytest.raises(BackendError) as error:
        newer.run(["script.py"], tmp_path, 60)
    assert str(error.value) == (
        f"{newer.folder} holds other versions than one==2.0\nhint: run: pinnir install small"
    )


def test_what_is_unknown_is_not_installed() -> None:
    with pytest.raises(BackendError, match="nothing is to be installed for it"):
        find_environment("nir")
    found = CliRunner().invoke(main, ["install", "nir"])
    assert found.exit_code == 2
    assert "known: pynn, sanafe, spinnaker, lava, lava-netx, nir-stock" in found.output


def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.setenv("PINNIR_SMALL", str(tmp_path))
    with pytest.raises(BackendError, match="is there and is no Python environment"):
        Environment("small", ("one==1.0",)).install()
    assert (tmp_path / "thesis.tex").exists()
