"""fuse-activations finds element-wise functions however they are spelled."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from onnx import helper, numpy_helper

from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Primitive
from pinnir.passes import pipelines
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import assert_same_values, compiled, context, onnx_model, points
from tests.strategies import onnx_models

Step = tuple[str, tuple[object, ...]]

# Each spelling is a list of (operator, operands): z is the pre-activation, numbers are constants,
# an index is the value of an earlier step.
SPELLINGS: dict[str, tuple[str, list[Step]]] = {
    "silu": ("silu", [("Sigmoid", ("z",)), ("Mul", ("z", 0))]),
    "gelu by erf": (
        "gelu",
        [
            ("Div", ("z", 2**0.5)),
            ("Erf", (0,)),
            ("Add", (1, 1.0)),
            ("Mul", ("z", 2)),
            ("Mul", (3, 0.5)),
        ],
    ),
    "gelu by tanh": (
        "gelu-tanh",
        [
            ("Pow", ("z", 3.0)),
            ("Mul", (0, 0.044715)),
            ("Add", ("z", 1)),
            ("Mul", (2, (2 / np.pi) ** 0.5)),
            ("Tanh", (3,)),
            ("Add", (4, 1.0)),
            ("Mul", ("z", 0.5)),
            ("Mul", (6, 5)),
        ],
    ),
    "softplus": ("softplus", [("Softplus", ("z",))]),
    "softplus by where": (
        "softplus",
        [("Softplus", ("z",)), ("Greater", ("z", 20.0)), ("Where", (1, "z", 0))],
    ),
    "softplus by log": (
        "softplus",
        [
            ("Abs", ("z",)),
            ("Neg", (0,)),
            ("Exp", (1,)),
            ("Add", (2, 1.0)),
            ("Log", (3,)),
            ("Relu", ("z",)),
            ("Add", (5, 4)),
        ],
    ),
    "mish": ("mish", [("Softplus", ("z",)), ("Tanh", (0,)), ("Mul", ("z", 1))]),
    "elu": ("elu", [("Elu", ("z",))]),
    "selu": ("selu", [("Selu", ("z",))]),
    "leaky relu": ("leaky-relu", [("LeakyRelu", ("z",))]),
    "gaussian": ("gaussian", [("Pow", ("z", 2.0)), ("Neg", (0,)), ("Exp", (1,))]),
    "wavelet": (
        "unary",
        [("Sin", ("z",)), ("Cos", ("z",)), ("Mul", (0, 0.7)), ("Mul", (1, -0.4)), ("Add", (2, 3))],
    ),
    "residual": ("unary", [("Tanh", ("z",)), ("Add", ("z", 0))]),
    "slope a column": (
        "unary",
        [
            ("Mul", ("z", np.array([0.5, 1.0, 1.5]))),
            ("Tanh", (0,)),
            ("Mul", (1, np.array([[1.0, 2.0, 3.0]]))),
            ("Sin", (2,)),
        ],
    ),
}


def network(steps: list[Step]) -> onnx.ModelProto:
    """x -> Gemm 2-3 -> the steps -> Gemm 3-1."""
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.normal(size=(2, 3)),
        "b": rng.normal(size=3),
        "v": rng.normal(size=(3, 1)),
        "c": rng.normal(size=1),
    }
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"], "first")]
    for number, (kind, operands) in enumerate(steps):
        names = []
        for place, operand in enumerate(operands):
            if isinstance(operand, int):
                names.append(f"s{operand}")
            elif isinstance(operand, str):
                names.append(operand)
            else:
                weights[f"k{number}_{place}"] = np.asarray(operand)
                names.append(f"k{number}_{place}")
        nodes.append(helper.make_node(kind, names, [f"s{number}"], f"step{number}"))
    nodes.append(helper.make_node("Gemm", [f"s{len(steps) - 1}", "v", "c"], ["y"], "last"))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, ["n", 2])],
        [helper.make_tensor_value_info("y", kind, ["n", 1])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def tidied(graph: Graph) -> Graph:
    for one in (FoldConstants(), DropIdentity(), FuseAffine()):
        graph = one.apply(graph, context(graph))
    return graph


def activations(graph: Graph) -> list[Activation]:
    return [node.op for node in graph.nodes if isinstance(node.op, Activation)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelled_out_function_is_one_activation(spelling):
    name, steps = SPELLINGS[spelling]
    before = tidied(import_bytes(network(steps).SerializeToString()).graph)
    after = FuseActivations().apply(before, context(before))
    assert [op.function for op in activations(after)] == [name]
    assert [type(node.op).__name__ for node in after.nodes if node.operands] == [
        "Affine",
        "Activation",
        "Affine",
    ]
    assert_same_values(before, after, points(before, 64, 1), tolerance=0)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_whole_way_to_spikes(spelling):
    """The population program equals the staircase network, which is near ONNX Runtime's values."""
    proto = network(SPELLINGS[spelling][1])
    graph = import_bytes(proto.SerializeToString()).graph
    at = points(graph, 200, 5)
    stairs, spikes = (
        compiled(graph, make(512)) for make in (pipelines.staircase, pipelines.population)
    )
    assert_same_values(stairs, spikes, at, tolerance=1e-12)
    (truth,) = OnnxRunner(proto.SerializeToString())([at])
    assert_same_values(graph, stairs, at, tolerance=2e-2 * float(np.abs(truth).max()))


