"""Read an ONNX file: the bytes, checked and complete, and the tensor graph they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError

from pinnir.errors import FrontendError
from pinnir.frontend import elementwise, linear, shapes
from pinnir.frontend.table import Importer, OnnxNode, attributes_of, constant_value
from pinnir.ir import Constant, Graph, Input, Level, Node

IMPORTERS: dict[str, Importer] = {
    **elementwise.IMPORTERS,
    **linear.IMPORTERS,
    **shapes.IMPORTERS,
}

_OLDEST_OPSET = 9
_FLOAT_TYPES = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}


@dataclass(frozen=True, eq=False)
class Model:
    """A source network.

    Attributes:
        data: The ONNX model with all weights inside.
        graph: What it computes, as a tensor graph.
        dtype: ``float32`` or ``float64``, its inputs' type.
    """

    data: bytes
    graph: Graph
    dtype: str

    @property
    def sha256(self) -> str:
        """Hash of ``data``."""
        return hashlib.sha256(self.data).hexdigest()


def read_model(path: str | Path) -> Model:
    """Read an ONNX file.

    Weights in a separate data file are read if that file lies in the model's folder.

    Args:
        path: The ``.onnx`` file.

    Raises:
        FrontendError: If the file is missing, damaged, not ONNX, or holds operators that pinnir
            cannot compile; all such nodes are listed at once.
    """
    proto = _load(Path(path))
    try:
        _check(proto, Path(path))
        return Model(proto.SerializeToString(deterministic=True), *_import_graph(proto))
    except UnicodeDecodeError as error:  # protobuf decodes names when they are first read
        raise _not_onnx(Path(path), str(error)) from error


def import_bytes(data: bytes) -> Model:
    """The same from bytes that :func:`read_model` produced.

    Raises:
        FrontendError: As :func:`read_model`.
    """
    return Model(data, *_import_graph(onnx.load_from_string(data)))


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise FrontendError(
            f"the model file {path} {problem}", hint="give the path of an .onnx file"
        )
    try:
        proto = onnx.load(str(path), format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        raise _not_onnx(path, str(error)) from error
    if not proto.graph.node or not proto.opset_import:
        raise _not_onnx(path, "it holds no graph")
    _load_external(proto, path)
    return proto


def _not_onnx(path: Path, why: str) -> FrontendError:
    return FrontendError(
        f"{path} is not a readable ONNX model ({why.strip()})",
        hint="the file may be truncated or of another format; export it again",
    )


def _load_external(proto: onnx.ModelProto, path: Path) -> None:
    """Read weights kept beside the model, never from outside its folder."""
    folder = path.resolve().parent
    for tensor in _tensors(proto):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        pure = PurePosixPath(location)
        target = (folder / location).resolve()
        if not location or pure.is_absolute() or folder not in target.parents:
            raise FrontendError(
                f"its data file {location!r} lies outside the model's folder",
                node=tensor.name, op="initializer",
                hint="put the data file beside the model, or export with the weights inside",
            )  # fmt: skip
        if not target.is_file():
            raise FrontendError(
                f"its data file {location!r} is missing",
                node=tensor.name, op="initializer",
                hint=f"put it into {path.parent}",
            )  # fmt: skip
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except (ValueError, OSError, onnx.checker.ValidationError) as error:
            raise FrontendError(
                f"its data file {location!r} cannot be read: {error}",
                node=tensor.name, op="initializer", hint="export the model again",
            ) from error  # fmt: skip
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the model: initialisers, and what Constant nodes hold."""
    yield from proto.graph.initializer
    for node in proto.graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _check(proto: onnx.ModelProto, path: Path) -> None:
    opset = _opset(proto)
    if opset < _OLDEST_OPSET:
        raise FrontendError(
            f"{path} uses operator set {opset}", hint=f"export with opset {_OLDEST_OPSET} or newer"
        )
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise FrontendError(
            f"{path} is not a valid ONNX model: {str(error).strip().splitlines()[0]}",
            hint="export it again",
        ) from error


