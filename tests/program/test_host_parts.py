"""Host parts as ONNX mean the same as their graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from onnx import helper, load_from_string

from pinnir.base.errors import GraphError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Primitive
from pinnir.numerics.matrix import BlockDiagonal
from pinnir.passes.tidying.fuse_affine import FuseAffine
from pinnir.program.host_parts import to_onnx
from tests.helpers import FUNCTIONS, context, largest, points
from tests.strategies import onnx_models

X = Node("x", Input(2))


def shapes(*nodes: Node) -> dict[str, tuple[None, None]]:
    return {node.name: (None, None) for node in nodes}


def same_on_the_host(graph: Graph, dtype: str) -> None:
    computed = [node for node in graph.nodes if not isinstance(node.op, Input | Constant)]
    data = to_onnx(
        computed, graph.inputs, graph.outputs, dtype, shapes(*graph.inputs, *graph.outputs)
    )
    run = OnnxRunner(data, "host part")
    at = points(graph, 8, 0)
    inputs = graph.bind(at)
    # ONNX Runtime rounds the scales that it fuses into products to float32, even for doubles.
    tolerance = (1e-5 if dtype == "float32" else 1e-7) * largest(graph, at)
    for one, other in zip(evaluate(graph, inputs), run(list(inputs.values())), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance)


@given(proto=onnx_models())
def test_primitives(proto):
    model = import_bytes(proto.SerializeToString())
    same_on_the_host(model.graph, model.dtype)


@given(proto=onnx_models())
def test_affine_maps(proto):
    model = import_bytes(proto.SerializeToString())
    same_on_the_host(FuseAffine().apply(model.graph, context(model.graph)), model.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_activations_behind_a_block_diagonal_map(function, dtype):
    blocks = BlockDiagonal(np.array([[[1.0], [2.0]], [[-1.0], [0.5]]]))
    expand = Node("expand", Affine(blocks, np.arange(4.0)), (X,))
    graph = Graph(Level.TENSOR, (X,), (Node("y", Activation(function), (expand,)), expand))
    same_on_the_host(graph, dtype)


@pytest.mark.parametrize("op", [Affine(np.eye(2), np.ones(2)), Activation("tanh")])
def test_operands_are_summed(op):
    doubled = Node("doubled", Primitive("Add"), (X, X))
    graph = Graph(Level.TENSOR, (X,), (Node("y", op, (doubled, X)),))
    same_on_the_host(graph, "float64")


def test_float_constants_take_the_host_parts_type_and_integers_keep_theirs():
    two = Node("two", Constant(np.array([2.0])))
    shape = Node("shape", Constant(np.array([-1, 1])))
    product = Node("product", Primitive("Mul"), (X, two))
    result = Node("y", Primitive("Reshape", {"allowzero": 0}), (product, shape))
    model = load_from_string(
        to_onnx([product, result], [X], [result], "float32", shapes(X, result))
    )
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert types == {"two": 1, "shape": 7}
    assert [value.type.tensor_type.elem_type for value in model.graph.input] == [1]


@pytest.mark.parametrize("kind", ["int64", "int32", "bool"])
def test_constants_of_a_shape_keep_their_type(kind):
    shape = Node("shape", Constant(np.array([2])))
    filled = Node("filled", Primitive("ConstantOfShape", {"value": 1, "dtype": kind}), (shape,))
    eye = Node("eye", Primitive("EyeLike", {"dtype": kind}), (X,))
    model = load_from_string(to_onnx([filled, eye], [X], [], "float32", shapes(X)))
    first, second = model.graph.node
    wanted = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    assert first.attribute[0].t.data_type == wanted
    assert second.attribute[0].i == wanted


def test_the_same_nodes_give_the_same_bytes():
    nodes = [Node("y", Activation("tanh"), (X,))]
    one, other = (to_onnx(nodes, [X], nodes, "float32", shapes(X, *nodes)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("op", [Activation("clip", (0.0, 1.0)), Input(2)])
def test_what_cannot_run_on_the_host(op):
    with pytest.raises(GraphError) as caught:
        to_onnx([Node("y", op, (X,))], [X], [], "float32", shapes(X))
    assert str(caught.value) == f"{type(op).__name__} 'y': cannot run on the host"
