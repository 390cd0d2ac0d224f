"""Valid models that the mutants are made of."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EXAMPLES = Path(__file__).parents[1] / "ir_examples"


def _model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    inputs: dict[str, int] | None = None,
    kind: int = TensorProto.FLOAT,
    functions: tuple[onnx.FunctionProto, ...] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info(name, kind, [None, columns])
            for name, columns in (inputs or {"x": 2}).items()
        ],
        [helper.make_tensor_value_info("y", kind, [None, 1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(f.domain, 1) for f in functions)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)


def _weights(*shapes: tuple[int, ...], dtype: str = "float32") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"w{i}": rng.normal(size=shape).astype(dtype) for i, shape in enumerate(shapes)}


def _node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], f"{kind}_{output}", **attributes)


def _gemm() -> onnx.ModelProto:
    nodes = [
        _node("Gemm", "x w0 w1", "a", transB=1),
        _node("Tanh", "a", "b"),
        _node("Gemm", "b w2 w3", "c", alpha=0.5),
        _node("Sin", "c", "d"),
        _node("Gemm", "d w4 w5", "y"),
    ]
    return _model(nodes, _weights((6, 2), (6,), (6, 6), (6,), (6, 1), (1,)))


def _double() -> onnx.ModelProto:
    nodes = [
        _node("MatMul", "x w0", "a"),
        _node("Add", "a w1", "b"),
        _node("Sigmoid", "b", "c"),
        _node("Mul", "b c", "d"),
        _node("MatMul", "d w2", "e"),
        _node("Add", "e w3", "y"),
    ]
    weights = _weights((2, 5), (5,), (5, 1), (1,), dtype="float64")
    return _model(nodes, weights, kind=TensorProto.DOUBLE)


def _constrained() -> onnx.ModelProto:
    ranges = {"n0": np.array([0]), "n1": np.array([1]), "n2": np.array([2])}
    nodes = [
        _node("Gemm", "x w0 w1", "a"),
        _node("Tanh", "a", "b"),
        _node("Gemm", "b w2 w3", "c"),
        _node("Slice", "x n0 n1 n1", "s"),
        _node("Slice", "x n1 n2 n1", "t"),
        _node("Mul", "s s", "q"),
        _node("Sub", "one q", "r"),
        _node("Mul", "r t", "f"),
        _node("Where", "cond f one", "g"),
        _node("Mul", "g c", "y"),
    ]
    nodes.insert(8, _node("Greater", "f zero", "cond"))
    fixed = {"one": np.ones((), np.float32), "zero": np.zeros((), np.float32)}
    return _model(nodes, _weights((2, 6), (6,), (6, 1), (1,)) | ranges | fixed)


def _constants() -> onnx.ModelProto:
    """Weights that are computed, as exporters leave them."""
    nodes = [
        _node("ReduceL2", "w0 axis", "norm", keepdims=1),
        _node("Div", "w0 norm", "unit"),
        _node("Shape", "w1", "shape"),
        _node("ConstantOfShape", "shape", "zeros"),
        _node("Add", "w1 zeros", "bias"),
        _node("Expand", "scale shape", "wide"),
        _node("Mul", "bias wide", "scaled"),
        _node("Transpose", "unit", "turned", perm=[1, 0]),
        _node("Gemm", "x turned scaled", "a"),
        _node("Tanh", "a", "b"),
        _node("Reshape", "w2 to", "column"),
        _node("Unsqueeze", "w3 axis0", "row"),
        _node("Squeeze", "row axis0", "flat"),
        _node("Concat", "column column", "two", axis=1),
        _node("Gather", "two index", "one", axis=1),
        _node("Gemm", "b one flat", "y"),
    ]
    fixed = {
        "axis": np.array([1]),
        "axis0": np.array([0]),
        "to": np.array([6, 1]),
        "index": np.array([0]),
        "scale": np.ones(1, np.float32),
    }
    return _model(nodes, _weights((6, 2), (6,), (6,), (1,)) | fixed)


def _fourier() -> onnx.ModelProto:
    nodes = [
        _node("Concat", "x t", "p", axis=1),
        _node("MatMul", "p w0", "a"),
        _node("Sin", "a", "s"),
        _node("Cos", "a", "c"),
        _node("Concat", "s c", "f", axis=-1),
        _node("Gemm", "f w1 w2", "h"),
        _node("Erf", "h", "e"),
        _node("Add", "e one", "g"),
        _node("Mul", "h g", "z"),
        _node("Gemm", "z w3 w4", "y"),
    ]
    weights = _weights((2, 3), (6, 5), (5,), (5, 1), (1,)) | {"one": np.ones((), np.float32)}
    return _model(nodes, weights, inputs={"x": 1, "t": 1})


def _functions() -> onnx.ModelProto:
    opset = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    layer = helper.make_function(
        "local",
        "layer",
        ["v", "w", "b"],
        ["r"],
        [helper.make_node("Gemm", ["v", "w", "b"], ["z"]), helper.make_node("Tanh", ["z"], ["r"])],
        opset,
    )
    pair = helper.make_function(
        "local",
        "pair",
        ["v", "w", "b", "u", "c"],
        ["r"],
        [
            helper.make_node("layer", ["v", "w", "b"], ["z"], domain="local"),
            helper.make_node("layer", ["z", "u", "c"], ["r"], domain="local"),
        ],
        opset,
    )
    nodes = [_node("pair", "x w0 w1 w2 w3", "h", domain="local"), _node("Gemm", "h w4 w5", "y")]
    weights = _weights((2, 5), (5,), (5, 5), (5,), (5, 1), (1,))
    model = _model(nodes, weights, functions=(layer, pair))
    del model.opset_import[2:]
    return model


@cache
def patches() -> bytes:
    """A network of images, as only sign-gradient neurons run: windows, a norm and attention."""
    nodes = [
        _node("Gemm", "x w0 w1", "a"),
        _node("Reshape", "a square", "i"),
        _node("Conv", "i w2 w3", "c", kernel_shape=[2, 2], pads=[0, 0, 1, 1], group=2),
        _node("MaxPool", "c", "m", kernel_shape=[2, 1]),
        _node("Reshape", "m rows", "p"),
        _node("LayerNormalization", "p w4 w5", "n", axis=-1),
        _node("Transpose", "n", "t", perm=[0, 2, 1]),
        _node("MatMul", "n t", "s"),
        _node("Softmax", "s", "q", axis=-1),
        _node("MatMul", "q n", "r"),
        _node("ReduceMean", "r axis", "z", keepdims=0),
        _node("Gemm", "z w6 w7", "y"),
    ]
    fixed = {"square": np.array([-1, 2, 3, 2]), "rows": np.array([-1, 2, 4]), "axis": np.array([1])}
    weights = _weights((2, 12), (12,), (2, 1, 2, 2), (2,), (4,), (4,), (4, 1), (1,))
    data: bytes = _model(nodes, weights | fixed).SerializeToString()
    return data


@cache
def bases() -> tuple[bytes, ...]:
    """Small models, the examples, and networks of others where PINNIR_MODELS names them."""
    small = [_gemm(), _double(), _constrained(), _constants(), _fourier(), _functions()]
    found = [*(model.SerializeToString() for model in small), patches()] * 6
    found += [(EXAMPLES / name / "model.onnx").read_bytes() for name in ("burgers", "poisson")]
    if folder := os.environ.get("PINNIR_MODELS"):
        found += [path.read_bytes() for path in sorted(Path(folder, "zoo").glob("*.onnx"))]
    return tuple(found)
