"""Lava's own Python environment: where it is."""

from __future__ import annotations

import os
from pathlib import Path

from pinnir.errors import BackendError

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
