"""Hypothesis strategies: random valid ONNX models of multilayer perceptrons, random core graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pinnir.ir.graph import Graph
from tests.helpers import FUNCTIONS, core_graph

SEEDS = st.integers(0, 2**32 - 1)
OPSETS = st.integers(9, 20)
ENTRIES = ("one input", "one input a column", "slices of one input")
LINEAR = (
    "gemm",
    "gemm transB",
    "gemm alpha beta",
    "gemm row bias",
    "gemm without bias",
    "matmul",
    "matmul add",
    "add matmul",
    "matmul of transposed",
)
NOISE = ("", "", "", "Identity", "Cast")
EPILOGUES = ("none", "none", "box", "lift", "scale", "decay")
CONSTANTS = ("scalar", "one", "column", "row")


@st.composite
def core_graphs(
    draw: st.DrawFn, functions: tuple[str, ...] = FUNCTIONS, max_layers: int = 3, width: int = 5
) -> Graph:
    """A tensor graph that is one core, of 1 to ``max_layers`` hidden layers."""
    inside = draw(st.lists(st.sampled_from(functions), min_size=1, max_size=max_layers))
    sizes = [draw(st.integers(1, 3))]
    sizes += [draw(st.integers(1, width)) for _ in inside]
    return core_graph(draw(SEEDS), (*sizes, draw(st.integers(1, 2))), inside)


@st.composite
def onnx_models(draw: st.DrawFn, *, epilogues: tuple[str, ...] = EPILOGUES) -> onnx.ModelProto:
    """A multilayer perceptron as exporters write it, in all the variants pinnir reads."""
    build = _Builder(
        np.dtype(draw(st.sampled_from(("float32", "float64")))),
        draw(OPSETS),
        np.random.default_rng(draw(SEEDS)),
    )
    columns = draw(st.integers(1, 3))
    value, first = build.entry(draw(st.sampled_from(ENTRIES)), columns)
    for kind, shape, constant_first in draw(st.lists(_NORMALISATION, max_size=3)):
        value = build.with_constant(kind, value, columns, shape, constant_first)
    for _ in range(draw(st.integers(1, 3))):
        width = draw(st.integers(1, 5))
        value = build.linear(draw(st.sampled_from(LINEAR)), value, columns, width)
        value = build.noise(draw(st.sampled_from(NOISE)), value)
        value = build.op(draw(st.sampled_from([name.capitalize() for name in FUNCTIONS])), value)
        columns = width
    outputs = draw(st.integers(1, 2))
    value = build.linear(draw(st.sampled_from(LINEAR)), value, columns, outputs)
    value = build.epilogue(draw(st.sampled_from(epilogues)), value, first, outputs)
    return build.model(value)


_NORMALISATION = st.tuples(
    st.sampled_from(("Sub", "Div", "Mul", "Add")), st.sampled_from(CONSTANTS), st.booleans()
)


class _Builder:
    """Collects the nodes of one model."""

    def __init__(self, dtype: np.dtype, opset: int, rng: np.random.Generator) -> None:
        self.dtype, self.opset, self.rng = dtype, opset, rng
        self.kind = TensorProto.FLOAT if dtype == np.float32 else TensorProto.DOUBLE
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []

    def op(self, kind: str, *operands: str, **attributes: Any) -> str:
        """Add a node, named or not, and return the name of its value."""
        output = f"v{len(self.nodes)}"
        name = f"{kind}_{len(self.nodes)}" if self.rng.random() < 0.7 else ""
        self.nodes.append(helper.make_node(kind, list(operands), [output], name, **attributes))
        return output

    def constant(self, value: Any) -> str:
        """A fixed tensor: an initialiser or a Constant node."""
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        if self.rng.random() < 0.3:
            return self.op("Constant", value=numpy_helper.from_array(array))
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def input(self, columns: int) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, self.kind, ["n", columns]))
        return name

    def entry(self, kind: str, columns: int) -> tuple[str, str]:
        """The inputs: all columns as one value, and the first column alone."""
        if kind == "one input a column":
            names = [self.input(1) for _ in range(columns)]
            return self.op("Concat", *names, axis=int(self.rng.choice([1, -1]))), names[0]
        x = self.input(columns)
        first = self.column(x, 0)
        if kind == "one input":
            return x, first
        order = self.rng.permutation(columns)
        return self.op("Concat", *(self.column(x, int(i)) for i in order), axis=1), first

    def column(self, x: str, index: int) -> str:
        ranges = {"starts": [index], "ends": [index + 1], "axes": [1]}
        if self.opset < 10:
            return self.op("Slice", x, **ranges)
        return self.op("Slice", x, *(self.constant(np.array(v)) for v in ranges.values()))

    def with_constant(self, kind: str, x: str, columns: int, shape: str, first: bool) -> str:
        """``x`` and a constant of that shape; only the divisor may be the constant."""
        sizes = {"scalar": (), "one": (1,), "column": (columns,), "row": (1, columns)}
        value = self.rng.uniform(0.5, 2.0, sizes[shape])
        constant = self.constant(value)
        if self.rng.random() < 0.3:  # a difference of bounds, left to the compiler
            constant = self.op("Sub", self.constant(value + 1), self.constant(np.ones(())))
        operands = (constant, x) if first and kind != "Div" else (x, constant)
        return self.op(kind, *operands)

    def linear(self, kind: str, x: str, inputs: int, outputs: int) -> str:
        weight = self.rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        bias = self.rng.normal(size=outputs)
        if kind.startswith("gemm"):
            return self.gemm(kind, x, weight, bias)
        if kind == "matmul of transposed":
            return self.op("MatMul", x, self.op("Transpose", self.constant(weight.T)))
        product = self.op("MatMul", x, self.constant(weight))
        if kind == "matmul":
            return product
        operands = [product, self.constant(bias)]
        return self.op("Add", *(operands[::-1] if kind == "add matmul" else operands))

    def gemm(self, kind: str, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        attributes: dict[str, Any] = {}
        if kind == "gemm transB":
            weight, attributes["transB"] = weight.T, 1
        if kind == "gemm alpha beta":
            attributes |= {"alpha": 0.75, "beta": 1.5}
        operands = [x, self.constant(weight)]
        if kind != "gemm without bias" or self.opset < 11:  # older Gemm wants a bias
            operands.append(self.constant(bias[None] if kind == "gemm row bias" else bias))
        return self.op("Gemm", *operands, **attributes)

    def noise(self, kind: str, x: str) -> str:
        """A node that changes nothing."""
        if kind == "Cast":
            return self.op("Cast", self.op("Cast", x, to=TensorProto.DOUBLE), to=self.kind)
        return self.op(kind, x) if kind else x

    def epilogue(self, kind: str, network: str, x: str, outputs: int) -> str:
        """Hard constraints: what users write behind a network, with the first coordinate ``x``."""
        if kind == "box":  # x (1 - x) N + x
            rest = self.op("Sub", self.constant(1.0), x)
            bump = self.op("Mul", self.op("Mul", x, rest), network)
            return self.op("Add", bump, x)
        if kind == "lift":  # sin(x) + tanh(x) N
            product = self.op("Mul", self.op("Tanh", x), network)
            return self.op("Add", self.op("Sin", x), product)
        if kind == "scale":
            scaled = self.with_constant("Mul", network, outputs, "row", False)
            return self.with_constant("Add", scaled, outputs, "column", True)
        if kind == "decay":  # exp(-x^2) N
            square = self.op("Pow", x, self.constant(2.0))
            return self.op("Mul", self.op("Exp", self.op("Neg", square)), network)
        return network

    def model(self, output: str) -> onnx.ModelProto:
        result = helper.make_tensor_value_info(output, self.kind, ["n", None])
        graph = helper.make_graph(self.nodes, "network", self.inputs, [result], self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )
        onnx.checker.check_model(model)
        return model
