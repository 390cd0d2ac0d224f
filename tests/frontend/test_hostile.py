"""ONNX files made to do harm: each ends in one message, whatever the libraries would do."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pinnir.base.errors import FrontendError, PinnirError
from pinnir.frontend import read_model
from pinnir.ir.evaluate import evaluate
from pinnir.ir.sample_axes import separate_axes
from tests.helpers import onnx_model, save

WEIGHT = np.array([[1.0], [2.0]], np.float32)
LAYER = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])]
AGAIN = "the file is damaged or not meant to be read; make it again"


def network(*more: onnx.NodeProto, **weights: np.ndarray) -> onnx.ModelProto:
    return onnx_model([*more, *LAYER], {"w": WEIGHT, **weights})


def refusal(folder, model: onnx.ModelProto | bytes) -> str:
    """What is said of a model; the path is called MODEL."""
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(PinnirError) as caught:
        read_model(path)
    return str(caught.value).replace(str(path), "MODEL")


def test_dims_of_2_to_the_31(tmp_path):
    model = network()
    model.graph.initializer[0].dims[0] = 2**31
    assert refusal(tmp_path, model).startswith("MODEL is not a valid ONNX model: ")


@pytest.mark.parametrize("size", [0, -1, -(2**63)])
@pytest.mark.parametrize("axis", [0, 1])
def test_input_without_size(tmp_path, size, axis):
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    assert refusal(tmp_path, model) == (
        f"Input 'x': has the size {size}\nhint: export it with a dynamic or positive size"
    )


def test_huge_batch(tmp_path):
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**31
    assert refusal(tmp_path, model) == (
        "Input 'x': has a fixed batch of 2,147,483,648 points\nhint: export it with a dynamic batch"
    )


def test_huge_input(tmp_path):
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**31
    assert refusal(tmp_path, model) == (
        "Input 'x': makes 2,147,483,648 columns of input; pinnir takes up to 1024\n"
        "hint: export a network of the coordinates"
    )


def test_cycle(tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Tanh", ["a"], ["b"])]
    assert refusal(tmp_path, onnx_model([*nodes, *LAYER], {"w": WEIGHT})).startswith(
        "MODEL is not a valid ONNX model: Nodes in a graph must be topologically sorted"
    )


def test_duplicate_value_names(tmp_path):
    model = network(helper.make_node("Tanh", ["x"], ["h"]))
    assert refusal(tmp_path, model).startswith("MODEL is not a valid ONNX model: ")


def test_missing_initialiser(tmp_path):
    assert refusal(tmp_path, onnx_model(LAYER)).startswith("MODEL is not a valid ONNX model: ")


def test_text_that_is_not_utf_8(tmp_path):
    data = network(helper.make_node("Tanh", ["x"], ["z"], "namename")).SerializeToString()
    assert refusal(tmp_path, data.replace(b"namename", b"\xff" * 8)) == (
        "MODEL is not a readable ONNX model (it holds text that is not UTF-8)\n"
        "hint: the file may be truncated or of another format; export it again"
    )


def test_sparse_initialiser(tmp_path):
    model = onnx_model(LAYER)
    sparse = model.graph.sparse_initializer.add(dims=[2, 1])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
    assert refusal(tmp_path, model) == "initializer 'w': is sparse\nhint: export dense weights"


def test_text_as_weights(tmp_path):
    model = onnx_model(LAYER)
    model.graph.initializer.append(
        helper.make_tensor("w", TensorProto.STRING, [2, 1], [b"a", b"b"])
    )
    assert refusal(tmp_path, model) == ("initializer 'w': holds text instead of real numbers")


@pytest.mark.parametrize("kind", [TensorProto.COMPLEX64, TensorProto.STRING])
def test_inputs_of_other_types(tmp_path, kind):
    model = onnx_model([helper.make_node("Identity", ["x"], ["y"])], kind=kind)
    assert refusal(tmp_path, model) == (
        "Input 'x': is not float or double\nhint: export the network with floating point inputs"
    )


# folders


def external(location: str) -> onnx.ModelProto:
    model = onnx_model(LAYER)
    tensor = TensorProto(name="w", dims=(2, 1), data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    model.graph.initializer.append(tensor)
    return model


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("C:\\weights.bin", "lies outside the model's folder"),
        ("", "lies outside the model's folder"),
        ("folder", "is not an ordinary file"),
        ("pipe", "is not an ordinary file"),
        ("none", "is missing"),
    ],
)
def test_places_that_are_no_data_files(tmp_path, location, problem):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path, external(location)).splitlines()[0] == (
        f"initializer 'w': its data file {location!r} {problem}"
    )


def test_loop_of_links(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path, external("loop")).startswith("initializer 'w': its data file 'loop' ")


@pytest.mark.parametrize("where", ["branch", "sparse", "function"])
def test_data_outside_wherever_a_tensor_may_hide(tmp_path, where):
    tensor = external("../weights.bin").graph.initializer[0]
    model = network()
    if where == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    else:
        holder = model.graph
        if where == "function":
            holder = model.functions.add(name="f", domain="d")
        attribute = holder.node.add(op_type="If").attribute.add(name="then_branch")
        attribute.g.initializer.append(tensor)
    assert refusal(tmp_path, model) == (
        "initializer 'w': its data file '../weights.bin' lies outside the model's folder\n"
        "hint: put the data file beside the model, or export with the weights inside"
    )


# functions


def function(name: str, *callees: str) -> onnx.FunctionProto:
    """A function of one value that calls others one after the other."""
    names = ["a", *(f"v{i}" for i in range(len(callees) - 1)), "b"]
    nodes = [
        helper.make_node(callee, [names[i]], [names[i + 1]], domain="d" if callee[0] == "f" else "")
        for i, callee in enumerate(callees)
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("d", 1)]
    return helper.make_function("d", name, ["a"], ["b"], nodes, opsets)


def calling(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    model = onnx_model([helper.make_node("f0", ["x"], ["z"], domain="d"), *LAYER], {"w": WEIGHT})
    model.graph.node[1].input[0] = "z"
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("d", 1))
    return model


def test_functions_are_inlined(tmp_path):
    model = calling(function("f0", "f1", "f1"), function("f1", "Tanh"))
    graph = read_model(save(tmp_path, model)).graph
    x = np.array([[0.3, -0.4]])
    (y,) = evaluate(graph, {"x": x})
    np.testing.assert_allclose(y, np.tanh(np.tanh(np.tanh(x)) @ WEIGHT), atol=1e-12)


@pytest.mark.parametrize(
    ("functions", "circle"),
    [([("f0", "f0")], "f0 -> f0"), ([("f0", "f1"), ("f1", "f0")], "f0 -> f1 -> f0")],
)
def test_recursive_functions(tmp_path, functions, circle):
    assert refusal(tmp_path, calling(*(function(*names) for names in functions))) == (
        f"function 'f0': calls itself: {circle}\nhint: export the model without recursive functions"
    )


def test_functions_that_multiply(tmp_path):
    """Thirty short functions stand for 10^30 nodes."""
    functions = [function(f"f{i}", *[f"f{i + 1}"] * 10) for i in range(30)]
    message = refusal(tmp_path, calling(*functions, function("f30", "Tanh")))
    assert message == (
        f"MODEL has {10**30 + 2:,} nodes; pinnir compiles up to 1,000\n"
        "hint: export the network alone, without training or solver steps"
    )


# memory


def test_constants_that_onnx_runtime_would_fold(tmp_path):
    shape = np.array([2**31, 2**8])
    model = network(helper.make_node("ConstantOfShape", ["shape"], ["huge"], "bomb"), shape=shape)
    total = helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0)
    model.graph.node.extend([total, helper.make_node("Mul", ["y", "sum"], ["z"])])
    model.graph.output[0].name = "z"
    assert refusal(tmp_path, model) == (
        f"MODEL needs more than 1.3 GiB of memory to be read\nhint: {AGAIN}"
    )


def test_values_that_are_too_wide(tmp_path):
    model = network(
        helper.make_node("Expand", ["h", "shape"], ["wide"]), shape=np.array([1, 2**22])
    )
    model.graph.node.insert(2, model.graph.node.pop(0))
    total = helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=1)
    model.graph.node.extend([total, helper.make_node("Mul", ["y", "sum"], ["z"])])
    model.graph.output[0].name = "z"
    assert refusal(tmp_path, model) == (
        f"MODEL needs more than 1.3 GiB of memory to be read\nhint: {AGAIN}"
    )


def test_outputs_that_mix_the_points(tmp_path):
    nodes = [
        helper.make_node("Transpose", ["h"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["h", "t"], ["y"]),
    ]
    model = onnx_model([LAYER[0], *nodes], {"w": WEIGHT})
    with pytest.raises(FrontendError) as caught:
        separate_axes(read_model(save(tmp_path, model)).graph)
    assert str(caught.value) == (
        "MatMul 'y': its value at one point depends on the other points\n"
        "hint: export a network in which every point is computed on its own"
    )


def test_pipe_in_place_of_a_model(tmp_path):
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(FrontendError) as caught:
        read_model(tmp_path / "model.onnx")
    assert str(caught.value) == (
        f"the model file {tmp_path / 'model.onnx'} is not an ordinary file\n"
        "hint: give the path of an .onnx file"
    )
