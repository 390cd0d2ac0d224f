"""Mutants of program files, run and inspected: ``python -m fuzz.programs --count 5000``."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx

import pinnir
from fuzz.bytes import FLOATS, NUMBERS, TEXTS, mutate_bytes
from fuzz.harness import main
from fuzz.onnx_bases import EXAMPLES, bases, patches
from fuzz.onnx_fields import mutate_fields
from pinnir.base.files import seal, unseal
from pinnir.frontend.reader import import_bytes

Rng = np.random.Generator

# Shares of the ways: bytes of the sealed file; then, sealed again, bytes of the HDF5 file, its
# groups and datasets, the JSON texts (the manifest, streamed graphs, functions of neurons), and the
# ONNX models inside.
_WAYS = {"sealed bytes": 0.1, "HDF5 bytes": 0.3, "HDF5 objects": 0.3, "JSON": 0.2, "ONNX": 0.1}

# Elements of a dataset that is changed value by value; one of 2^62 may have been put there before.
_LARGEST = 2**24


@cache
def programs() -> tuple[bytes, ...]:
    """Small programs of all codings, with host parts and without NIR cores, and an example."""
    found = [_compiled(bases()[number], levels=4) for number in (0, 1, 2, 4)]
    found.append(_compiled(bases()[0], coding="rate", steps=4, levels=9))
    found += [_compiled(bases()[0], coding=coding, levels=4) for coding in ("phase", "delta")]
    found.append(_compiled(bases()[0], coding="signgd", steps=4, levels=4))
    found.append(_compiled(patches(), coding="signgd", steps=16))
    example = (EXAMPLES / "poisson" / "program.nir").read_bytes()
    return tuple(unseal(data, "base")[1] for data in [*found * 4, example])


def _compiled(model: bytes, **options: Any) -> bytes:
    return pinnir.compile(import_bytes(model), "-1:1", **options).to_bytes()


def make(rng: Rng, folder: Path, decoy: Path) -> tuple[str, list[list[str]]]:
    """Write a mutant; gives its kind and the commands for it."""
    base = programs()[rng.integers(len(programs()))]
    way = str(rng.choice(list(_WAYS), p=list(_WAYS.values())))
    if way == "sealed bytes":
        data = mutate_bytes(rng, seal(base))[1]
    elif way == "HDF5 bytes":
        data = seal(_damaged(rng, base))
    else:
        data = seal(_rewritten(rng, base, way, decoy))
    path = folder / "program.nir"
    path.write_bytes(data)
    (folder.parent / "out").mkdir()
    field = str(folder.parent / "out" / "field.npz")
    return way, [["run", str(path), "--grid", "3x3", "-o", field], ["inspect", str(path)]]


def _damaged(rng: Rng, data: bytes) -> bytes:
    """Mostly near the start of the file, where HDF5 keeps its tables."""
    size = len(data) if rng.random() < 0.5 else min(len(data), 8192)
    return mutate_bytes(rng, data[:size])[1] + data[size:]


def _rewritten(rng: Rng, data: bytes, way: str, decoy: Path) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        for _ in range(int(rng.integers(1, 4))):
            if way == "JSON":
                path = str(rng.choice(_texts(file)))
                _replace(file, path, _other_json(rng, file[path][()].tobytes()))
            elif way == "ONNX":
                models = [k for k in file["pinnir"] if k == "source" or k.startswith("host")]
                name = str(rng.choice(models))
                _replace(file, f"pinnir/{name}", _other_model(rng, file, name, decoy))
            else:
                _change_object(rng, file, decoy)
    return buffer.getvalue()


def _replace(file: h5py.File, path: str, value: Any, **options: Any) -> None:
    del file[path]
    if isinstance(value, bytes):
        value = np.frombuffer(value, np.uint8)
    file.create_dataset(path, data=value, **options)


def _texts(file: h5py.File) -> list[str]:
    """Paths of the JSON texts; the manifest as often as all others."""
    found: list[str] = []
    file.visit(lambda n: found.append(n) if n.endswith(("/graph", ".function")) else None)
    return [*["pinnir/manifest"] * max(1, len(found)), *found]


def _other_json(rng: Rng, text: bytes) -> bytes:
    if rng.random() < 0.1:
        deep = int(rng.choice([100, 1000, 100_000]))
        return b"[" * deep + b"]" * deep
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return mutate_bytes(rng, text)[1]
    _change_json(rng, told)
    return json.dumps(told).encode("utf-8", "surrogatepass")


def _change_json(rng: Rng, value: Any) -> None:
    """Change one value somewhere inside."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[rng.integers(len(keys))]
        if not isinstance(value[key], dict | list) or rng.random() < 0.2:
            break
        value = value[key]
    if rng.random() < 0.15:
        del value[key]
        return
    others = [*NUMBERS, *FLOATS, *TEXTS, "\ud800", None, True, [], {}, [[]], [None, None, None]]
    value[key] = others[rng.integers(len(others))]