def _opset(proto: onnx.ModelProto) -> int:
    versions = [o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")]
    return versions[0] if versions else 0


def _import_graph(proto: onnx.ModelProto) -> tuple[Graph, str]:
    _refuse_unknown(proto)
    values: dict[str, Node] = {}
    for tensor in proto.graph.initializer:
        values[tensor.name] = Node(
            tensor.name, Constant(constant_value(tensor, tensor.name, "initializer"))
        )
    inputs, dtype = _inputs(proto, values)
    values |= {node.name: node for node in inputs}
    used = {key for item in proto.graph.node for key in item.input}
    used |= {value.name for value in proto.graph.output}
    opset, taken = _opset(proto), set(values)
    for index, item in enumerate(proto.graph.node):
        name = _unique(item.name or (item.output[0] if item.output else f"node_{index}"), taken)
        operands = tuple(values[key] if key else None for key in item.input)
        node = OnnxNode(name, item.op_type, attributes_of(item), operands, opset)
        unmet = [key for key in item.output[1:] if key in used]
        if unmet:
            raise node.refuse(f"gives a second value {unmet[0]!r}, which pinnir does not compute")
        values[item.output[0]] = IMPORTERS[item.op_type](node)
    outputs = tuple(values[value.name] for value in proto.graph.output)
    return Graph(Level.TENSOR, inputs, outputs), dtype


def _unique(name: str, taken: set[str]) -> str:
    """ONNX lets nodes share names with each other and with values; graphs do not."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _refuse_unknown(proto: onnx.ModelProto) -> None:
    unknown = [
        (node.name or ", ".join(node.output), node.op_type, node.domain)
        for node in proto.graph.node
        if node.op_type not in IMPORTERS or node.domain not in ("", "ai.onnx")
    ]
    if unknown:
        listing = "\n".join(
            f"  {f'{domain}::' if domain else ''}{op} '{name}'" for name, op, domain in unknown
        )
        raise FrontendError(
            f"{len(unknown)} nodes use operators that pinnir does not compile:\n{listing}",
            hint="pinnir compiles " + ", ".join(sorted(IMPORTERS)),
        )


def _inputs(proto: onnx.ModelProto, values: dict[str, Node]) -> tuple[tuple[Node, ...], str]:
    found: list[Node] = []
    types: set[str] = set()
    for value in proto.graph.input:
        if value.name in values:  # before opset 9, initialisers were listed as inputs too
            continue
        kind = value.type.tensor_type
        if kind.elem_type not in _FLOAT_TYPES:
            raise FrontendError(
                "is not float or double", node=value.name, op="Input",
                hint="export the network with floating point inputs",
            )  # fmt: skip
        shape = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        if len(shape) != 2:
            raise FrontendError(
                f"has {len(shape)} dimensions, not (samples, columns)",
                node=value.name, op="Input",
                hint="export the network for a batch of points",
            )  # fmt: skip
        types.add(_FLOAT_TYPES[kind.elem_type])
        found.append(Node(value.name, Input(shape[1])))
    _refuse_separate_samples(proto, found)
    if not found:
        raise FrontendError("the model has no input", hint="export a network of the coordinates")
    return tuple(found), "float64" if "float64" in types else "float32"


def _refuse_separate_samples(proto: onnx.ModelProto, inputs: list[Node]) -> None:
    """Separable and operator networks take each input at points of its own."""
    names = {node.name for node in inputs}
    samples: dict[str, str] = {}
    for value in proto.graph.input:
        first = value.type.tensor_type.shape.dim[0] if value.name in names else None
        size = (first.dim_param or str(first.dim_value or "")) if first is not None else ""
        if size:
            samples[value.name] = size
    if len(set(samples.values())) > 1:
        told = ", ".join(f"'{name}' has {size}" for name, size in samples.items())
        raise FrontendError(
            f"the inputs have different numbers of samples: {told}",
            hint="separable and operator networks are not compiled yet; a network of points takes "
            "all its inputs row by row",
        )
