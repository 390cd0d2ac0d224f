"""A network as a file, as bytes, as an ONNX model: one door, and one result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import EncodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pinnir.base.errors import FrontendError
from pinnir.frontend import read_model
from tests.helpers import onnx_model, save
from tests.networks import Net

KINDS = (
    "give the path of an .onnx file, its bytes, an onnx.ModelProto or a torch.nn.Module; "
    "docs/from-your-framework.md says how to export others"
)


def refusal(source) -> str:
    with pytest.raises(FrontendError) as caught:
        read_model(source)
    return str(caught.value)


@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_every_form_is_the_same_model(tmp_path_factory, seed, sizes, dtype):
    net = Net(seed, dtype)
    proto = net.proto(net.mlp(net.input("x", sizes[0]), sizes))
    path = save(tmp_path_factory.mktemp("model"), proto)
    before = proto.SerializeToString(deterministic=True)
    by_path = read_model(str(path))
    for source in (path.read_bytes(), proto, by_path):
        found = read_model(source)
        assert (found.data, found.sha256, found.dtype) == (
            by_path.data,
            by_path.sha256,
            by_path.dtype,
        )
    assert proto.SerializeToString(deterministic=True) == before


def test_weights_beside_a_file_that_is_not_known(tmp_path):
    net = Net()
    proto = net.proto(net.mlp(net.input("x", 2), (2, 8, 1)))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="model.data", size_threshold=0)
    inside = read_model(onnx.load(path))
    assert inside.data == read_model(path).data
    without = onnx.load(path, load_external_data=False)
    for source in (without, without.SerializeToString()):
        assert refusal(source) == (
            f"initializer '{without.graph.initializer[0].name}': its data file 'model.data' cannot "
            "be found without the model's own file\n"
            "hint: give the path of the .onnx file; or what onnx.load makes of it, with the data "
            "inside"
        )


def test_a_model_that_is_too_large_for_a_message(monkeypatch):
    class Large:
        def SerializeToString(self, *, deterministic):  # noqa: N802
            raise EncodeError("Failed to serialize proto")

    monkeypatch.setattr(onnx, "ModelProto", Large)
    assert refusal(Large()) == (
        "the given ModelProto cannot be written as bytes; it may be larger than 2 GiB\n"
        "hint: export a smaller network"
    )


def test_torch_is_not_imported_for_other_networks(tmp_path):
    net = Net()
    path = save(tmp_path, net.proto(net.mlp(net.input("x", 2), (2, 4, 1))))
    script = (
        "import sys; from pinnir.frontend import read_model; "
        f"read_model({str(path)!r}); read_model(open({str(path)!r}, 'rb').read()); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("source", [42, None, b"".join, type, [1.0], np.zeros(2), {"w": 1}, Path])
def test_what_is_no_network(source):
    kind = type(source).__name__
    assert refusal(source) == (
        f"an object of type {kind} is no network that pinnir compiles\nhint: {KINDS}"
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [(onnx.ModelProto(), "the given ModelProto"), (b"", "the model given as bytes")],
)
def test_an_empty_model(source, name):
    assert refusal(source) == (
        f"{name} is not a readable ONNX model (it holds no graph)\n"
        "hint: the file may be truncated or of another format; export it again"
    )


def test_messages_name_what_was_given():
    proto = onnx_model([helper.make_node("MatMul", ["x", "w"], ["y"])])
    proto.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=TensorProto(name="w", dims=(1,), data_type=1))
    )
    del proto.opset_import[:]
    proto.opset_import.append(helper.make_opsetid("", 5))
    for source, name in (
        (proto, "the given ModelProto"),
        (proto.SerializeToString(), "the model given as bytes"),
    ):
        assert refusal(source).startswith(f"{name} uses operator set 5")
