"""Weights in a separate file: read from the model's folder, and from nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from pinnir.base.errors import FrontendError
from pinnir.frontend import read_model
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from tests.helpers import onnx_model, save

WEIGHT = np.array([[1.0], [2.0]], np.float32)
LAYER = [helper.make_node("MatMul", ["x", "w"], ["y"])]
OUTSIDE = "hint: put the data file beside the model, or export with the weights inside"


def external(**entries: object) -> TensorProto:
    tensor = TensorProto(
        name="w", dims=WEIGHT.shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
    )
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def saved(folder, **entries: object):
    """A model in ``folder`` whose weight is elsewhere."""
    folder.mkdir(exist_ok=True)
    model = onnx_model(LAYER)
    model.graph.initializer.append(external(**entries))
    return save(folder, model)


def refusal(path) -> str:
    with pytest.raises(FrontendError) as caught:
        read_model(path)
    return str(caught.value)


@pytest.mark.parametrize("location", ["weights.bin", "deep/weights.bin", "./weights.bin"])
@pytest.mark.parametrize("offset", [0, 8])
def test_data_in_the_models_folder(tmp_path, monkeypatch, location, offset):
    path = saved(tmp_path / "model", location=location, offset=offset, length=8)
    data = path.parent / location
    data.parent.mkdir(exist_ok=True)
    data.write_bytes(bytes(offset) + WEIGHT.tobytes())
    for model in (read_model(path), import_bytes(read_model(path).data)):
        (y,) = evaluate(model.graph, {"x": np.array([[3.0, 5.0]])})
        assert y == [[13.0]]
    monkeypatch.chdir(path.parent)
    assert read_model("model.onnx").data == read_model(path).data


@pytest.mark.parametrize("location", ["../weights.bin", "deep/../../weights.bin"])
def test_data_outside_the_models_folder(tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    path = saved(tmp_path / "model", location=location)
    assert refusal(path) == (
        f"initializer 'w': its data file {location!r} lies outside the model's folder\n{OUTSIDE}"
    )


def test_absolute_path(tmp_path):
    data = tmp_path / "model" / "weights.bin"
    path = saved(tmp_path / "model", location=data)
    data.write_bytes(WEIGHT.tobytes())
    assert refusal(path) == (
        f"initializer 'w': its data file {str(data)!r} lies outside the model's folder\n{OUTSIDE}"
    )


def test_link_that_leaves_the_folder(tmp_path):
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    path = saved(tmp_path / "model", location="link.bin")
    (path.parent / "link.bin").symlink_to(tmp_path / "weights.bin")
    assert refusal(path) == (
        f"initializer 'w': its data file 'link.bin' lies outside the model's folder\n{OUTSIDE}"
    )


def test_missing_data(tmp_path):
    path = saved(tmp_path / "model", location="weights.bin")
    assert refusal(path) == (
        f"initializer 'w': its data file 'weights.bin' is missing\nhint: put it into {path.parent}"
    )


def test_data_shorter_than_said(tmp_path):
    path = saved(tmp_path / "model", location="weights.bin", length=8)
    (path.parent / "weights.bin").write_bytes(WEIGHT.tobytes()[:4])
    message = refusal(path)
    assert message.startswith("initializer 'w': its data file 'weights.bin' cannot be read: ")
    assert message.endswith("\nhint: export the model again")


def test_data_shorter_than_the_weight(tmp_path):
    path = saved(tmp_path / "model", location="weights.bin")
    (path.parent / "weights.bin").write_bytes(WEIGHT.tobytes()[:4])
    message = refusal(path)
    assert message.startswith(f"{path} is not a valid ONNX model: ")
    assert message.endswith("\nhint: export it again")


@pytest.mark.parametrize("location", ["weights.bin", "deep/weights.bin"])
def test_constant_nodes_do_not_read_from_the_working_folder(tmp_path, monkeypatch, location):
    """Their data, too, lies beside the model or is refused."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / location).write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(elsewhere)
    (tmp_path / "model").mkdir()
    constant = helper.make_node("Constant", [], ["w"], value=external(location=location))
    path = save(tmp_path / "model", onnx_model([constant, *LAYER]))
    with pytest.raises(FrontendError):
        read_model(path)
