"""Running models with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from pinnir.base.errors import BackendError
from pinnir.base.onnx_runner import OnnxRunner
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


def test_a_fixed_number_of_samples_is_told_and_insisted_on():
    shapes = {"a": (3, 2), "b": (None, 2)}
    nodes = [helper.make_node("Mul", ["a", "two"], ["y"]), helper.make_node("Sin", ["b"], ["s"])]
    run = runner(nodes, {"two": np.full(1, 2.0)}, inputs=shapes, outputs=["y", "s"])
    assert run.shapes == [(3, 2), (None, 2)]
    doubled, sines = run([X[:3], X])
    np.testing.assert_array_equal(doubled, 2 * X[:3])
    np.testing.assert_allclose(sines, np.sin(X), rtol=1e-14)
    with pytest.raises(BackendError, match="cannot run the model"):
        run([X[:4], X])


def test_no_points():
    (y,) = runner([SINE])([X[:0]])
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


@pytest.mark.parametrize(("shape", "rank"), [([-1], 1), ([-1, 1, 2], 3), ([2, -1], 2)])
def test_outputs_of_any_shape_are_given_as_they_are(shape, rank):
    model = onnx_model([helper.make_node("Reshape", ["x", "s"], ["y"])], {"s": np.array(shape)})
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for _ in range(rank):
        model.graph.output[0].type.tensor_type.shape.dim.add()
    (y,) = OnnxRunner(model.SerializeToString())([X])
    np.testing.assert_array_equal(y, X.astype(np.float32).reshape(shape))


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
