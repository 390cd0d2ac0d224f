"""An imported model means what ONNX Runtime computes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper, numpy_helper

from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend import read_model
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Input, Level
from pinnir.ir.rules import check_rules
from tests.helpers import largest, onnx_model, points, save
from tests.strategies import onnx_models


@settings(max_examples=300)
@given(proto=onnx_models())
def test_evaluate_equals_onnx_runtime(proto):
    model = import_bytes(proto.SerializeToString())
    check_rules(model.graph)
    at = points(model.graph, 16, 0)
    inputs = model.graph.bind(at)
    runtime = OnnxRunner(model.data)(list(inputs.values()))
    # ONNX Runtime rounds the scales that it fuses into products to float32, even for doubles.
    relative = 1e-5 if model.dtype == "float32" else 1e-7
    for one, other in zip(evaluate(model.graph, inputs), runtime, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=relative * largest(model.graph, at))


def same_as_runtime(nodes, weights=None, **options):
    proto = onnx_model(nodes, weights, kind=TensorProto.DOUBLE, **options)
    model = import_bytes(proto.SerializeToString())
    check_rules(model.graph)
    inputs = model.graph.bind(points(model.graph, 5, 0))
    runtime = OnnxRunner(model.data)(list(inputs.values()))
    for one, other in zip(evaluate(model.graph, inputs), runtime, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)
    return model.graph


@pytest.mark.parametrize("opset", [9, 12, 13, 20])
def test_shape_operators_of_old_and_new_operator_sets(opset):
    names = ("x", "row", "back", "t", "y")
    if opset >= 13:
        squeeze = [("Unsqueeze", ["x", "axis"], {}), ("Squeeze", ["row", "axis"], {})]
    else:
        squeeze = [("Unsqueeze", ["x"], {"axes": [1]}), ("Squeeze", ["row"], {"axes": [1]})]
    rest = [("Transpose", ["back"], {"perm": [1, 0]}), ("Reshape", ["t", "shape"], {})]
    nodes = [
        helper.make_node(kind, operands, [name], **attributes)
        for (kind, operands, attributes), name in zip(squeeze + rest, names[1:], strict=True)
    ]
    weights = {"shape": np.array([-1, 2])} | ({"axis": np.array([1])} if opset >= 13 else {})
    same_as_runtime(nodes, weights, opset=opset)


def test_slice_of_operator_set_9_without_axes():
    same_as_runtime([helper.make_node("Slice", ["x"], ["y"], starts=[0, 1], ends=[99, 2])], opset=9)


@pytest.mark.parametrize(
    "attribute",
    [
        {"value_float": 0.5},
        {"value_floats": [0.5, 2.0]},
        {"value": numpy_helper.from_array(np.array([[0.5, 0.25]]))},
    ],
)
def test_constant_nodes(attribute):
    (kind,) = attribute
    constant = helper.make_node("Constant", [], ["c"], **attribute)
    if kind == "value":
        same_as_runtime([constant, helper.make_node("Mul", ["x", "c"], ["y"])])
    else:  # these attributes are float32
        cast = helper.make_node("Cast", ["c"], ["d"], to=TensorProto.DOUBLE)
        same_as_runtime([constant, cast, helper.make_node("Mul", ["x", "d"], ["y"])])


def test_integer_constant_nodes():
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[-1, 2]),
        helper.make_node("Reshape", ["x", "shape"], ["a"]),
        helper.make_node("Constant", [], ["three"], value_int=3),
        helper.make_node("Cast", ["three"], ["factor"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["a", "factor"], ["y"]),
    ]
    same_as_runtime(nodes)


def test_several_outputs_keep_their_order():
    nodes = [helper.make_node("Sin", ["x"], ["b"]), helper.make_node("Cos", ["x"], ["a"])]
    graph = same_as_runtime(nodes, outputs=["a", "b"])
    assert [node.name for node in graph.outputs] == ["a", "b"]


def test_an_unused_input_stays():
    nodes = [helper.make_node("Sin", ["x"], ["y"])]
    graph = same_as_runtime(nodes, inputs={"t": (None, 1), "x": (None, 1)})
    assert [node.name for node in graph.inputs] == ["t", "x"]


def test_initialisers_listed_as_inputs_are_no_inputs():
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    graph = same_as_runtime(
        nodes, {"w": np.array([[2.0, 3.0]])}, inputs={"x": (None, 2), "w": (1, 2)}
    )
    assert [node.name for node in graph.inputs] == ["x"]


def test_dropout_changes_nothing():
    same_as_runtime([helper.make_node("Dropout", ["x"], ["y"])])


def test_slice_with_steps_but_without_axes():
    nodes = [helper.make_node("Slice", ["x", "starts", "ends", "", "steps"], ["y"])]
    vectors = {"starts": np.array([-1, 0]), "ends": np.array([-9, 2]), "steps": np.array([-1, 2])}
    same_as_runtime(nodes, vectors)


@pytest.mark.parametrize("bounds", [(), ("low",), ("", "high"), ("low", "high")])
def test_clip_of_integers_leaves_bounds_out(bounds):
    nodes = [
        helper.make_node("Mul", ["x", "ten"], ["tens"]),
        helper.make_node("Cast", ["tens"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Clip", ["whole", *bounds], ["clipped"]),
        helper.make_node("Div", ["clipped", "three"], ["parts"]),
        helper.make_node("Cast", ["parts"], ["y"], to=TensorProto.DOUBLE),
    ]
    weights = {"ten": np.array(10.0), "three": np.array(3)}
    limits = {"low": np.array(-4), "high": np.array(4)}
    same_as_runtime(nodes, weights | {name: limits[name] for name in bounds if name})


def test_relu_of_integers_stays_an_integer():
    nodes = [
        helper.make_node("Mul", ["x", "ten"], ["tens"]),
        helper.make_node("Cast", ["tens"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Relu", ["whole"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["float"], to=TensorProto.DOUBLE),
        helper.make_node("Div", ["float", "three"], ["y"]),
    ]
    same_as_runtime(nodes, {"ten": np.array(10.0), "three": np.array(3.0)})


@pytest.mark.parametrize(("kind", "opset"), [("Gelu", 20), ("Swish", 24)])
def test_an_operator_spelled_out_twice_on_one_value(kind, opset):
    nodes = [helper.make_node(kind, ["x"], [name]) for name in "ab"]
    nodes.append(helper.make_node("Add", ["a", "b"], ["y"]))
    check_rules(import_bytes(onnx_model(nodes, opset=opset).SerializeToString()).graph)


def test_nodes_are_named_after_their_output_or_made_unique():
    nodes = [
        helper.make_node("Sin", ["x"], ["a"]),
        helper.make_node("Sin", ["a"], ["b"], "x"),
        helper.make_node("Sin", ["b"], ["y"], "last"),
    ]
    graph = same_as_runtime(nodes)
    assert [node.name for node in graph.nodes] == ["x", "a", "x_2", "last"]


def test_constants_of_a_node_do_not_take_the_name_of_another():
    nodes = [
        helper.make_node("Sin", ["x"], ["a"], "cut_starts"),
        helper.make_node("Slice", ["a"], ["y"], "cut", starts=[0], ends=[1], axes=[1]),
    ]
    same_as_runtime(nodes, opset=9)


def test_read_model_keeps_type_level_and_hash(tmp_path):
    proto = onnx_model([helper.make_node("Tanh", ["x"], ["y"])], kind=TensorProto.DOUBLE)
    model = read_model(save(tmp_path, proto))
    assert model.dtype == "float64"
    assert model.graph.level is Level.TENSOR
    (x,) = model.graph.inputs
    assert isinstance(x.op, Input)
    assert x.op.width == 2
    assert model.sha256 == hashlib.sha256(model.data).hexdigest()
    assert import_bytes(model.data).data == model.data


def test_an_open_width_stays_open():
    proto = onnx_model([helper.make_node("Tanh", ["x"], ["y"])], inputs={"x": (None, None)})
    (x,) = import_bytes(proto.SerializeToString()).graph.inputs
    assert isinstance(x.op, Input)
    assert x.op.width is None
