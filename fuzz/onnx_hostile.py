"""ONNX models that somebody might make on purpose: one function a case.

Each takes a random generator, a valid model to change in place, the folder that the mutant will lie
in and a file outside that nobody may read; it gives the bytes where the model cannot.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzz.bytes import NUMBERS, TEXTS

Rng = np.random.Generator
HOSTILE: dict[str, Callable[[Rng, onnx.ModelProto, Path, Path], bytes | None]] = {}


def _case(function: Callable[..., bytes | None]) -> Callable[..., bytes | None]:
    HOSTILE[function.__name__.replace("_", " ").strip()] = function
    return function


def _any(rng: Rng, values: object) -> object:
    found = list(values)  # type: ignore[call-overload]
    return found[rng.integers(len(found))] if found else None


@_case
def _huge_dims(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    for tensor in model.graph.initializer[: int(rng.integers(1, 3))]:
        del tensor.dims[:]
        tensor.dims.extend(int(n) for n in rng.choice([1, 2, 2**16, 2**31, 2**32, 2**62], 2))
        if rng.random() < 0.5:
            tensor.ClearField("raw_data")


@_case
def _odd_inputs(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    value = _any(rng, model.graph.input)
    for dimension in value.type.tensor_type.shape.dim:  # type: ignore[attr-defined]
        if rng.random() < 0.6:
            dimension.dim_value = int(rng.choice(NUMBERS))
    if rng.random() < 0.2:
        value.type.tensor_type.elem_type = int(rng.integers(0, 28))  # type: ignore[attr-defined]


@_case
def _cycle(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    node, other = _any(rng, model.graph.node), _any(rng, model.graph.node)
    if node.input and other.output:  # type: ignore[attr-defined]
        node.input[int(rng.integers(len(node.input)))] = other.output[0]  # type: ignore[attr-defined]


@_case
def _duplicate_names(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    graph = model.graph
    named = [*graph.node, *graph.initializer, *graph.input, *graph.output]
    name = str(_any(rng, [n.name for n in named if n.name]))
    for item in named:
        if rng.random() < 0.3:
            item.name = name
    if rng.random() < 0.5:
        graph.output.append(graph.output[0])


@_case
def _missing_initialisers(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    if model.graph.initializer:
        del model.graph.initializer[int(rng.integers(len(model.graph.initializer)))]


@_case
def _other_operators(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    from pinnir.frontend.reader import IMPORTERS

    node = _any(rng, model.graph.node)
    kinds = [*IMPORTERS, "Loop", "If", "Scan", "Tile", "Resize", "LSTM", "NonZero", "Sum"]
    node.op_type = str(rng.choice(kinds))  # type: ignore[attr-defined]
    if rng.random() < 0.4:
        del node.attribute[:]  # type: ignore[attr-defined]
    if rng.random() < 0.4 and node.input:  # type: ignore[attr-defined]
        node.input.append(str(_any(rng, [t.name for t in model.graph.initializer])))  # type: ignore[attr-defined]


@_case
def _constant_bombs(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    """Constants that grow beyond all memory when they are folded."""
    size = int(rng.choice([2**10, 2**16, 2**20, 2**31, 2**40]))
    shape = [size] * int(rng.integers(1, 4))
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape), "bomb_shape"))
    one = numpy_helper.from_array(np.ones(1, np.float32), "bomb_one")
    model.graph.initializer.append(one)
    kind = rng.choice(["ConstantOfShape", "Expand", "Concat", "MatMul", "Gather"])
    nodes = []
    if kind == "ConstantOfShape":
        nodes = [helper.make_node("ConstantOfShape", ["bomb_shape"], ["bomb"])]
    elif kind == "Expand":
        nodes = [helper.make_node("Expand", ["bomb_one", "bomb_shape"], ["bomb"])]
    elif kind == "Gather":
        nodes = [
            helper.make_node("Expand", ["bomb_shape", "bomb_shape"], ["bomb_many"]),
            helper.make_node("Gather", ["bomb_one", "bomb_many"], ["bomb"]),
        ]
    elif kind == "Concat":
        names = ["bomb_one", *(f"bomb_{i}" for i in range(45)), "bomb"]
        nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    else:
        for i, dims in enumerate(([2**15, 1], [1, 2**15])):
            value = np.ones(dims, np.float32)
            model.graph.initializer.append(numpy_helper.from_array(value, f"bomb_m{i}"))
        nodes = [helper.make_node("MatMul", ["bomb_m0", "bomb_m1"], ["bomb"])]
    nodes.append(helper.make_node("ReduceSum", ["bomb"], ["bomb_sum"], keepdims=0))
    y = model.graph.output[0].name
    nodes.append(helper.make_node("Mul", [y, "bomb_sum"], ["bomb_y"]))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[:-1] + rest + nodes[-1:])
    model.graph.output[0].name = "bomb_y"


@_case
def _wide_values(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    """Values that grow with every point."""
    width = int(rng.choice([2**8, 2**12, 2**16, 2**20, 2**22]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, width]), "wide_shape"))
    x, y = model.graph.input[0].name, model.graph.output[0].name
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", [x], ["wide_x"], keepdims=1),
            helper.make_node("Expand", ["wide_x", "wide_shape"], ["wide"]),
            helper.make_node("Tanh", ["wide"], ["wide_t"]),
            helper.make_node("ReduceSum", ["wide_t"], ["wide_sum"], keepdims=1),
            helper.make_node("Add", [y, "wide_sum"], ["wide_y"]),
        ]
    )
    model.graph.output[0].name = "wide_y"


@_case
def _long_chains(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    count = int(rng.choice([200, 2000, 9000, 30_000, 200_000], p=[0.4, 0.3, 0.1, 0.1, 0.1]))
    kind = str(rng.choice(["Identity", "Tanh", "Neg", "Cast", "Add"]))
    value = model.graph.output[0].name
    for number in range(count):
        operands = [value, value] if kind == "Add" else [value]
        node = helper.make_node(kind, operands, [f"chain_{number}"])
        if kind == "Cast":
            node.attribute.append(helper.make_attribute("to", 1))
        model.graph.node.append(node)
        value = f"chain_{number}"
    model.graph.output[0].name = value


@_case
def _deep_graphs(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "g", [], [])
    for _ in range(int(rng.choice([1, 5, 15, 40]))):
        node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "g", [], [])
        if inner.ByteSize() > 2**20:
            break
    model.graph.node.insert(0, helper.make_node("If", ["c"], ["z"], then_branch=inner))


@_case
def _local_functions(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    """Recursive ones, pairs that call each other, and ones that multiply."""
    way = rng.choice(["self", "pair", "multiply", "deep", "missing"])
    depth = {"self": 1, "pair": 2, "multiply": 30, "deep": 2000, "missing": 1}[str(way)]
    width = 10 if way == "multiply" else 1
    domain = "hostile"
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]
    for number in range(depth):
        callee = f"f{number + 1}"
        if number == depth - 1:
            callee = {"self": "f0", "pair": "f0", "missing": "nowhere"}.get(str(way), "")
        nodes, value = [], "a"
        for call in range(width):
            result = "b" if call == width - 1 else f"v{call}"
            kind = {"op_type": callee, "domain": domain} if callee else {"op_type": "Tanh"}
            nodes.append(helper.make_node(inputs=[value], outputs=[result], **kind))
            value = result
        model.functions.append(
            helper.make_function(domain, f"f{number}", ["a"], ["b"], nodes, opsets)
        )
    model.opset_import.append(helper.make_opsetid(domain, 1))
    y = model.graph.output[0].name
    model.graph.node.append(helper.make_node("f0", [y], ["function_y"], domain=domain))
    model.graph.output[0].name = "function_y"
    model.ir_version = max(model.ir_version, 8)


@_case
def _outside_data(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    """Data files that lie elsewhere, lead elsewhere, or are no files."""
    (folder / "link.bin").symlink_to(decoy)
    (folder / "loop.bin").symlink_to("loop.bin")
    (folder / "up").symlink_to("..")
    (folder / "folder.bin").mkdir()
    (folder / "short.bin").write_bytes(b"1234")
    os.mkfifo(folder / "pipe.bin")
    places = [
        "../decoy.bin",
        str(decoy),
        "link.bin",
        "loop.bin",
        "up/decoy.bin",
        "folder.bin",
        "pipe.bin",
        "short.bin",
        "none.bin",
        "deep/../../decoy.bin",
        "C:\\decoy.bin",
        "a" * 300,
        "\x00",
        "/dev/zero",
        "/proc/self/mem",
        *TEXTS,
    ]
    tensor = _external(rng, model)
    tensor.external_data.add(key="location", value=str(rng.choice(places)))
    for key in ("offset", "length", "checksum"):
        if rng.random() < 0.4:
            tensor.external_data.add(key=key, value=str(rng.choice([*NUMBERS, "x"])))


def _external(rng: Rng, model: onnx.ModelProto) -> onnx.TensorProto:
    """A tensor without data: an initialiser, or one that a node holds, maybe deep inside."""
    where = rng.choice(["initializer", "constant", "branch", "sparse", "function"])
    tensor = TensorProto(name="outside", dims=[2, 2], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    if where == "initializer" and model.graph.initializer:
        return _emptied(_any(rng, model.graph.initializer))
    if where == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
        return model.graph.sparse_initializer[-1].values
    node = model.graph.node.add(op_type="Constant", output=["outside"], name="outside")
    if where == "function" and model.functions:
        node = model.functions[0].node.add(op_type="Constant", output=["outside"])
    attribute = node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    if where == "branch":
        attribute.type = onnx.AttributeProto.GRAPH
        attribute.g.name = "branch"
        attribute.g.initializer.append(tensor)
        return attribute.g.initializer[0]
    attribute.t.CopyFrom(tensor)
    return attribute.t


def _emptied(tensor: object) -> onnx.TensorProto:
    assert isinstance(tensor, TensorProto)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


@_case
def _text_that_is_not_utf_8(
    rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path
) -> bytes | None:
    """A name's bytes are replaced by others of the same number."""
    graph = model.graph
    names = [n.name for n in (*graph.node, *graph.input, *graph.initializer) if n.name]
    names += [n.op_type for n in graph.node] + [a.name for n in graph.node for a in n.attribute]
    name = str(_any(rng, names)).encode()
    data: bytes = model.SerializeToString()
    return data.replace(name, b"\xff" * len(name), int(rng.choice([1, -1])))


