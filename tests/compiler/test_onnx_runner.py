"""Running models with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from pinnir import onnx_runner
from pinnir.errors import BackendError
from pinnir.onnx_runner import OnnxRunner
from tests.helpers import onnx_model

SINE = helper.make_node("Sin", ["x"], ["y"])
X = np.random.default_rng(0).uniform(-1, 1, (10, 2))


def runner(nodes, weights=None, **options) -> OnnxRunner:
    options.setdefault("kind", TensorProto.DOUBLE)
    return OnnxRunner(onnx_model(nodes, weights, **options).SerializeToString())


def test_open_batch():
    run = runner([SINE])
    assert run.input_names == ["x"]
    (y,) = run([X])
    np.testing.assert_allclose(y, np.sin(X), rtol=1e-14)


@pytest.mark.parametrize("chunk", [1, 3, 10, 11])
def test_points_run_in_chunks(monkeypatch, chunk):
    monkeypatch.setattr(onnx_runner, "_CHUNK", chunk)
    (y,) = runner([SINE])([X])
    np.testing.assert_allclose(y, np.sin(X), rtol=1e-14)


@pytest.mark.parametrize("batch", [1, 3, 10, 16])
@pytest.mark.parametrize("samples", [1, 7, 10])
def test_fixed_batch(batch, samples):
    (y,) = runner([SINE], inputs={"x": (batch, 2)})([X[:samples]])
    np.testing.assert_allclose(y, np.sin(X[:samples]), rtol=1e-14)


@pytest.mark.parametrize("batch", [None, 3])
def test_no_points(batch):
    (y,) = runner([SINE], inputs={"x": (batch, 2)})([X[:0]])
    assert y.shape == (0, 2)


def test_float32_models_give_float64_arrays():
    (y,) = runner([SINE], kind=TensorProto.FLOAT)([X])
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, y.astype(np.float32))
    np.testing.assert_allclose(y, np.sin(X), atol=1e-6)


def test_several_inputs_and_outputs():
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    shapes = {"a": (None, 2), "b": (None, 2)}
    run = runner(nodes, inputs=shapes, outputs=["difference", "sum"])
    assert run.input_names == ["a", "b"]
    difference, total = run([X, 3 * X[::-1]])
    np.testing.assert_array_equal(difference, X - 3 * X[::-1])
    np.testing.assert_array_equal(total, X + 3 * X[::-1])


def test_output_without_columns():
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    model = onnx_model(nodes, {"shape": np.array([-1])}, inputs={"x": (None, 1)})
    model.graph.output[0].type.tensor_type.shape.dim.pop()
    (y,) = OnnxRunner(model.SerializeToString())([X[:, :1]])
    np.testing.assert_array_equal(y, X[:, :1].astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "rank", "text"), [([-1, 1, 2], 3, "(10, 1, 2)"), ([2, -1], 2, "(2, 10)")]
)
def test_output_that_is_not_one_row_a_point(shape, rank, text):
    model = onnx_model([helper.make_node("Reshape", ["x", "s"], ["y"])], {"s": np.array(shape)})
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for _ in range(rank):
        model.graph.output[0].type.tensor_type.shape.dim.add()
    with pytest.raises(BackendError) as caught:
        OnnxRunner(model.SerializeToString(), "host part")([X])
    assert str(caught.value) == (
        f"an output of the host part has shape {text}, not (10, columns)\n"
        "hint: export the network so that every point gives one row"
    )


def test_model_that_cannot_be_loaded():
    with pytest.raises(BackendError) as caught:
        OnnxRunner(b"garbage", "host part")
    assert str(caught.value) == (
        f"ONNX Runtime cannot load the host part: {caught.value.__cause__}"
    )


def test_points_that_do_not_fit():
    run = runner([SINE])
    with pytest.raises(BackendError) as caught:
        run([X[:, :1]])
    assert str(caught.value) == f"ONNX Runtime cannot run the model: {caught.value.__cause__}"
