"""Program files of other formats than this pinnir reads: what wrote them, what makes them anew.

Formats 2 and 3 held every weight in full. Only a manifest is read of such a file, by a child
process, and only what makes the message.
"""

from __future__ import annotations

import io
import re
import shlex
from math import isfinite
from pathlib import Path
from typing import Annotated, TypeAlias

import h5py
import msgspec
from msgspec import Meta

from pinnir.base.errors import ProgramFileError
from pinnir.base.files import FORMAT, STREAMED_FORMAT
from pinnir.base.sandbox import run_isolated
from pinnir.points.domain import StoredDomain
from pinnir.program.file_check import GROUP, damaged

_Word: TypeAlias = Annotated[str, Meta(pattern=r"^[\w.+-]{1,64}\Z")]
_Text: TypeAlias = Annotated[str, Meta(pattern=r"^[ -~]{0,4000}\Z")]
_NEURON = re.compile(r"\bneuron=([\w-]+)")


class _Told(msgspec.Struct, frozen=True):
    """What the manifests of all formats say of how a program was made."""

    coding: _Word
    target: _Word
    pipeline: _Text
    domain: StoredDomain
    versions: dict[str, _Word]
    source_sha256: _Word
    seed: int = 0
    norm: _Word | None = None
    rtol: float | None = None


def refused(version: int, data: bytes, name: str) -> ProgramFileError:
    """The error for a file of another format.

    Args:
        version: Its format.
        data: The file without its seal.
        name: Of the file.
    """
    call = "pinnir.program.other_formats:manifest_of"
    found = run_isolated(call, name, ProgramFileError, data=data, name=name)
    try:
        told = msgspec.json.decode(found, type=_Told)
    except msgspec.DecodeError as error:
        return damaged(name, f"format {version}, {error}")
    return ProgramFileError(
        f"{name} has format {version} and was written by pinnir "
        f"{told.versions.get('pinnir', 'of an unknown version')}; "
        f"this pinnir reads formats {FORMAT} and {STREAMED_FORMAT}",
        hint="make it anew from the model whose SHA-256 begins with "
        f"{told.source_sha256[:12]}: {_command(told, name)}",
    )


def manifest_of(data: bytes, name: str) -> bytes:
    """The manifest of a file of any format; runs in a child of ``base/sandbox.py``.

    Raises:
        ProgramFileError: If there is none.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return bytes(file[GROUP]["manifest"][()].tobytes())
    except (OSError, KeyError, AttributeError) as error:
        raise damaged(name, f"no readable manifest: {error}") from error


def _command(told: _Told, name: str) -> str:
    """What makes such a program: the search that found it, or the passes that were asked for."""
    domain = str(told.domain.restored())
    # Columns may have any names; what would steer a terminal is not printed.
    asked = ["pinnir", "compile", "MODEL.onnx", "--domain", domain if domain.isprintable() else "?"]
    asked += ["--target", told.target]
    if told.rtol is None or not isfinite(told.rtol):
        asked += ["--pipeline", told.pipeline]
    else:
        neuron = _NEURON.search(told.pipeline)
        asked += ["--coding", told.coding, *(("--neuron", neuron[1]) if neuron else ())]
        asked += ["--rtol", f"{told.rtol:.6g}", *(("--norm", told.norm) if told.norm else ())]
    asked += ["--seed", str(told.seed)] if told.seed else []
    return shlex.join([*asked, "-o", Path(name).name])
