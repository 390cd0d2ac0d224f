"""Lava's environment: made, or nothing is left of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pinnir.backends import environments as module
from pinnir.backends.environments import ENVIRONMENTS, Environment, make_lava_hashable
from pinnir.base.errors import BackendError
from pinnir.cli.app import main

LAVA, NETX = ENVIRONMENTS["lava"], ENVIRONMENTS["lava-netx"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been run."""
    found: list[list[str]] = []
    monkeypatch.setattr(module, "_call", lambda command, *rest: found.append([*command]))
    return found


def interpreters(*found: str) -> Callable[[str], object]:
    def of(version: str) -> object:
        assert version == "3.10"
        return iter(found)

    return of


def touch(environment: Environment) -> None:
    """As if it had been made."""
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    assert LAVA.folder == NETX.folder == tmp_path
    monkeypatch.delenv("PINNIR_LAVA")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert LAVA.folder.parts[-3:] == (".cache", "pinnir", "lava")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert LAVA.folder == tmp_path / "pinnir" / "lava"


def test_a_folder_of_something_else_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("kept")
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    done = CliRunner().invoke(main, ["install", "lava"])
    assert done.exit_code == 2
    assert done.output == (
        f"error: {tmp_path} is there and is no Python environment\nhint: set PINNIR_LAVA\n"
    )
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.parametrize("own", [None, "python3.10"])
def test_what_is_installed_is_pinned(own, tmp_path, monkeypatch, calls):
    adapted: list[Path] = []
    environment = replace(LAVA, parent=tmp_path, adapt=adapted.append)
    monkeypatch.setattr(module, "_interpreters", interpreters(*[own] if own else []))
    assert environment.install() == tmp_path / "lava"
    assert calls[0][0] == (own or sys.executable)
    packages = [word for call in calls[1:-1] for word in call[6:] if not word.startswith("-")]
    assert "lava-nc==0.10.0" in packages
    assert all("==" in package for package in packages)
    assert any("--ignore-requires-python" in call for call in calls) == (own is None)
    assert adapted == ([tmp_path / "lava"] if own is None else [])
    assert calls[-1][-1] == "import lava.magma.compiler.compiler"


def test_half_an_environment_is_removed(tmp_path, monkeypatch):
    environment = replace(LAVA, parent=tmp_path)

    def call(command: list[str], *rest: object) -> None:
        if "pip" in command:
            raise BackendError("no network")
        touch(environment)

    monkeypatch.setattr(module, "_interpreters", interpreters("python3.10"))
    monkeypatch.setattr(module, "_call", call)
    with pytest.raises(BackendError, match="no network"):
        environment.install()
    assert not environment.folder.exists()


def test_dataclasses_of_one_module_can_be_hashed(tmp_path):
    path = tmp_path / "lib/python3.11/site-packages/lava/magma/compiler/var_model.py"
    path.parent.mkdir(parents=True)
    path.write_text("@dataclass\nclass A:\n    pass\n")
    make_lava_hashable(tmp_path)
    assert path.read_text() == "@dataclass(unsafe_hash=True)\nclass A:\n    pass\n"


def test_without_an_environment_there_is_no_interpreter(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    with pytest.raises(BackendError) as caught:
        LAVA.check()
    assert str(caught.value) == (
        f"Lava is not installed: {tmp_path} is no Python environment\nhint: pinnir install lava"
    )


def test_netx_needs_an_environment_and_is_pinned(tmp_path, monkeypatch, calls):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    with pytest.raises(BackendError, match="Lava is not installed"):
        NETX.install()
    touch(LAVA)
    with pytest.raises(BackendError, match=r"lava-dl is not installed in .*\nhint: pinnir install"):
        NETX.check()
    assert NETX.install() == tmp_path
    packages = [call[-1] for call in calls]
    assert [package.partition("==")[0] for package in packages] == ["h5py", "lava-dl"]
    assert "--no-deps" in calls[1]
    assert "--ignore-requires-python" in calls[1]
