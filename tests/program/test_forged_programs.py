"""Program files whose checksum is right and whose contents are not pinnir's."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest

from pinnir.base.errors import ProgramFileError
from pinnir.base.files import seal
from pinnir.program.reading import read
from tests.backends.networks import small_program

AGAIN = "hint: compile it again"
LAYER = "node/nodes/fc1_act0_fine"


def refusal(path: Path) -> str:
    with pytest.raises(ProgramFileError) as caught:
        read(path)
    return str(caught.value).replace(str(path), "PROGRAM")


def forged(folder: Path, change: Callable[[h5py.File], object], coding: str = "population") -> str:
    """What is said of a program after a change and a new seal."""
    path = folder / "p.nir"
    path.write_bytes(small_program(coding).to_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(seal(path.read_bytes()[512:]))
    return refusal(path)


def put(file: h5py.File, path: str, value: object, **options: object) -> None:
    if path in file:
        del file[path]
    file.create_dataset(path, data=value, **options)


def manifest(**entries: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        told = json.loads(file["pinnir/manifest"][()].tobytes()) | entries
        data = json.dumps(told).encode()
        put(file, "pinnir/manifest", np.frombuffer(data, np.uint8))

    return change


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("steps", 0),
        ("steps", 10**9),
        ("steps", 1.5),
        ("steps", True),
        ("steps", "1"),
        ("read_out", "first"),
        ("coding", None),
        ("coding", "\ud800"),
        ("inputs", []),
        ("inputs", [["x", 2**40]]),
        ("outputs", [1]),
        ("domain", [["x", "t"], [0.0, 0.0], [1.0, float("nan")]]),
        ("domain", [["x", "t"], [0.0, 0.0], [1.0, -1.0]]),
        ("domain", [["x", "t"], [-1e308, 0.0], [1e308, 1.0]]),
        ("cost", {"macs": 0, "core_macs": 0, "activations": 0}),
        ("cost", {"macs": 1}),
        ("passes", [{"name": "lower"}]),
        ("passes", 3),
        ("segments", [["core.1", ["x"], ["y"]], ["core.1", ["x"], ["y"]]]),
        ("segments", [["../core", ["x"], ["y"]]]),
        ("metrics", []),
        ("metrics", {"rel_l2": "1"}),
        ("budget", 3),
        ("budget", []),
        ("budget", {}),
    ],
)
def test_manifest(tmp_path, entry, value):
    what = "its manifest" if value == "\ud800" else f"the entry {entry!r} of its manifest"
    assert forged(tmp_path, manifest(**{entry: value})) == (
        f"PROGRAM is damaged ({what} is missing or wrong)\n{AGAIN}"
    )


def test_manifest_that_is_nested_too_deeply(tmp_path):
    deep = np.frombuffer(b"[" * 100_000 + b"]" * 100_000, np.uint8)
    message = forged(tmp_path, lambda file: put(file, "pinnir/manifest", deep))
    assert message.startswith("PROGRAM is damaged (RecursionError: ")


def loop(file: h5py.File) -> None:
    file["node/nodes/again"] = file["node"]


def link(target: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["node/more"] = target

    return change


def no_data(file: h5py.File) -> None:
    del file[f"{LAYER}/weight"]
    file.create_dataset(f"{LAYER}/weight", (2**20, 2**20), "f8", chunks=(64, 64))


def nothing_of_blocks(file: h5py.File) -> None:
    no_data(file)
    told = json.dumps({"fc1_act0_fine": {"blocks": 1}}).encode()
    put(file, "pinnir/forms", np.frombuffer(told, np.uint8))


def filled_in(file: h5py.File) -> None:
    del file[f"{LAYER}/weight"]
    file.create_dataset(f"{LAYER}/weight", data=np.ones((4, 4)), chunks=(4, 4), fillvalue=2.0)


def elsewhere(file: h5py.File) -> None:
    del file[f"{LAYER}/weight"]
    file.create_dataset(f"{LAYER}/weight", (3,), "f8", external=[("/etc/hostname", 0, 24)])


def packed(file: h5py.File) -> None:
    put(file, f"{LAYER}/weight", np.ones((4, 4)), compression="lzf")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (loop, "it holds too many objects"),
        (link(h5py.SoftLink("/node")), "/node/more is a link"),
        (link(h5py.ExternalLink("/etc/hostname", "/x")), "/node/more is a link"),
        (no_data, f"/{LAYER}/weight is larger than its data"),
        (nothing_of_blocks, f"/{LAYER}/weight is larger than its data"),
        (filled_in, f"/{LAYER}/weight is larger than its data"),
        (elsewhere, f"the data of /{LAYER}/weight are in another file"),
        (packed, f"the data of /{LAYER}/weight need another filter"),
        (
            lambda f: put(f, f"{LAYER}/weight", np.ones((4, 4), complex)),
            f"/{LAYER}/weight holds complex128",
        ),
        (
            lambda f: put(f, f"{LAYER}/weight", np.full((4, 4), np.nan)),
            f"/{LAYER}/weight holds NaN",
        ),
        (lambda f: put(f, f"{LAYER}/weight", np.ones((0, 4))), f"/{LAYER}/weight is empty"),
    ],
)
def test_hdf5(tmp_path, change, problem):
    assert forged(tmp_path, change) == f"PROGRAM is damaged ({problem})\n{AGAIN}"


@pytest.mark.parametrize(
    "change",
    [
        lambda f: put(f, f"{LAYER}/weight", np.ones((3, 5))),
        lambda f: f.pop(LAYER),
        lambda f: put(f, f"{LAYER}/type", "LIF"),
        lambda f: f.create_group("node/nodes/a.b"),
        lambda f: put(f, "node/edges", [["input", "output"]], dtype=h5py.string_dtype()),
        lambda f: put(f, "node/edges", [["a", "b"], ["b", "a"]], dtype=h5py.string_dtype()),
    ],
)
def test_nir(tmp_path, change):
    message = forged(tmp_path, change)
    assert message.startswith("PROGRAM is damaged (")
    assert message.endswith(f"\n{AGAIN}")


@pytest.mark.parametrize(
    "told", [b"{", b"[]", b'{"fc0": {"blocks": 2}}', b'{"fc2": {"levels": "fc1"}}']
)
def test_forms_of_weights(tmp_path, told):
    change = partial(put, path="pinnir/forms", value=np.frombuffer(told, np.uint8))
    message = forged(tmp_path, lambda file: change(file))
    assert message.startswith("PROGRAM is damaged (")
    assert message.endswith(f"\n{AGAIN}")


def model(change: Callable[[onnx.ModelProto], object]) -> Callable[[h5py.File], None]:
    def put_model(file: h5py.File) -> None:
        proto = onnx.load_from_string(file["pinnir/source"][()].tobytes())
        change(proto)
        put(file, "pinnir/source", np.frombuffer(proto.SerializeToString(), np.uint8))

    return put_model


def outside(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")


def other_operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].op_type = "Hardmax"


def test_source_that_reads_files(tmp_path):
    message = forged(tmp_path, model(outside))
    assert message == f"PROGRAM is damaged (source keeps its weights in another file)\n{AGAIN}"


def test_source_of_other_operators(tmp_path):
    message = forged(tmp_path, model(other_operator))
    assert message == f"PROGRAM is damaged (source holds the operators Hardmax)\n{AGAIN}"


def test_host_part_that_is_no_model(tmp_path):
    junk = np.frombuffer(b"\xff" * 100, np.uint8)
    message = forged(tmp_path, lambda f: put(f, "pinnir/source", junk))
    assert message.startswith("PROGRAM is damaged (source: ")


def test_outputs_that_are_not_finite(tmp_path):
    def blow_up(file: h5py.File) -> None:
        bias = file["node/nodes/fc2_act1_coarse/bias"]
        bias[...] = np.inf

    assert forged(tmp_path, blow_up) == (
        f"PROGRAM is damaged (its outputs are not finite)\n{AGAIN}"
    )
