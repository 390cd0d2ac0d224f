"""What the frontend refuses, and what it says then."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pinnir.base.errors import FrontendError, PinnirError
from pinnir.base.files import seal
from pinnir.frontend import read_model
from pinnir.frontend.loading import load
from pinnir.frontend.reader import IMPORTERS, Model, import_bytes
from tests.helpers import onnx_model, save

WEIGHT = np.array([[1.0], [2.0]], np.float32)
LAYER = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])]
AGAIN = "hint: the file may be truncated or of another format; export it again"


def refusal(path) -> str:
    with pytest.raises(FrontendError) as caught:
        read_model(path)
    return str(caught.value)


def read_here(path) -> Model:
    """``read_model`` without the child process, for tests of very many files."""
    return import_bytes(load(b"", str(path), str(path), list(IMPORTERS)))


def refusal_of(folder, nodes, weights=None, **options) -> str:
    return refusal(save(folder, onnx_model(nodes, weights, **options)))


# files


def test_missing_file(tmp_path):
    path = tmp_path / "none.onnx"
    assert refusal(path) == (
        f"the model file {path} does not exist\nhint: give the path of an .onnx file"
    )


def test_folder(tmp_path):
    assert refusal(tmp_path) == (
        f"the model file {tmp_path} is a folder\nhint: give the path of an .onnx file"
    )


def test_empty_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.touch()
    assert refusal(path) == f"{path} is not a readable ONNX model (it holds no graph)\n{AGAIN}"


@pytest.mark.parametrize("data", [b"x,y\n0.0,1.0\n", np.random.default_rng(0).bytes(500)])
def test_not_onnx(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert refusal(path) == (
        f"{path} is not a readable ONNX model (its protobuf cannot be parsed)\n{AGAIN}"
    )


PICKLE = "a pickle, as PyTorch and scikit-learn save"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\0", "a zip archive, as PyTorch (.pt) and Keras (.keras) save"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras (.h5) saves"),
        *((pickle.dumps({"w": 1}, protocol), PICKLE) for protocol in (2, 3, 4, 5)),
        (seal(b"nothing"), "a program that pinnir compiled"),
    ],
)
def test_files_of_other_formats(tmp_path, data, kind):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert refusal(path) == (
        f"{path} is not an ONNX model but {kind}\n"
        "hint: export the network to ONNX, as docs/from-your-framework.md says; pinnir.compile "
        "also takes a torch.nn.Module"
    )


@pytest.mark.parametrize("name", ["model.json", "model.textproto", "model.onnxtxt", "model"])
def test_not_onnx_under_any_name(tmp_path, name):
    path = tmp_path / name
    path.write_text("garbage")
    message = refusal(path)
    assert message.startswith(f"{path} is not a readable ONNX model (")
    assert message.endswith(f")\n{AGAIN}")


def test_file_truncated_anywhere(tmp_path):
    data = onnx_model(LAYER, {"w": WEIGHT}).SerializeToString()
    path = tmp_path / "model.onnx"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(FrontendError, match=r"^\S+ is not a "):
            read_here(path)


def test_flipped_bytes_never_give_another_error(tmp_path):
    data = onnx_model(LAYER, {"w": WEIGHT}).SerializeToString()
    path, rng = tmp_path / "model.onnx", np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_here(path)
        except FrontendError:
            refused += 1
    assert refused > 500


def test_graph_that_is_not_valid(tmp_path):
    path = save(tmp_path, onnx_model([helper.make_node("Tanh", ["nothing"], ["y"])]))
    with pytest.raises(onnx.checker.ValidationError) as reason:
        onnx.checker.check_model(onnx.load(path))
    first_line = str(reason.value).strip().splitlines()[0]
    assert refusal(path) == f"{path} is not a valid ONNX model: {first_line}\nhint: export it again"


@pytest.mark.parametrize("opset", [1, 5])
def test_operator_set_too_old(tmp_path, opset):
    path = save(tmp_path, onnx_model([helper.make_node("Tanh", ["x"], ["y"])], opset=opset))
    assert refusal(path) == (
        f"{path} uses operator set {opset}\nhint: export with opset 9 or newer"
    )


# operators


def test_all_unknown_operators_are_listed(tmp_path):
    nodes = [
        helper.make_node("Hardmax", ["x"], ["a"], "choice"),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("LpNormalization", ["b"], ["c"]),
        helper.make_node("Swish", ["c"], ["y"], "act", domain="com.example"),
    ]
    model = onnx_model(nodes)
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    assert refusal(save(tmp_path, model)) == (
        "3 nodes use operators that pinnir does not compile:\n"
        "  Hardmax 'choice'\n  LpNormalization 'c'\n  com.example::Swish 'act'\n"
        "hint: pinnir compiles " + ", ".join(sorted(IMPORTERS))
    )


def test_axes_of_unknown_number_left_out(tmp_path):
    nodes = [helper.make_node("Identity", [name], [name * 2]) for name in ("s", "e", "t")]
    nodes.append(helper.make_node("Slice", ["x", "ss", "ee", "", "tt"], ["y"], "cut"))
    ranges = {"s": np.array([0]), "e": np.array([1]), "t": np.array([1])}
    assert refusal_of(tmp_path, nodes, ranges) == (
        "Slice 'cut': leaves out its axes, whose number is not fixed in the model"
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(TensorProto.BFLOAT16, "bfloat16"), (TensorProto.COMPLEX64, "complex64")]
)
def test_casts_to_other_types(tmp_path, kind, name):
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], "cast", to=kind),
        helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT),
    ]
    assert (
        refusal_of(tmp_path, nodes)
        == f"Cast 'cast': casts to {name}, which pinnir does not compute"
    )


def test_dropout_exported_for_training(tmp_path):
    nodes = [helper.make_node("Dropout", ["x", "", "training"], ["y"], "drop")]
    assert refusal_of(tmp_path, nodes, {"training": np.array(True)}) == (
        "Dropout 'drop': may drop values at random\nhint: export the network for inference"
    )


def test_padding_with_something_else_than_a_constant(tmp_path):
    nodes = [helper.make_node("Pad", ["x", "widths"], ["y"], "pad", mode="reflect")]
    assert refusal_of(tmp_path, nodes, {"widths": np.array([0, 1, 0, 1])}) == (
        "Pad 'pad': pads with something else than a constant"
    )


def test_padding_integers_with_nothing_said(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.INT64),
        helper.make_node("Pad", ["a", "widths", "", "axes"], ["b"], "pad"),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    weights = {"widths": np.array([0, 1]), "axes": np.array([1])}
    assert refusal_of(tmp_path, nodes, weights) == (
        "Pad 'pad': leaves out the number that integers are padded with"
    )


def test_string_constant(tmp_path):
    nodes = [helper.make_node("Constant", [], ["w"], "text", value_string="a"), *LAYER]
    assert refusal_of(tmp_path, nodes) == "Constant 'text': holds a constant of kind value_string"


def test_the_mask_of_dropout(tmp_path):
    nodes = [
        helper.make_node("Dropout", ["x"], ["a", "mask"], "drop"),
        helper.make_node("Cast", ["mask"], ["y"], to=TensorProto.FLOAT),
    ]
    assert refusal_of(tmp_path, nodes).startswith("Dropout 'drop': ")


# weights


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(tmp_path, bad):
    assert refusal_of(tmp_path, LAYER, {"w": np.array([[1], [bad]], np.float32)}) == (
        "initializer 'w': holds 1 NaN or infinite values\n"
        "hint: the training diverged, or the file is damaged"
    )


def test_constant_nodes_that_are_not_finite(tmp_path):
    value = numpy_helper.from_array(np.full((2, 1), np.nan, np.float32))
    nodes = [helper.make_node("Constant", [], ["w"], "weight", value=value), *LAYER]
    assert refusal_of(tmp_path, nodes) == (
        "Constant 'weight': holds 2 NaN or infinite values\n"
        "hint: the training diverged, or the file is damaged"
    )


@pytest.mark.parametrize("value", [{"value_float": np.inf}, {"value_floats": [1.0, np.nan]}])
def test_numbers_in_attributes_that_are_not_finite(tmp_path, value):
    nodes = [
        helper.make_node("Constant", [], ["w"], "weight", **value),
        helper.make_node("Mul", ["x", "w"], ["y"]),
    ]
    assert refusal_of(tmp_path, nodes) == (
        "Constant 'weight': holds 1 NaN or infinite values\n"
        "hint: the training diverged, or the file is damaged"
    )


@pytest.mark.parametrize("shape", [(2, 0), (0, 1)])
def test_zero_size_layers(tmp_path, shape):
    assert refusal_of(tmp_path, LAYER, {"w": np.empty(shape, np.float32)}) == (
        f"initializer 'w': has a zero-size shape {shape}\n"
        "hint: every layer needs at least one neuron"
    )


def test_zero_size_constant_nodes(tmp_path):
    value = numpy_helper.from_array(np.empty((2, 0), np.float32))
    nodes = [helper.make_node("Constant", [], ["w"], "weight", value=value), *LAYER]
    assert refusal_of(tmp_path, nodes) == (
        "Constant 'weight': has a zero-size shape (2, 0)\n"
        "hint: every layer needs at least one neuron"
    )


# inputs


def test_input_of_text(tmp_path):
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    assert refusal_of(tmp_path, nodes, kind=TensorProto.STRING) == (
        "Input 'x': is not float or double\nhint: export the network with floating point inputs"
    )


@pytest.mark.parametrize("shape", [(None, 2, None), (1, 3, None, None)])
def test_input_of_an_open_number_of_columns(tmp_path, shape):
    nodes = [helper.make_node("Tanh", ["x"], ["y"])]
    assert refusal_of(tmp_path, nodes, inputs={"x": shape}) == (
        "Input 'x': leaves its last dimension open, which holds the columns\n"
        "hint: export the network with a fixed last dimension"
    )


def test_a_number_of_samples_that_is_written_down(tmp_path):
    """Half of the samples beside the other half are no samples any more."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["wide"], "halves"),
        helper.make_node("MatMul", ["wide", "w"], ["y"]),
    ]
    weights = {"shape": np.array([4, 4]), "w": np.ones((4, 1), np.float32)}
    with pytest.raises(PinnirError) as caught:
        model = read_model(save(tmp_path, onnx_model(nodes, weights, inputs={"x": (8, 2)})))
        model.with_axes()
    assert str(caught.value) == (
        "Reshape 'halves': cannot be computed: cannot reshape array of size 10 into shape (4,4)\n"
        "hint: export it with a dynamic number of samples, or for one sample"
    )


