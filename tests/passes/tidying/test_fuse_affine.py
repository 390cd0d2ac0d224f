"""fuse-affine gathers products, biases and scalings into affine maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Primitive
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import assert_same_values, compiled, context, points
from tests.strategies import onnx_models

X = Node("x", Input(2))
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(2, 3))
ROW = RNG.normal(size=3) + 3


def op(name: str, kind: str, *operands: Node | np.ndarray | float, **attributes) -> Node:
    """A primitive; arrays and numbers among the operands become constants."""
    nodes = [
        o if isinstance(o, Node) else Node(f"{name}_c{i}", Constant(np.asarray(o)))
        for i, o in enumerate(operands)
    ]
    return Node(name, Primitive(kind, attributes), tuple(nodes))


def fused(*outputs: Node, inputs: tuple[Node, ...] = (X,)) -> Graph:
    """The graph after the pass, checked to mean the same."""
    before = Graph(Level.TENSOR, inputs, outputs)
    after = FuseAffine().apply(before, context(before))
    assert_same_values(before, after, points(before, 16, 0), tolerance=1e-12)
    return after


def test_products_of_integers_stay():
    whole = op("whole", "Cast", X, to="int64")
    product = op("product", "MatMul", whole, np.array([[1, 2], [3, 4]]))
    halves = op("halves", "Div", product, np.array(2))
    assert kinds(fused(halves)) == ["Cast", "MatMul", "Div"]


def kinds(graph: Graph) -> list[str]:
    return [
        node.op.kind if isinstance(node.op, Primitive) else type(node.op).__name__
        for node in graph.nodes
        if not isinstance(node.op, Input | Constant)
    ]


@given(proto=onnx_models())
def test_values_are_the_same(proto):
    before = import_bytes(proto.SerializeToString()).graph
    after = FuseAffine().apply(before, context(before))
    assert_same_values(before, after, points(before, 16, 1), tolerance=1e-9)


@given(proto=onnx_models(epilogues=("none", "scale")))
def test_a_plain_network_becomes_affine_maps_and_activations(proto):
    after = compiled(
        import_bytes(proto.SerializeToString()).graph, "fold-constants,drop-identity,fuse-affine"
    )
    chain = [kind for kind in kinds(after) if kind not in ("Slice", "Concat")]
    # Only what stands between the joined inputs and the first map may be left over.
    first = chain.index("Affine")
    assert set(chain[:first]) <= {"Add", "Sub", "Mul", "Div"}
    assert chain[first::2] == ["Affine"] * len(chain[first::2])
    assert chain[first + 1 :: 2] == ["Activation"] * len(chain[first + 1 :: 2])


# case 1


@pytest.mark.parametrize(
    "product",
    [
        op("y", "MatMul", X, WEIGHT),
        op("y", "Gemm", X, WEIGHT),
        op("y", "Gemm", X, WEIGHT.T.copy(), ROW, transB=1, alpha=0.5, beta=3.0),
        op("y", "Gemm", X, WEIGHT, ROW[None], beta=0.25),
        op("y", "Gemm", X, WEIGHT, 2.5),
        op("y", "Gemm", X, WEIGHT, np.array([2.5]), transA=0),
    ],
)
def test_product(product):
    after = fused(product)
    assert kinds(after) == ["Affine"]
    assert after.outputs[0].name == "y"
    assert after.outputs[0].op.bias.shape == (3,)


@pytest.mark.parametrize(
    "product",
    [
        op("y", "MatMul", X, op("w", "Reshape", X, np.array([2, -1]))),
        op("y", "Gemm", X, np.ones((16, 3)), transA=1),
        op("y", "Gemm", X, WEIGHT, RNG.normal(size=(16, 1))),
        op("y", "MatMul", np.ones((3, 16)), X),
    ],
)
def test_other_products_stay(product):
    assert "Affine" not in kinds(fused(product))


def test_product_with_a_vector():
    """Its value has no columns of its own, and gets them for as long as it is a map."""
    assert kinds(fused(op("y", "MatMul", X, WEIGHT[:, 0]))) == ["Affine", "Reshape"]


# case 2


@pytest.mark.parametrize("constant", [2.5, np.array([2.5]), ROW, ROW[None], np.array([[2.5]])])
@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
def test_constant_behind_a_map(kind, constant):
    after = fused(op("y", kind, op("h", "MatMul", X, WEIGHT), constant))
    assert kinds(after) == ["Affine"]
    assert after.outputs[0].name == "y"


@pytest.mark.parametrize("constant", [2.5, ROW, ROW[None]])
@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_constant_first(kind, constant):
    assert kinds(fused(op("y", kind, constant, op("h", "MatMul", X, WEIGHT)))) == ["Affine"]


def test_a_divided_constant_stays():
    assert kinds(fused(op("y", "Div", 2.5, op("h", "MatMul", X, WEIGHT)))) == ["Affine", "Div"]


@pytest.mark.parametrize("constant", [np.ones((16, 1)), np.ones((16, 3)), np.ones((1, 1, 3))])
def test_constant_that_acts_on_points_stays(constant):
    after = fused(op("y", "Mul", op("h", "MatMul", X, WEIGHT), constant))
    assert kinds(after) == ["Affine", "Mul"]


def test_constant_with_as_many_points_as_columns_stays():
    square = op("h", "MatMul", X, RNG.normal(size=(2, 16)))
    assert kinds(fused(op("y", "Mul", square, RNG.normal(size=(16, 1))))) == ["Affine", "Mul"]


def test_constant_that_widens_a_map_stays():
    after = fused(op("y", "Add", op("h", "MatMul", X, WEIGHT[:, :1]), ROW))
    assert kinds(after) == ["Affine", "Add"]


# case 3


def test_normalisation_before_a_map():
    lower, upper = np.array([-1.0, 0.0]), np.array([3.0, 0.5])
    shifted = op("shifted", "Sub", X, lower)
    share = op("share", "Div", shifted, (upper - lower)[None])
    scaled = op("scaled", "Sub", op("double", "Mul", 2.0, share), 1.0)
    assert kinds(fused(op("y", "MatMul", scaled, WEIGHT))) == ["Affine"]


@pytest.mark.parametrize("constant", [2.5, np.array([2.5])])
def test_number_before_a_map_whatever_stands_before(constant):
    sine = op("sine", "Exp", X)
    after = fused(op("y", "MatMul", op("n", "Mul", sine, constant), WEIGHT))
    assert kinds(after) == ["Exp", "Affine"]


def test_normalisation_that_others_use_stays_for_them():
    half = op("half", "Mul", X, 0.5)
    after = fused(op("y", "MatMul", half, WEIGHT), op("z", "Exp", half))
    assert sorted(kinds(after)) == ["Affine", "Exp", "Mul"]


def test_constant_that_widens_before_a_map_stays():
    x = Node("x", Input(1))
    wide = op("wide", "Add", x, np.array([1.0, 2.0]))
    assert kinds(fused(op("y", "MatMul", wide, WEIGHT), inputs=(x,))) == ["Add", "Affine"]


# case 4


def test_map_of_a_map():
    inner = op("inner", "Gemm", X, WEIGHT, ROW)
    after = fused(op("y", "Gemm", inner, WEIGHT.T.copy(), ROW[:2]))
    assert kinds(after) == ["Affine"]
    assert after.outputs[0].op.weight.shape == (2, 2)


def test_maps_and_constants_in_turn():
    node = X
    for i in range(3):
        node = op(f"b{i}", "Add", op(f"a{i}", "MatMul", node, WEIGHT @ WEIGHT.T), 1.0)
    assert kinds(fused(node)) == ["Affine"]


@pytest.mark.parametrize("behind", ["Add", "MatMul"])
def test_a_map_that_others_use_stays(behind):
    inner = op("inner", "MatMul", X, WEIGHT)
    outer = op("y", behind, inner, ROW if behind == "Add" else WEIGHT.T.copy())
    for outputs in ((outer, Node("z", Activation("tanh"), (inner,))), (outer, inner)):
        after = fused(*outputs)
        assert isinstance(after.node("inner").op, Affine)
        assert after.outputs[0].operands[0].name == "inner"
