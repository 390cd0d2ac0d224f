"""Models quantised by the numbers of each batch are read as what they are without that rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import pinnir
from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.batch_rounding import left_out, without_batch_rounding
from pinnir.frontend.reader import import_bytes, read_model
from pinnir.ir.evaluate import evaluate
from pinnir.search.preflight import preflight
from tests.helpers import onnx_model, save
from tests.strategies import SEEDS

SOURCE = "com.microsoft"
ROUNDING = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "rounding")


def perceptron(rng: np.random.Generator) -> onnx.ModelProto:
    """Three layers, with biases."""
    weights = {
        "w0": rng.normal(size=(2, 8)).astype(np.float32),
        "b0": rng.normal(size=8).astype(np.float32),
        "w1": rng.normal(size=(8, 8)).astype(np.float32) / 3,
        "w2": rng.normal(size=(8, 1)).astype(np.float32) / 3,
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h0"]),
        helper.make_node("Tanh", ["h0"], ["t0"]),
        helper.make_node("MatMul", ["t0", "w1"], ["h1"]),
        helper.make_node("Tanh", ["h1"], ["t1"]),
        helper.make_node("MatMul", ["t1", "w2"], ["y"]),
    ]
    return onnx_model(nodes, weights, opset=17)


def in_own_domain(proto: onnx.ModelProto) -> onnx.ModelProto:
    proto.opset_import.append(helper.make_opsetid(SOURCE, 1))
    return proto


def values(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    model = import_bytes(proto.SerializeToString())
    (one,) = evaluate(model.graph, {"x": x})
    np.testing.assert_allclose(OnnxRunner(model.data)([x])[0], one, rtol=1e-5, atol=1e-5)
    return one


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8], ids=str)
def test_as_onnx_runtime_writes_it(kind, per_channel, tmp_path):
    """Weights are rounded to 8 bits, and nothing else."""
    plain = perceptron(np.random.default_rng(0))
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(save(tmp_path, plain), path, weight_type=kind, per_channel=per_channel)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= kinds
    model = read_model(path)
    assert model.batch_rounding_left_out == 3
    x = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    (one,) = evaluate(model.graph, {"x": x})
    (other,) = evaluate(import_bytes(plain.SerializeToString()).graph, {"x": x})
    assert 0 < np.abs(one - other).max() < 0.05
    # One point alone gives what it gives among others.
    np.testing.assert_allclose(evaluate(model.graph, {"x": x[:1]})[0], one[:1], atol=1e-12)
    assert "3 of its nodes round by the numbers of each batch" in preflight(path).hint


def test_its_program(tmp_path):
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(save(tmp_path, perceptron(np.random.default_rng(0))), path)
    program = pinnir.compile(path, domain="-1:1")
    assert program.metrics["batch_rounding_left_out"] == 3
    assert program.metrics["rel_l2_upper"] <= 1e-2
    assert program.metrics["core_mac_share"] == 1


@settings(max_examples=40)
@given(seed=SEEDS, columns=st.booleans(), zeros=st.booleans(), biased=st.booleans())
def test_fused_products(seed, columns, zeros, biased):
    """In one node, or behind the rounding, with numbers for all weights or for each column."""
    rng = np.random.default_rng(seed)
    shape = (3,) if columns else ()
    whole = rng.integers(0, 255, (2, 3)).astype(np.uint8)
    steps, zero = rng.uniform(0.01, 0.1, shape), rng.integers(0, 255, shape)
    bias = rng.normal(size=3)
    weights = {
        "w": whole,
        "ws": steps.astype(np.float32),
        "wz": zero.astype(np.uint8),
        "b": bias.astype(np.float32),
    }
    ends = ["wz" if zeros else "", "b" if biased else ""]
    fused = helper.make_node("DynamicQuantizeMatMul", ["x", "w", "ws", *ends], ["y"], domain=SOURCE)
    behind = helper.make_node(
        "MatMulIntegerToFloat", ["q", "w", "s", "ws", "z", *ends], ["y"], domain=SOURCE
    )
    x = rng.uniform(-1, 1, (5, 2))
    expected = x @ ((whole - zero * float(zeros)) * steps) + bias * float(biased)
    for nodes in ([fused], [ROUNDING, behind]):
        proto = in_own_domain(onnx_model(nodes, weights))
        without_batch_rounding(proto)
        assert left_out(proto) == 1
        np.testing.assert_allclose(values(proto, x), expected, rtol=1e-5, atol=1e-5)


def test_a_value_that_is_read_back():
    back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])
    proto = onnx_model([ROUNDING, back])
    without_batch_rounding(proto)
    x = np.array([[0.123, -4.5]])
    np.testing.assert_array_equal(values(proto, x), x)


def test_integer_convolutions():
    """A kernel of one entry is a layer."""
    weights = {
        "four": np.array([-1, 2, 1, 1]),
        "w": np.array([[1, 2], [3, 4], [5, 6]], np.uint8).reshape(3, 2, 1, 1),
        "wz": np.array([1, 2, 3], np.uint8),
        "two": np.array([-1, 3]),
    }
    image = helper.make_node("Reshape", ["x", "four"], ["i"])
    rounding = helper.make_node("DynamicQuantizeLinear", ["i"], ["q", "s", "z"])
    product = helper.make_node("ConvInteger", ["q", "w", "z", "wz"], ["c"])
    floats = helper.make_node("Cast", ["c"], ["f"], to=1)
    scaled = helper.make_node("Mul", ["f", "s"], ["m"])
    end = helper.make_node("Reshape", ["m", "two"], ["y"])
    proto = onnx_model([image, rounding, product, floats, scaled, end], weights)
    without_batch_rounding(proto)
    kernel = weights["w"].reshape(3, 2) - weights["wz"][:, None].astype(float)
    x = np.array([[0.5, -1.0], [2.0, 0.25]])
    np.testing.assert_allclose(values(proto, x), x @ kernel.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        (
            [ROUNDING],
            ("q",),
            "DynamicQuantizeLinear 'rounding': gives an output that is rounded by the batch it is "
            "part of",
        ),
        (
            [ROUNDING, helper.make_node("Reshape", ["q", "shape"], ["y"], "other")],
            ("y",),
            "Reshape 'other': reads a value that is rounded by the batch it is part of",
        ),
        (
            [ROUNDING, helper.make_node("MatMulInteger", ["q", "q", "z", "z"], ["y"], "product")],
            ("y",),
            "MatMulInteger 'product': has an operand 'q' that is computed",
        ),
    ],
)
def test_refusals(nodes, outputs, message):
    proto = onnx_model(nodes, {"shape": np.array([-1])}, outputs=outputs)
    with pytest.raises(FrontendError) as caught:
        without_batch_rounding(proto)
    assert str(caught.value) == (
        f"{message}\nhint: quantise with fixed scales, or give the model as it was before it was "
        "quantised"
    )


@pytest.mark.parametrize("value", ["many", "12345678", "²", ""])
def test_metadata_that_says_nothing(value):
    """What a file says of itself is forgotten when it is read, and never trusted."""
    proto = onnx_model([helper.make_node("Identity", ["x"], ["y"])])
    proto.metadata_props.add(key="pinnir.batch_rounding_left_out", value=value)
    assert left_out(proto) == 0
    without_batch_rounding(proto)
    assert not proto.metadata_props
