"""Lava's own Python environment: where it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pinnir.backends.environments import check_removable
from pinnir.base.errors import BackendError

VARIABLE = "PINNIR_LAVA"
INSTALL = "pinnir install lava"


def folder() -> Path:
    """The environment's folder: ``$PINNIR_LAVA``, or ``~/.cache/pinnir/lava``."""
    told = os.environ.get(VARIABLE)
    return Path(told) if told else Path.home() / ".cache" / "pinnir" / "lava"


def python_of(environment: Path) -> Path:
    """The environment's interpreter."""
    return environment / "bin" / "python"


def interpreter() -> Path:
    """The interpreter that has Lava.

    Raises:
        BackendError: If the environment has not been made.
    """
    python = python_of(folder())
    if not python.exists():
        raise BackendError(
            f"Lava is not installed: {folder()} is no Python environment", hint=INSTALL
        )
    return python


def netx_interpreter() -> Path:
    """The same, if it has lava-dl as well.

    Raises:
        BackendError: If it has not.
    """
    python = interpreter()
    if not any(folder().glob("lib/python*/site-packages/lava/lib/dl/netx/hdf5.py")):
        raise BackendError(f"lava-dl is not installed in {folder()}", hint=f"{INSTALL}-netx")
    return python


_LAVA = "lava-nc==0.10.0"
_LAVA_DL, _H5PY = "lava-dl==0.6.0", "h5py==3.12.1"
_OWN_PYTHON = "3.10"
# What Lava needs.
_PINNED = ("asteval==0.9.33", "networkx==2.8.7", "scikit-learn==1.7.2", "joblib==1.6.0",
           "cloudpickle==3.1.2", "threadpoolctl==3.8.0")  # fmt: skip
_NUMERIC = ("numpy==1.26.4", "scipy==1.15.3")
_SECONDS = 1800
_MODULE = "lava/magma/compiler/var_model.py"
_PLAIN, _HASHED = "@dataclass\n", "@dataclass(unsafe_hash=True)\n"


def install(environment: Path) -> Path:
    """Make the environment anew.

    Args:
        environment: Its folder; what is there is removed if it is such an environment.

    Returns:
        Its interpreter.

    Raises:
        BackendError: If the folder holds something else, or a command fails.
    """
    check_removable(environment, f"set {VARIABLE}")
    try:
        _fill(environment, next(_pythons(), None))
    except BaseException:
        # Half an environment would look like one.
        shutil.rmtree(environment, ignore_errors=True)
        raise
    return python_of(environment)


def _fill(environment: Path, own: str | None) -> None:
    """Make the environment with an interpreter that Lava asks for, or with this one."""
    _call([own or sys.executable, "-m", "venv", "--clear", str(environment)])
    python = str(python_of(environment))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if own is not None:
        _call([*pip, _LAVA, *_NUMERIC, *_PINNED])
    else:
        _call([*pip, *_NUMERIC, *_PINNED])
        _call([*pip, "--no-deps", "--ignore-requires-python", _LAVA])
        _make_hashable(environment)
    _call([python, "-c", "import lava.magma.compiler.compiler"])


def _pythons() -> Iterator[str]:
    """Interpreters of the version that Lava asks for, which can make environments."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = shutil.which(f"python{_OWN_PYTHON}")
    own = [str(path) for path in sorted(pyenv.glob(f"{_OWN_PYTHON}.*/bin/python"))]
    for found in ([named] if named else []) + own:
        tried = subprocess.run(
            [found, "-c", "import ensurepip, venv, sys; print(sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if tried.stdout.strip() == str(tuple(map(int, _OWN_PYTHON.split(".")))):
            yield found


def _make_hashable(environment: Path) -> None:
    """Let the dataclasses of one module be hashed."""
    (path,) = environment.glob(f"lib/python*/site-packages/{_MODULE}")
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(_PLAIN, _HASHED), encoding="utf-8")


def _call(command: list[str]) -> None:
    # The environment is to hold what is installed there, and nothing of the caller's.
    inherited = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            command, env=inherited, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{' '.join(command)} did not end within {_SECONDS} s") from error
    if done.returncode:
        told = (done.stderr or done.stdout).strip()[-2000:]
        raise BackendError(f"{' '.join(command)} failed with {done.returncode}:\n{told}")


def install_netx() -> list[Path]:
    """Add lava-dl, whose netx reads network files, to the environment; its folder.

    A wheel of 68 MB, most of it trained examples. Of its requirements, PyTorch among them, netx
    needs h5py alone for what pinnir writes.

    Raises:
        BackendError: If there is no environment, or a command fails.
    """
    pip = [str(interpreter()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _call([*pip, _H5PY])
    _call([*pip, "--no-deps", "--ignore-requires-python", _LAVA_DL])
    return [folder()]


def install_default() -> list[Path]:
    """Make the environment that ``pinnir verify`` looks for; its folder."""
    install(folder().absolute())
    return [folder()]
