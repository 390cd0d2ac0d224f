"""Readers of NIR, each in an environment of its own: their dependencies exclude each other.

``python -m pinnir.backends.nir.environments [READER ...] [--folder FOLDER]`` creates what is
missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from pinnir.backends.environments import READERS, find_reader
from pinnir.base.errors import BackendError


def find_python(name: str, folder: Path | None = None) -> Path:
    """A Python that has a reader: its environment's, or this one if the reader is installed here.

    Args:
        name: Of the reader.
        folder: Of the environments, if not the default one.

    Raises:
        BackendError: If there is no such reader, or it is not installed.
    """
    environment = find_reader(name, folder)
    if environment.problem and importlib.util.find_spec(name) is not None:
        return Path(sys.executable)
    environment.check()
    return environment.python


def main() -> None:
    """Create the environments named on the command line, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    try:
        for name in asked.readers or READERS:
            print(find_reader(name, asked.folder).install())
    except BackendError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
