"""The state of long passes, so that what was trained once is not trained again.

In memory it serves the search, which runs one training pass in many pipelines; on disk an
interrupted compilation goes on where it was.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pinnir.base.errors import ProgramFileError
from pinnir.base.files import write_atomic
from pinnir.ir.graph import Activation, Affine, Graph, Staircase
from pinnir.numerics.matrix import Array, entries


@dataclass(frozen=True)
class Checkpoints:
    """States by what they belong to: a key, and the graph that a pass was given.

    Attributes:
        folder: Where they are kept; None keeps them in memory.
    """

    folder: Path | None = None
    _kept: dict[str, dict[str, Array]] = field(default_factory=dict, compare=False)

    def load(self, key: str, graph: Graph) -> dict[str, Array] | None:
        """The state, or None if there is none.

        Raises:
            ProgramFileError: If the file is damaged.
        """
        name = _name(key, graph)
        if self.folder is None:
            kept = self._kept.get(name)
            return None if kept is None else {part: value.copy() for part, value in kept.items()}
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ProgramFileError(
                f"the state {path} cannot be read ({error})", hint="remove it, and run again"
            ) from error

    def save(self, key: str, graph: Graph, state: Mapping[str, Array]) -> None:
        """Replace the state."""
        name = _name(key, graph)
        if self.folder is None:
            self._kept[name] = {part: value.copy() for part, value in state.items()}
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez(buffer, **state)  # type: ignore[arg-type]
        write_atomic(self.folder / f"{name}.npz", buffer.getvalue())


def _name(key: str, graph: Graph) -> str:
    digest = hashlib.sha256(key.encode())
    for node in graph.nodes:
        digest.update(node.name.encode())
        if isinstance(node.op, Affine):
            digest.update(entries(node.op.weight).tobytes() + node.op.bias.tobytes())
        elif isinstance(node.op, Activation):
            digest.update(node.op.function.encode())
            for parameter in node.op.parameters:  # printed, long ones would be cut
                digest.update(np.asarray(parameter, np.float64).tobytes())
        elif isinstance(node.op, Staircase):
            digest.update(node.op.boundaries.tobytes())
    return digest.hexdigest()[:32]
