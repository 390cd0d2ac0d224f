"""Exports: a program as a folder of plain files for somebody else's tools.

A new export is one function and one line in the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from pinnir.base.errors import PinnirError, ProgramFileError
from pinnir.base.files import write_files
from pinnir.base.registry import imported, look_up
from pinnir.program.program import Program

# (program) -> contents by file name, which may lie in folders
Exporter = Callable[[Program], dict[str, bytes]]

EXPORTERS: dict[str, str] = {
    "nir": "pinnir.backends.nir.write:write",
    "nir-stock": "pinnir.backends.nir.write:write_stock",
    "c": "pinnir.backends.c.write:write",
    "lava": "pinnir.backends.lava.write:write",
    "lava-stock": "pinnir.backends.lava.write:write_stock",
    "lava-netx": "pinnir.backends.lava.write:write_netx",
    "pynn": "pinnir.backends.pynn.write:write",
    "sanafe": "pinnir.backends.sanafe.write:write",
    "spinnaker": "pinnir.backends.spinnaker.write:write",
}


def export(program: Program, target: str, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Write a program as the files of one target, completely or not at all.

    Args:
        program: What to write.
        target: Name in the EXPORTERS table.
        folder: Is made; must be empty if it exists.
        force: Write into a folder that is not empty, over files of the same names.

    Returns:
        The files.

    Raises:
        PinnirError: If there is no such export.
        ProgramFileError: If the folder is not empty or cannot be written.
    """
    exporter: Exporter = imported(look_up(EXPORTERS, target, "export"))
    folder = Path(folder)
    try:
        used = folder.is_dir() and any(folder.iterdir())
        if (folder.exists() and not folder.is_dir()) or (used and not force):
            raise ProgramFileError(
                f"{folder} is not an empty folder", hint="give a new one, or --force"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
        ) as name:
            draft = Path(name)
            draft.chmod(0o755)
            contents = exporter(program)
            write_files(draft, contents)
            if used:
                for file in contents:
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    (draft / file).replace(folder / file)
            else:
                draft.replace(folder)
    except OSError as error:
        if isinstance(error, PinnirError):
            raise
        raise ProgramFileError(
            f"cannot write {folder}: {error.strerror}", hint="give a writable folder"
        ) from error
    return sorted(path for path in folder.rglob("*") if path.is_file())
