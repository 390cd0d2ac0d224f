"""Small networks of every family that pinnir compiles, with random weights, as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pinnir.frontend import Model
from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Graph
from pinnir.ir.sample_axes import separate_axes
from pinnir.passes.pipelines import TIDY
from tests.helpers import compiled


class Net:
    """Collects the nodes of one model."""

    def __init__(self, seed: int = 0, dtype: str = "float64") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []

    def input(self, name: str, columns: int, samples: int | str | None = None) -> str:
        """A model input ``(samples, columns)``; no number of samples means any."""
        rows = f"n_{name}" if samples is None else samples
        self.inputs.append(helper.make_tensor_value_info(name, self.kind, [rows, columns]))
        return name

    def constant(self, value: Any) -> str:
        """A fixed tensor."""
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        self.weights.append(numpy_helper.from_array(array, f"w{len(self.weights)}"))
        return f"w{len(self.weights) - 1}"

    def op(self, kind: str, *operands: str | float, **attributes: Any) -> str:
        """A node on values and numbers; the name of its value."""
        names = [o if isinstance(o, str) else self.constant(np.float64(o)) for o in operands]
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], f"{output}_node", **attributes))
        return output

    def columns(self, x: str, first: int, end: int) -> str:
        """A range of columns."""
        return self.op("Slice", x, *(self.constant(np.array([v])) for v in (first, end, 1)))

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        """A layer without its activation."""
        weight = self.rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        bias = 0.3 * self.rng.normal(size=outputs)
        return self.op("Gemm", x, self.constant(weight), self.constant(bias))

    def layer(self, x: str, inputs: int, outputs: int, function: str = "Tanh") -> str:
        """A layer."""
        return self.op(function, self.dense(x, inputs, outputs))

    def mlp(self, x: str, sizes: Sequence[int], function: str = "Tanh") -> str:
        """A multilayer perceptron."""
        for inputs, outputs in pairwise(sizes[:-1]):
            x = self.layer(x, inputs, outputs, function)
        return self.dense(x, sizes[-2], sizes[-1])

    def mix(self, gate: str, u: str, v: str) -> str:
        """``gate u + (1 - gate) v``."""
        rest = self.op("Sub", 1.0, gate)
        return self.op("Add", self.op("Mul", gate, u), self.op("Mul", rest, v))

    def proto(self, *outputs: str, opset: int = 18) -> onnx.ModelProto:
        """The finished model."""
        results = [helper.make_tensor_value_info(name, self.kind, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "network", self.inputs, results, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        model = onnx.shape_inference.infer_shapes(model)  # outputs must say their ranks
        onnx.checker.check_model(model)
        return model

    def model(self, *outputs: str) -> Model:
        """The same as ``read_model`` would give it."""
        return import_bytes(self.proto(*outputs).SerializeToString(deterministic=True))


def pfnn() -> Model:
    """A parallel network of each output (DeepXDE's PFNN)."""
    net = Net(1)
    x = net.input("x", 2)
    strands = [net.mlp(x, (2, 6, 6, 1)) for _ in range(2)]
    return net.model(net.op("Concat", *strands, axis=1))


def resnet() -> Model:
    """Blocks ``tanh(h + F(h))`` of two layers."""
    net = Net(2, "float32")
    value = net.layer(net.input("x", 2), 2, 6)
    for _ in range(2):
        change = net.dense(net.layer(value, 6, 6), 6, 6)
        value = net.op("Tanh", net.op("Add", change, value))
    return net.model(net.dense(value, 6, 2))


def skip() -> Model:
    """SiLU layers, every second added to the one before (PhysicsNeMo's skip connections)."""
    net = Net(3)
    value, before = net.input("x", 2), None
    for number, inputs in enumerate((2, 6, 6)):
        z = net.dense(value, inputs, 6)
        value = net.op("Mul", z, net.op("Sigmoid", z))
        if number % 2 == 0:
            value, before = (net.op("Add", value, before) if before else value), value
    return net.model(net.dense(value, 6, 1))


def xpinn() -> Model:
    """A network on either side of ``x = 0``."""
    net = Net(4)
    x = net.input("x", 2)
    left, right = (net.mlp(x, (2, 6, 6, 1)) for _ in range(2))
    return net.model(net.op("Where", net.op("Less", net.columns(x, 0, 1), 0.0), left, right))


def modified_mlp() -> Model:
    """Wang, Teng and Perdikaris (2021), eq. 43-47: two encoders gate every layer."""
    net = Net(5)
    x = net.input("x", 2)
    u, v = net.layer(x, 2, 6), net.layer(x, 2, 6)
    value = net.mix(net.layer(x, 2, 6), u, v)
    value = net.mix(net.layer(value, 6, 6), u, v)
    return net.model(net.dense(value, 6, 1))


def piratenet() -> Model:
    """Wang et al. (2024), eq. 4.1-4.7: gated residual blocks behind Fourier features."""
    net = Net(6)
    phase = net.op("MatMul", net.input("x", 2), net.constant(net.rng.normal(size=(2, 3))))
    features = net.op("Concat", net.op("Cos", phase), net.op("Sin", phase), axis=1)
    u, v = net.layer(features, 6, 6), net.layer(features, 6, 6)
    value = features
    for _ in range(2):
        inner = net.mix(net.layer(value, 6, 6), u, v)
        inner = net.mix(net.layer(inner, 6, 6), u, v)
        value = net.mix(net.constant(np.array(0.4)), net.layer(inner, 6, 6), value)
    return net.model(net.dense(value, 6, 1))


def spinn(axes: int = 2, outputs: int = 1) -> Model:
    """Cho et al. (2023): a network of each coordinate, values at all combinations."""
    net = Net(7, "float32")
    letters = "ijk"[:axes]
    parts = [net.mlp(net.input(name, 1), (1, 6, 4 * outputs)) for name in "xyz"[:axes]]
    merged = []
    for number in range(outputs):
        ranks = [net.columns(p, 4 * number, 4 * number + 4) if outputs > 1 else p for p in parts]
        equation = ",".join(f"{one}r" for one in letters) + f"->{letters}"
        merged.append(net.op("Einsum", *ranks, equation=equation))
    return net.model(*merged)


def spinn3d() -> Model:
    """Three coordinates and two outputs."""
    return spinn(3, 2)


def deeponet() -> Model:
    """Lu et al. (2021), one function and one location a row."""
    net = Net(8)
    branch = net.mlp(net.input("f", 3, "n"), (3, 6, 4))
    trunk = net.mlp(net.input("x", 2, "n"), (2, 6, 4))
    product = net.op("Mul", branch, trunk)
    value = net.op("ReduceSum", product, net.constant(np.array([1])), keepdims=1)
    return net.model(net.op("Add", value, 0.2))


def deeponet_cartesian() -> Model:
    """Every function at every location."""
    net = Net(9)
    branch = net.mlp(net.input("f", 3), (3, 6, 4))
    trunk = net.op("Tanh", net.mlp(net.input("x", 2), (2, 6, 4)))
    value = net.op("MatMul", branch, net.op("Transpose", trunk, perm=[1, 0]))
    return net.model(net.op("Add", value, 0.2))


def mionet() -> Model:
    """Jin, Meng and Lu (2022): two input functions, row by row, at every location."""
    net = Net(10)
    first = net.mlp(net.input("f", 3, "functions"), (3, 6, 4))
    trunk = net.layer(net.mlp(net.input("x", 1), (1, 6, 4)), 4, 4)
    second = net.mlp(net.input("g", 2, "functions"), (2, 6, 4))
    both = net.op("Mul", first, second)
    return net.model(net.op("Einsum", both, trunk, equation="bi,ni->bn"))


def constrained_fourier() -> Model:
    """``x (1 - x) N(sin(B q), cos(B q))`` of the normalised inputs ``q``."""
    net = Net(11)
    x = net.input("x", 2)
    q = net.op("Div", net.op("Sub", x, net.constant(np.array([0.1, 0.2]))), 0.8)
    phase = net.op("MatMul", q, net.constant(net.rng.normal(size=(2, 3))))
    features = net.op("Concat", net.op("Sin", phase), net.op("Cos", phase), axis=1)
    first = net.columns(x, 0, 1)
    bump = net.op("Mul", first, net.op("Sub", 1.0, first))
    return net.model(net.op("Mul", bump, net.mlp(features, (6, 8, 1))))


def kan() -> Model:
    """Liu et al. (2025): every column in linear splines and in SiLU, and a map of both, twice."""
    net = Net(12)
    value, knots = net.input("x", 2), np.linspace(-1.6, 1.6, 6)
    step = knots[1] - knots[0]
    for inputs, outputs in ((2, 4), (4, 1)):
        wide = net.op("Unsqueeze", value, net.constant(np.array([2])))
        rising = net.op("Div", net.op("Sub", wide, net.constant(knots[:-1])), step)
        inside = net.op("And", net.op("GreaterOrEqual", rising, 0.0), net.op("Less", rising, 1.0))
        box = net.op("Cast", inside, to=net.kind)
        up = net.op("Mul", rising, box)
        down = net.op("Sub", box, up)
        ends = [net.constant(np.array([n])) for n in (0, 4, 1, 5, 2)]
        left = net.op("Slice", up, *ends[:2], ends[4])
        hats = net.op("Add", left, net.op("Slice", down, *ends[2:4], ends[4]))
        coefficients = net.constant(net.rng.normal(size=(inputs, 4, outputs)))
        curves = net.op("Einsum", hats, coefficients, equation="nik,iko->no")
        weight = net.constant(net.rng.normal(size=(inputs, outputs)))
        base = net.op("MatMul", net.op("Mul", value, net.op("Sigmoid", value)), weight)
        value = net.op("Add", curves, base)
    return net.model(value)


FAMILIES: dict[str, Callable[[], Model]] = {
    family.__name__: family
    for family in (
        pfnn,
        resnet,
        skip,
        xpinn,
        modified_mlp,
        piratenet,
        constrained_fourier,
        kan,
        spinn,
        spinn3d,
        deeponet,
        deeponet_cartesian,
        mionet,
    )
}
SEPARABLE = ("spinn", "spinn3d", "deeponet_cartesian", "mionet")


@cache
def family(name: str) -> Model:
    """One of :data:`FAMILIES`."""
    return FAMILIES[name]()


@cache
def graph_of(name: str) -> Graph:
    """Its tensor graph, every input on its sample axis."""
    return separate_axes(family(name).graph, family(name).samples)


@cache
def cores_of(name: str) -> Graph:
    """Its tensor graph with gathered cores."""
    return compiled(graph_of(name), TIDY)