def _other_model(rng: Rng, file: h5py.File, name: str, decoy: Path) -> bytes:
    data = file[f"pinnir/{name}"][()].tobytes()
    way = rng.random()
    if way < 0.3 or not data:
        return mutate_bytes(rng, data or b"x")[1]
    if way < 0.5:
        return bases()[rng.integers(len(bases()))]
    try:
        model = onnx.load_from_string(data)
    except Exception:  # damaged by the mutation before
        return data
    if way < 0.7 and model.graph.initializer:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=str(decoy))
    else:
        mutate_fields(rng, model)
    changed: bytes = model.SerializePartialToString()
    return changed


def _change_object(rng: Rng, file: h5py.File, decoy: Path) -> None:
    """Change a group or dataset in a way that HDF5 allows."""
    datasets: list[str] = []
    groups: list[str] = ["/"]
    file.visititems(lambda n, o: (datasets if isinstance(o, h5py.Dataset) else groups).append(n))
    path, group = str(rng.choice(datasets)), str(rng.choice(groups))
    way = int(rng.integers(12))
    if way == 0:
        del file[path]
    elif way == 1 and group != "/":
        del file[group]
    elif way == 2:
        _put_link(rng, file, path, group, decoy)
    elif way == 3:
        file.move(path, f"{path}{rng.choice(['_', '/a', '.x', '_feedback', ' '])}")
    elif way == 4:
        shape = tuple(int(n) for n in rng.choice([1, 2, 2**10, 2**20, 2**31], 2))
        del file[path]
        file.create_dataset(path, shape=shape, dtype="f8", chunks=(1, 1), fillvalue=1.0)
    elif way == 5:
        del file[path]
        file.create_dataset(path, shape=(3,), dtype="f8", external=[(str(decoy), 0, 24)])
    elif way == 6:
        file.create_group(f"{group}/{TEXTS[rng.integers(len(TEXTS))].replace(chr(0), '')}x")
    elif way == 7 and "node/edges" in file:
        edges = file["node/edges"][()]
        edges[rng.integers(len(edges))] = edges[rng.integers(len(edges))][::-1]
        _replace(file, "node/edges", edges, dtype=h5py.string_dtype())
    else:
        _change_values(rng, file, path)


def _put_link(rng: Rng, file: h5py.File, path: str, group: str, decoy: Path) -> None:
    del file[path]
    inside = [h5py.SoftLink(target) for target in ("/node", "/nowhere", f"/{path}")]
    links = [h5py.ExternalLink(str(decoy), "/x"), *inside, file.get(group, file)]
    file[path] = links[rng.integers(len(links))]


def _change_values(rng: Rng, file: h5py.File, path: str) -> None:
    if file[path].size > _LARGEST:
        return
    value = file[path][()]
    if isinstance(value, bytes):
        _replace(file, path, str(rng.choice([*TEXTS[3:9], "NIRGraph", "LIF", "Threshold", "IF"])))
        return
    array = np.array(value)
    if array.dtype.kind not in "iuf":
        return
    way = int(rng.integers(6))
    if way == 0 and array.size:
        pool = FLOATS if array.dtype.kind == "f" else [n for n in NUMBERS if 0 <= n < 128]
        array.flat[rng.integers(array.size)] = pool[rng.integers(len(pool))]
    elif way == 1:
        array = array.reshape(-1)
    elif way == 2:
        array = array[None]
    elif way == 3 and array.ndim:
        array = array[: len(array) // 2]
    elif way == 4:
        array = array.astype(str(rng.choice(["f2", "f4", "i1", "u8", "c16", "S3", "?"])))
    else:
        array = array.T.copy() if array.ndim > 1 else np.repeat(array, 2)
    _replace(file, path, array)


if __name__ == "__main__":
    main("fuzz.programs", 5000)