@given(proto=onnx_models())
def test_values_are_exactly_the_same(proto):
    before = tidied(import_bytes(proto.SerializeToString()).graph)
    after = FuseActivations().apply(before, context(before))
    assert_same_values(before, after, points(before, 16, 1), tolerance=0)


def test_a_function_of_two_values_stays():
    """A hard constraint multiplies the network with the inputs: that is no activation."""
    proto = network([("Tanh", ("z",)), ("Mul", (0, "z2"))])
    proto.graph.node.insert(0, helper.make_node("Gemm", ["x", "w", "b"], ["z2"], "gate"))
    before = tidied(import_bytes(proto.SerializeToString()).graph)
    after = FuseActivations().apply(before, context(before))
    assert [op.function for op in activations(after)] == ["tanh"]


@pytest.mark.parametrize("columns", [1, 3])
def test_a_constant_that_widens_its_operand_stays(columns):
    proto = network([("Mul", ("z", np.ones((1, 1, columns)))), ("Tanh", (0,)), ("Sin", (1,))])
    before = tidied(import_bytes(proto.SerializeToString()).graph)
    after = FuseActivations().apply(before, context(before))
    assert all(op.body is None for op in activations(after))


def test_a_product_over_the_samples_stays():
    """It exists for one number of samples only, for which no sum is known to be of columns."""
    x = Node("x", Input(1))
    row = Node("row", Primitive("Flatten", {"axis": 0}), (x,))
    product = Node("product", Affine(np.ones((2, 3)), np.zeros(2)), (row,))
    graph = Graph(Level.TENSOR, (x,), (product, Node("sum", Primitive("Add"), (x, x))))
    after = FuseActivations().apply(graph, context(graph, samples=3))
    assert_same_values(graph, after, points(graph, 3, 0), tolerance=0)


def test_an_output_transform_runs_on_the_host():
    """exp(N) after the last layer is an activation without a layer behind it."""
    from pinnir.search.compile import compile as compile_
    from tests.backends.networks import model

    proto = network([("Sigmoid", ("z",)), ("Mul", ("z", 0))])
    proto.graph.node[-1].output[0] = "n"
    proto.graph.node.extend(
        [
            helper.make_node("Exp", ["n"], ["e"], "exp"),
            helper.make_node("Add", ["e", "n"], ["y"], "add"),
        ]
    )
    program = compile_(model(proto), "-1:1", levels=512)
    assert [segment.label for segment in program.segments] == ["core.1", "host.2"]
    assert program.metrics["rel_l2"] < 2e-2


def test_a_comparison_is_no_activation():
    """Where wants a truth value, not a level of a staircase."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Greater", ["z", "zero"], ["larger"]),
        helper.make_node("Where", ["larger", "x", "w"], ["y"]),
    ]
    weights = {"w": np.eye(2, dtype=np.float32), "zero": np.zeros(1, np.float32)}
    before = import_bytes(onnx_model(nodes, weights).SerializeToString()).graph
    after = compiled(before, "fuse-affine,fuse-activations")
    assert not any(isinstance(node.op, Activation) for node in after.nodes)
