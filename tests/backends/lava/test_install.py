"""Lava's environment: made, or nothing is left of it."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from pinnir.backends.lava import environment as module
from pinnir.backends.lava.environment import (
    folder,
    install,
    interpreter,
    netx_interpreter,
    python_of,
)
from pinnir.base.errors import BackendError
from pinnir.cli.app import main


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.delenv("PINNIR_LAVA")
    assert folder().parts[-3:] == (".cache", "pinnir", "lava")


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
def test_what_is_installed_is_pinned(own, tmp_path, monkeypatch):
    calls: list[list[str]] = []
    monkeypatch.setattr(module, "_pythons", lambda: iter([own] if own else []))
    monkeypatch.setattr(module, "_call", calls.append)
    monkeypatch.setattr(module, "_make_hashable", lambda environment: None)
    assert install(tmp_path / "env") == python_of(tmp_path / "env")
    assert calls[0][0] == (own or sys.executable)
    packages = [word for call in calls[1:-1] for word in call[6:] if not word.startswith("-")]
    assert "lava-nc==0.10.0" in packages
    assert all("==" in package for package in packages)
    assert any("--ignore-requires-python" in call for call in calls) == (own is None)


def test_half_an_environment_is_removed(tmp_path, monkeypatch):
    def call(command: list[str]) -> None:
        if "pip" in command:
            raise BackendError("no network")
        python_of(tmp_path / "env").parent.mkdir(parents=True)
        python_of(tmp_path / "env").touch()

    monkeypatch.setattr(module, "_pythons", lambda: iter(["python3.10"]))
    monkeypatch.setattr(module, "_call", call)
    with pytest.raises(BackendError, match="no network"):
        install(tmp_path / "env")
    assert not (tmp_path / "env").exists()


def test_dataclasses_of_one_module_can_be_hashed(tmp_path):
    path = tmp_path / "lib/python3.11/site-packages/lava/magma/compiler/var_model.py"
    path.parent.mkdir(parents=True)
    path.write_text("@dataclass\nclass A:\n    pass\n")
    module._make_hashable(tmp_path)
    assert path.read_text() == "@dataclass(unsafe_hash=True)\nclass A:\n    pass\n"


def test_a_failing_command_is_named():
    with pytest.raises(BackendError, match=r"-c .* failed with 4:\nbecause"):
        module._call([sys.executable, "-c", "import sys; print('because'); sys.exit(4)"])


def test_without_an_environment_there_is_no_interpreter(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    with pytest.raises(BackendError, match="Lava is not installed"):
        interpreter()


def test_netx_needs_an_environment_and_is_pinned(tmp_path, monkeypatch):
    monkeypatch.setenv("PINNIR_LAVA", str(tmp_path))
    with pytest.raises(BackendError, match="Lava is not installed"):
        module.install_netx()
    python_of(tmp_path).parent.mkdir()
    python_of(tmp_path).touch()
    with pytest.raises(BackendError, match=r"lava-dl is not installed in .*\nhint: pinnir install"):
        netx_interpreter()
    calls: list[list[str]] = []
    monkeypatch.setattr(module, "_call", calls.append)
    assert module.install_netx() == [tmp_path]
    packages = [call[-1] for call in calls]
    assert [package.partition("==")[0] for package in packages] == ["h5py", "lava-dl"]
    assert "--no-deps" in calls[1]
