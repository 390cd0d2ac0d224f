"""Operators that are affine maps in disguise mean what ONNX Runtime computes, and become maps."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Constant, Graph, Input
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import context, onnx_model, points

RNG = np.random.default_rng(0)
PASSES = (FoldConstants(), DropIdentity(), FuseAffine(), FuseActivations())
LAYER = RNG.normal(size=(2, 3)).astype(np.float32)


def tidied(nodes, weights=None, **options) -> Graph:
    """The graph after the tidying passes; ONNX Runtime gives the same before and after them."""
    model = import_bytes(onnx_model(nodes, weights, **options).SerializeToString())
    inputs = model.graph.bind(points(model.graph, 20, 0))
    expected = OnnxRunner(model.data)(list(inputs.values()))
    graph = model.graph
    for step in (None, *PASSES):
        graph = graph if step is None else step.apply(graph, context(model.graph))
        for one, other in zip(evaluate(graph, inputs), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    return graph


def kinds(graph: Graph) -> set[type]:
    return {type(node.op) for node in graph.nodes} - {Input, Constant}


# batch normalisation


def statistics(columns: int) -> dict[str, np.ndarray]:
    values = {key: RNG.normal(size=columns).astype(np.float32) for key in ("s", "b", "m")}
    return values | {"v": RNG.uniform(0.1, 2, columns).astype(np.float32)}


def normalising(x: str, y: str, **attributes):
    return helper.make_node("BatchNormalization", [x, "s", "b", "m", "v"], [y], "n", **attributes)


def product(x: str, y: str):
    return helper.make_node("MatMul", [x, "w"], [y])


@pytest.mark.parametrize("opset", [9, 14, 17])
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_batch_normalisation_behind_and_before_a_layer(opset, epsilon):
    behind = [product("x", "h"), normalising("h", "y", epsilon=epsilon)]
    assert kinds(tidied(behind, statistics(3) | {"w": LAYER}, opset=opset)) == {Affine}
    before = [normalising("x", "h", epsilon=epsilon), product("h", "y")]
    assert kinds(tidied(before, statistics(2) | {"w": LAYER}, opset=opset)) == {Affine}


def test_batch_normalisation_alone_and_between_activations():
    tanh = helper.make_node("Tanh", ["h1"], ["h2"])
    tidied([normalising("x", "h1"), tanh, normalising("h2", "y")], statistics(2))


def test_batch_normalisation_with_constants_that_are_handed_on():
    """As exporters write two layers that share their numbers."""
    nodes = [helper.make_node("Identity", ["given"], ["s"]), product("x", "h")]
    weights = statistics(3) | {"w": LAYER}
    weights["given"] = weights.pop("s")
    assert kinds(tidied([*nodes, normalising("h", "y")], weights)) == {Affine}


def test_batch_normalisation_in_training():
    model = onnx_model([normalising("x", "y", training_mode=1)], statistics(2))
    with pytest.raises(FrontendError) as caught:
        import_bytes(model.SerializeToString())
    assert str(caught.value) == (
        "BatchNormalization 'n': normalises by the batch that it is given\n"
        "hint: export the network for inference"
    )
