"""Mutants of ONNX models, compiled: ``python -m fuzz.onnx_models --count 20000``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from fuzz.bytes import mutate_bytes
from fuzz.harness import main
from fuzz.onnx_bases import bases, patches
from fuzz.onnx_fields import mutate_fields
from fuzz.onnx_hostile import HOSTILE

# Shares of the three ways: bytes, fields of the message, and cases that somebody thought of.
_BYTES, _FIELDS = 0.30, 0.40


def make(rng: np.random.Generator, folder: Path, decoy: Path) -> tuple[str, list[list[str]]]:
    """Write a mutant; gives its kind and the command for it."""
    base = bases()[rng.integers(len(bases()))]
    way = rng.random()
    if way < _BYTES:
        kind, data = mutate_bytes(rng, base)
        kind = f"bytes: {kind}"
    else:
        model = onnx.load_from_string(base)
        if way < _BYTES + _FIELDS:
            kind = "fields"
            for _ in range(2 ** int(rng.integers(0, 4))):
                mutate_fields(rng, model)
        else:
            kind = str(rng.choice(list(HOSTILE)))
            hostile: Callable[..., bytes | None] = HOSTILE[kind]
            given = hostile(rng, model, folder, decoy)
            kind = f"case: {kind}"
        data = given if way >= _BYTES + _FIELDS and given is not None else _serialised(model)
    path = folder / "model.onnx"
    path.write_bytes(data)
    (folder.parent / "out").mkdir()
    out = folder.parent / "out" / "out.nir"
    size = ["--coding", "signgd", "--steps", "4"] if base == patches() else ["--levels", "4"]
    command = ["compile", str(path), "--domain=-1:1", *size, "-o", str(out)]
    return kind, [command]


def _serialised(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializePartialToString()
    return data


if __name__ == "__main__":
    main("fuzz.onnx_models", 20_000)
