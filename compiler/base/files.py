"""Files: written completely or not at all, and sealed so that damage is seen before parsing.

A sealed file begins with 512 bytes of text that hold the length and the SHA-256 of the rest. HDF5
calls such a start a user block and skips it, so every HDF5 reader still opens the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pinnir.base.errors import ProgramFileError

# Format 5 holds cores for programmable neurons as well, which readers of format 4 need not know.
FORMAT, STREAMED_FORMAT = 4, 5
LARGEST = 2**30

_BLOCK = 512  # the smallest user block that HDF5 allows
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SEAL = re.compile(rb"pinnir program (\d{1,9})\nbytes (\d{1,18})\nsha256 ([0-9a-f]{64})\n *\n")
_AGAIN = "compile one with: pinnir compile MODEL.onnx --domain ... -o OUT.nir"


def seal(data: bytes, version: int = FORMAT) -> bytes:
    """``data`` behind a block that holds its format, length and checksum."""
    told = f"pinnir program {version}\nbytes {len(data)}\nsha256 {hashlib.sha256(data).hexdigest()}"
    return f"{told}\n".encode().ljust(_BLOCK - 1) + b"\n" + data


def unseal(sealed: bytes, name: str) -> tuple[int, bytes]:
    """Format and ``data`` of what :func:`seal` gave, of whatever version of pinnir.

    Raises:
        ProgramFileError: If the seal is missing or does not fit the rest.
    """
    if sealed.startswith(_HDF5):
        raise ProgramFileError(
            f"{name} is an HDF5 file without pinnir's seal",
            hint="pinnir runs programs that this version compiled; read plain NIR files with "
            "nir.read",
        )
    found = _SEAL.fullmatch(sealed[:_BLOCK])
    if found is None:
        raise ProgramFileError(
            f"{name} is not a program file", hint="give a .nir file that pinnir compile wrote"
        )
    data, size = sealed[_BLOCK:], int(found[2])
    if len(data) != size:
        raise ProgramFileError(
            f"{name} is damaged: it holds {len(data)} of {size} bytes",
            hint="copy or compile it again",
        )
    if hashlib.sha256(data).hexdigest().encode() != found[3]:
        raise ProgramFileError(
            f"{name} is damaged: its checksum does not match", hint="copy or compile it again"
        )
    return int(found[1]), data


def read_file(path: Path) -> bytes:
    """The bytes of a program file.

    Raises:
        ProgramFileError: If it cannot be read, is no ordinary file, or is too large to be one.
    """
    problem = ""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST:
            return path.read_bytes()
        problem = "it is larger than 1 GiB"
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            problem = "Is a directory" if path.is_dir() else "it is not an ordinary file"
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    raise ProgramFileError(f"cannot read the program file {path}: {problem}", hint=_AGAIN)


def check_writable(path: Path, *, make_folder: bool = False) -> None:
    """Find out before the work whether a file can be written.

    Raises:
        ProgramFileError: If it cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ProgramFileError(
            f"cannot write {path}: {error.strerror}", hint="give a writable path"
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there completely or not at all.

    Raises:
        ProgramFileError: If that fails.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise ProgramFileError(
                f"cannot write {path}: {error.strerror}", hint="give a writable path"
            ) from error
        raise


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder that is there; names may hold subfolders."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