def test_an_image_of_too_many_columns(tmp_path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], "edges", kernel_shape=[3, 3])
    weights = {"w": np.ones((4, 3, 3, 3), np.float32)}
    assert refusal_of(tmp_path, [node], weights, inputs={"x": (None, 3, 64, 64)}) == (
        "Conv 'edges': cannot be computed from a part of the input; the whole makes 12,288 columns "
        "of input; pinnir takes up to 1024\nhint: export a network of the coordinates"
    )


def test_operators_that_are_not_known_come_before_the_shape_of_an_input(tmp_path):
    weights = {"w": np.ones((1, 8, 3), np.float32), "r": np.ones((1, 8, 2), np.float32)}
    layer = helper.make_node("LSTM", ["x", "w", "r"], ["y"], "cell", hidden_size=2)
    message = refusal_of(tmp_path, [layer], weights, inputs={"x": (5, None, 3)})
    assert message.startswith(
        "1 node uses operators that pinnir does not compile:\n  LSTM 'cell'\n"
    )


def test_no_input(tmp_path):
    nodes = [helper.make_node("Tanh", ["w"], ["y"])]
    assert refusal_of(tmp_path, nodes, {"w": WEIGHT}, inputs={}) == (
        "the model has no input\nhint: export a network of the coordinates"
    )
