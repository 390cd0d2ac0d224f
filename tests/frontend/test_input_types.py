"""Inputs and weights of other types than float and double."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import pinnir
from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import Model, import_bytes
from pinnir.ir.evaluate import evaluate
from tests.helpers import onnx_model, save

RNG = np.random.default_rng(0)
HALF = TensorProto.FLOAT16
LAYERS = [
    helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"]),
    helper.make_node("Tanh", ["h1"], ["h2"]),
    helper.make_node("MatMul", ["h2", "w2"], ["y"]),
]
WEIGHTS = {"w1": RNG.normal(size=(2, 8)), "b1": RNG.normal(size=8), "w2": RNG.normal(size=(8, 1))}


def as_type(kind: type) -> dict[str, np.ndarray]:
    return {name: value.astype(kind) for name, value in WEIGHTS.items()}


def both(model: Model, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What the graph gives, and ONNX Runtime."""
    named = {node.name: x for node, x in zip(model.graph.inputs, columns, strict=True)}
    return evaluate(model.graph, named)[0], OnnxRunner(model.data)(columns)[0]


def test_half_precision_is_read_and_the_source_stays():
    proto = onnx_model(LAYERS, as_type(np.float16), kind=HALF)
    model = import_bytes(proto.SerializeToString())
    assert model.dtype == "float32"
    assert onnx.load_from_string(model.data).graph.input[0].type.tensor_type.elem_type == HALF
    one, other = both(model, [RNG.uniform(-1, 1, (50, 2))])
    np.testing.assert_allclose(one, other, atol=1e-2)


def test_a_program_of_a_network_of_half_precision(tmp_path):
    model = save(tmp_path, onnx_model(LAYERS, as_type(np.float16), kind=HALF))
    program = pinnir.compile(model, domain="-1:1")
    result = program.run(RNG.uniform(-1, 1, (500, 2)))
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert error < 0.02


@pytest.mark.parametrize("kind", [TensorProto.BFLOAT16, HALF])
def test_weights_that_are_widened_by_a_cast(kind):
    weight = helper.make_tensor("w", kind, [2, 3], [0.5, -1.25, 2.0, 3.0, 0.75, -0.5])
    nodes = [
        helper.make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    proto = onnx_model(nodes)
    proto.graph.initializer.append(weight)
    one, other = both(import_bytes(proto.SerializeToString()), [RNG.uniform(-1, 1, (9, 2))])
    np.testing.assert_allclose(one, other, rtol=1e-6)


def with_whole_numbers(kind: int) -> onnx.ModelProto:
    """``x / 2 + (k + k) / 3`` in integers, or with truth values ``x / 2 + not k``."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"])]
    weights = {"w": np.array([[0.5]], np.float32)}
    if kind == TensorProto.BOOL:
        nodes.append(helper.make_node("Not", ["k"], ["k2"]))
    else:
        nodes.append(helper.make_node("Add", ["k", "k"], ["k1"]))
        nodes.append(helper.make_node("Div", ["k1", "three"], ["k2"]))
        weights["three"] = np.array([3], helper.tensor_dtype_to_np_dtype(kind))
    nodes.append(helper.make_node("Cast", ["k2"], ["k3"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Add", ["h", "k3"], ["y"]))
    proto = onnx_model(nodes, weights, inputs={"x": (None, 1), "k": (None, 1)})
    proto.graph.input[1].type.tensor_type.elem_type = kind
    return proto


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL])
@settings(max_examples=30)
@given(numbers=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=8))
def test_a_column_of_whole_numbers(kind, numbers):
    """Integers divide as integers; a number in between stands for the nearest."""
    model = import_bytes(with_whole_numbers(kind).SerializeToString())
    assert model.dtype == "float32"
    k = np.array(numbers)[:, None]
    one, other = both(model, [np.zeros_like(k), k])
    np.testing.assert_array_equal(one, other)
    nearest, _ = both(model, [np.zeros_like(k), np.round(k)])
    np.testing.assert_array_equal(one, nearest)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.BOOL])
def test_a_program_of_a_column_of_whole_numbers(tmp_path, kind):
    proto = with_whole_numbers(kind)
    proto.graph.node[-1].output[0] = "joined"
    proto.graph.node.extend(LAYERS)
    proto.graph.node[-3].input[0] = "joined"
    for name, value in as_type(np.float32).items():
        start = value[:1] if name == "w1" else value
        proto.graph.initializer.append(numpy_helper.from_array(start, name))
    program = pinnir.compile(save(tmp_path, proto), domain="x=-1:1,k=0:6")
    points = np.column_stack([RNG.uniform(-1, 1, 500), RNG.integers(0, 7, 500)])
    result = program.run(points)
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert error < 0.02


SMALL = [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16)] + ["UINT32", "UINT64"]


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=30)
@given(numbers=st.lists(st.floats(-70000, 70000, width=32), min_size=1, max_size=8))
def test_columns_of_other_whole_numbers(name, numbers):
    """What is beyond the type's ends stands for these."""
    nodes = [
        helper.make_node("Cast", ["k"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "w"], ["y"]),
    ]
    proto = onnx_model(nodes, {"w": np.array([[0.5]], np.float32)}, inputs={"k": (None, 1)})
    kind = TensorProto.DataType.Value(name)
    proto.graph.input[0].type.tensor_type.elem_type = kind
    model = import_bytes(proto.SerializeToString())
    k = np.array(numbers)[:, None]
    one, other = both(model, [k])
    np.testing.assert_array_equal(one, other)
    limits = np.iinfo(helper.tensor_dtype_to_np_dtype(kind))
    expected = np.clip(np.rint(k), float(limits.min), float(limits.max))
    np.testing.assert_allclose(one, 0.5 * expected, rtol=1e-6)


def test_inputs_in_bfloat16():
    proto = onnx_model([helper.make_node("Identity", ["x"], ["y"])], kind=TensorProto.BFLOAT16)
    with pytest.raises(FrontendError) as caught:
        import_bytes(proto.SerializeToString())
    assert str(caught.value) == (
        "Input 'x': is bfloat16, which ONNX Runtime does not run on ordinary processors\n"
        "hint: export it with float or half inputs; its weights may stay"
    )
