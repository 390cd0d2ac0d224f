"""Operators that are affine maps in disguise mean what ONNX Runtime computes, and become maps."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import pinnir
from pinnir.base.errors import FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Constant, Graph, Input
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.fuse_activations import FuseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from tests.helpers import context, onnx_model, points, save

RNG = np.random.default_rng(0)
PASSES = (FoldConstants(), DropIdentity(), FuseAffine(), FuseActivations())
LAYER = RNG.normal(size=(2, 3)).astype(np.float32)


def tidied(nodes, weights=None, **options) -> Graph:
    return tidied_model(onnx_model(nodes, weights, **options))


def tidied_model(proto: onnx.ModelProto) -> Graph:
    """The graph after the tidying passes; ONNX Runtime gives the same before and after them."""
    model = import_bytes(proto.SerializeToString())
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


# scikit-learn


def learnt(nodes, weights=None, **options):
    model = onnx_model(nodes, weights, **options)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return model


def of_scikit_learn(kind: str, x: str, y: str, **attributes):
    return helper.make_node(kind, [x], [y], "n", domain="ai.onnx.ml", **attributes)


@pytest.mark.parametrize("columns", [1, 2])
def test_scaler_before_a_layer(columns):
    numbers = {"offset": [0.5, -2.0][:columns], "scale": [0.25, 3.0][:columns]}
    nodes = [of_scikit_learn("Scaler", "x", "h", **numbers), product("h", "y")]
    assert kinds(tidied_model(learnt(nodes, {"w": LAYER}))) == {Affine}


def test_imputer_of_coordinates():
    """A coordinate is never missing."""
    numbers = {"imputed_value_floats": [1.0, 2.0], "replaced_value_float": float("nan")}
    nodes = [of_scikit_learn("Imputer", "x", "h", **numbers), product("h", "y")]
    assert kinds(tidied_model(learnt(nodes, {"w": LAYER}))) == {Affine}


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm):
    tidied_model(learnt([of_scikit_learn("Normalizer", "x", "y", norm=norm)]))


def test_normalizer_of_a_row_of_zeros():
    model = import_bytes(
        learnt([of_scikit_learn("Normalizer", "x", "y", norm="L2")]).SerializeToString()
    )
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    (y,) = evaluate(model.graph, {"x": x})
    np.testing.assert_allclose(y, OnnxRunner(model.data)([x])[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("Normalizer", {"norm": "L3"}, "divides by the unknown norm L3"),
        ("Imputer", {}, "does not say what stands for a missing value"),
    ],
)
def test_scikit_learn_operators_that_say_too_little(kind, attributes, message):
    model = learnt([of_scikit_learn(kind, "x", "y", **attributes)])
    with pytest.raises(FrontendError) as caught:
        import_bytes(model.SerializeToString())
    assert str(caught.value) == f"ai.onnx.ml::{kind} 'n': {message}"


def test_a_program_of_a_scikit_learn_network_can_be_read(tmp_path):
    numbers = {"offset": [0.5, -2.0], "scale": [0.25, 0.5]}
    hidden = helper.make_node("Tanh", ["h2"], ["h3"])
    nodes = [of_scikit_learn("Scaler", "x", "h1", **numbers), product("h1", "h2"), hidden]
    path = tmp_path / "program.nir"
    program = pinnir.compile(
        save(
            tmp_path,
            learnt(
                [*nodes, helper.make_node("MatMul", ["h3", "w2"], ["y"])],
                {"w": LAYER, "w2": LAYER.T.copy()},
            ),
        ),
        domain="-1:1",
    )
    program.save(path)
    again = pinnir.read(path).run(np.zeros((1, 2)))
    np.testing.assert_allclose(again.outputs, again.source, atol=0.05)


# writing in place


def written_in_place(x: str, y: str):
    """``x[:, 0] = x[:, 0] * x[:, 1]``, with indices made of the number of points, as exported."""
    return [
        helper.make_node("Gather", [x, "zero"], ["first"], axis=1),
        helper.make_node("Gather", [x, "one"], ["second"], axis=1),
        helper.make_node("Mul", ["first", "second"], ["product"]),
        helper.make_node("Shape", ["product"], ["points"]),
        helper.make_node("Squeeze", ["points"], ["count"]),
        helper.make_node("Range", ["zero", "count", "one"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "last"], ["row"]),
        helper.make_node("Mul", ["row", "zero"], ["column"]),
        helper.make_node("Concat", ["row", "column"], ["where"], axis=1),
        helper.make_node("ScatterND", [x, "where", "product"], [y]),
    ]


COUNTS = {"zero": np.array(0), "one": np.array(1), "last": np.array([-1])}


def test_a_column_written_in_place():
    nodes = [product("x", "h1"), helper.make_node("Tanh", ["h1"], ["h2"])]
    tidied([*nodes, *written_in_place("h2", "y")], COUNTS | {"w": LAYER})


def test_the_program_of_a_column_written_in_place(tmp_path):
    nodes = [product("x", "h1"), helper.make_node("Tanh", ["h1"], ["h2"])]
    nodes += [helper.make_node("MatMul", ["h2", "w2"], ["h3"]), *written_in_place("h3", "y")]
    model = onnx_model(nodes, COUNTS | {"w": LAYER, "w2": LAYER.T.copy()})
    program = pinnir.compile(save(tmp_path, model), domain="-1:1")
    result = program.run(RNG.uniform(-1, 1, (500, 2)))
    error = np.linalg.norm(result.outputs - result.source) / np.linalg.norm(result.source)
    assert error < 0.02


@pytest.mark.parametrize("kind", ["ScatterElements", "ScatterND"])
def test_products_written_in_place(kind):
    weights = {
        "i": np.array([[0, 1]]),
        "u": np.ones((1, 2) if kind != "ScatterND" else 1, np.float32),
    }
    model = onnx_model(
        [helper.make_node(kind, ["x", "i", "u"], ["y"], "n", reduction="mul")], weights
    )
    with pytest.raises(FrontendError) as caught:
        import_bytes(model.SerializeToString())
    assert str(caught.value) == (
        f"{kind} 'n': writes in place by mul\nhint: pinnir compiles writing and adding in place"
    )
