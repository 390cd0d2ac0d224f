"""The wheel and the sdist hold exactly pinnir, all of it, and it works from there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The longest name first: "pinnir.passes" must not be taken for a folder of "pinnir".
FOLDERS = dict(sorted(SETTINGS["tool"]["setuptools"]["package-dir"].items(), reverse=True))
REQUIRED = {re.split(r"[^\w-]", line)[0] for line in SETTINGS["project"]["dependencies"]}

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, pinnir
found = {"pinnir": pinnir.__file__}
for module in pkgutil.walk_packages(pinnir.__path__, "pinnir."):
    if module.name.endswith(".__main__"):
        continue
    try:
        found[module.name] = importlib.import_module(module.name).__file__
    except ModuleNotFoundError as error:
        found[module.name] = "missing " + error.name
print(json.dumps(found))
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command with `environment` added to this process's and return what it prints."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode != 0:
        pytest.fail(f"{command[0]}: {result.stdout}{result.stderr}", pytrace=False)
    return result.stdout


def packages_in_folders() -> dict[str, Path]:
    """Every folder that holds an `__init__.py`, by the name it is imported under."""
    return {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts]): init.parent
        for name, folder in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a build reads: building in the repository would leave files there."""
    copy = tmp_path_factory.mktemp("sources")
    for folder in FOLDERS.values():
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in ("pyproject.toml", "MANIFEST.in", "constraints.txt", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built straight from the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy of its own: a second build would find, and ship, the first one's build/lib.
    shutil.copytree(sources, folder / "sources")
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder)
    run(*build, cwd=folder / "sources")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def round_trip(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with an sdist and the wheel built from it."""
    folder = tmp_path_factory.mktemp("round_trip")
    shutil.copytree(sources, folder / "sources")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    run(*build, cwd=folder / "sources")
    return folder


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel; on PYTHONPATH it goes before the rest."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet")
    run(*pip, "--target", target, wheel, cwd=target)
    return target


def test_pyproject_lists_every_package() -> None:
    assert sorted(SETTINGS["tool"]["setuptools"]["packages"]) == sorted(packages_in_folders())


def test_wheel_holds_pinnir_and_nothing_else(wheel: Path) -> None:
    version = SETTINGS["project"]["version"]
    top_level = {name.split("/")[0] for name in files_of(wheel)}
    assert top_level == {"pinnir", f"pinnir-{version}.dist-info"}


def test_wheel_holds_every_module(wheel: Path) -> None:
    expected = {
        f"{name.replace('.', '/')}/{module.name}"
        for name, folder in packages_in_folders().items()
        for module in folder.glob("*.py")
    }
    # Programs for other interpreters are data.
    expected |= {
        f"{name.replace('.', '/')}/{path.relative_to(packages_in_folders()[name]).as_posix()}"
        for name, patterns in SETTINGS["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in packages_in_folders()[name].glob(pattern)
        if path.suffix == ".py"
    }
    modules = {name for name in files_of(wheel) if name.endswith(".py")}
    assert modules == expected
    assert "pinnir/py.typed" in files_of(wheel)


def test_sdist_round_trip(wheel: Path, round_trip: Path) -> None:
    with tarfile.open(next(round_trip.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "constraints.txt", "pyproject.toml"} <= names
    assert files_of(next(round_trip.glob("*.whl"))) == files_of(wheel)


def test_every_installed_module_imports(installed: Path, tmp_path: Path) -> None:
    output = run(sys.executable, "-c", IMPORT_EVERYTHING, cwd=tmp_path, PYTHONPATH=str(installed))
    found: dict[str, str] = json.loads(output.splitlines()[-1])
    assert set(packages_in_folders()) <= set(found)
    for name, file in found.items():
        if file.startswith("missing "):
            dependency = file.removeprefix("missing ").split(".")[0]
            assert dependency not in REQUIRED | {"pinnir"}, f"{name}: {file}"
        else:
            assert Path(file).is_relative_to(installed), f"{name} comes from {file}"


def test_console_script_is_installed(installed: Path, tmp_path: Path) -> None:
    assert SETTINGS["project"]["scripts"] == {"pinnir": "pinnir.cli:main"}
    script = installed / "bin" / "pinnir"
    assert "Usage: pinnir" in run(script, "--help", cwd=tmp_path, PYTHONPATH=str(installed))


def test_command_line_imports_nothing_heavy(installed: Path, tmp_path: Path) -> None:
    heavy = {"torch", "onnxruntime", "matplotlib", "scipy", "onnx"}
    code = "import json, sys, pinnir, pinnir.cli.app; print(json.dumps(sorted(sys.modules)))"
    output = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed))
    assert heavy.intersection(json.loads(output)) == set()