@_case
def _other_types(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    for tensor in model.graph.initializer:
        if rng.random() < 0.4:
            tensor.data_type = int(rng.integers(0, 28))
            if tensor.data_type == TensorProto.STRING:
                tensor.ClearField("raw_data")
                tensor.string_data.extend([b"\xff"] * int(np.prod(tensor.dims)))


@_case
def _sparse_weights(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    tensor = model.graph.initializer[0]
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(2, np.float32), tensor.name))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0, int(rng.choice(NUMBERS[:20]))])))
    sparse.dims.extend(int(n) for n in rng.choice([1, 2, 2**31, 2**62], 2))
    if rng.random() < 0.5:
        del model.graph.initializer[0]


@_case
def _other_versions(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    model.ir_version = int(rng.choice([*range(14), *NUMBERS]))
    if rng.random() < 0.7:
        model.opset_import[0].version = int(rng.choice([*range(1, 30), *NUMBERS]))


@_case
def _values_out_of_range(rng: Rng, model: onnx.ModelProto, folder: Path, decoy: Path) -> None:
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor).copy()
        if value.dtype.kind == "f" and value.size and rng.random() < 0.5:
            scale = rng.choice([0.0, 1e-42, 1e-20, 1e10, 1e19, 1e30, 1e38])
            value.flat[rng.integers(value.size)] = scale
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
        elif value.dtype.kind == "i" and value.size:
            value.flat[0] = int(rng.choice(NUMBERS))
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
