"""Python environments of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pinnir.backends import environments
from pinnir.backends.environments import Environment, find_environments, find_reader
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


def test_a_script_runs_in_its_folder(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORE", "more")
    (tmp_path / "script.py").write_text("import os; print(os.getcwd(), os.environ['MORE'])")
    assert not environment.problem
    told = environment.run(["script.py"], tmp_path, 60)
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


def test_a_failing_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNIR_SMALL", str(tmp_path / "small"))
    broken = Environment("small", ("one==1.0",), imports="sys; print('because'); sys.exit(4)")
    monkeypatch.setattr(Environment, "_fill", lambda self, adapted: None)
    with pytest.raises(BackendError) as error:
        broken.install()
    assert str(error.value) == "installing small failed with exit code 4:\nbecause"
    assert not broken.folder.exists()


def test_one_that_is_made_is_found_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINNIR_SMALL", str(tmp_path / "small"))
    filled: list[bool] = []
    monkeypatch.setattr(Environment, "_fill", lambda self, adapted: filled.append(adapted))
    small = Environment("small", ("one==1.0",), ("two==2.0",))
    assert small.install() == small.install() == tmp_path / "small"
    assert (small.problem, filled) == ("", [False])
    assert (small.folder / "pinnir-requirements.txt").read_text() == "one==1.0\ntwo==2.0\n"


def test_another_version_of_python_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = "{}.{}".format(*sys.version_info)
    own = tmp_path / "versions" / f"{version}.9" / "bin"
    own.mkdir(parents=True)
    (own / "python").symlink_to(sys.executable)
    (tmp_path / "versions" / "2.0.1").mkdir()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(environments._interpreters(version)) == [str(own / "python")]
    assert list(environments._interpreters("2.0")) == []
    assert list(environments._interpreters("")) == [sys.executable]


def test_readers_are_below_the_cache_or_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_reader("norse").folder == tmp_path / "pinnir" / "readers" / "norse-1.1.0"
    assert find_reader("spyx", tmp_path).folder == tmp_path / "spyx-1.0.0"
    assert [one.name for one in find_environments("nir-stock")] == ["norse", "spikingjelly"]


def test_what_is_unknown_is_not_installed() -> None:
    with pytest.raises(BackendError, match="nothing is to be installed for it"):
        find_environments("nir")
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
