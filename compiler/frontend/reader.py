"""Import an ONNX model: from the checked bytes to the tensor graph they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from pinnir.base.errors import FrontendError
from pinnir.frontend import domains, elementwise, images, linear, quantized, shapes
from pinnir.frontend.batch_rounding import left_out
from pinnir.frontend.loading import bad_input, load_isolated, not_onnx, opset_of
from pinnir.frontend.protos import operator_name
from pinnir.frontend.table import Importer, OnnxNode, as_it_is, constant_value
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.names import Names
from pinnir.numerics.operators import OPERATORS

IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys(OPERATORS, as_it_is),
    **domains.IMPORTERS,
    **elementwise.IMPORTERS,
    **images.IMPORTERS,
    **linear.IMPORTERS,
    **quantized.IMPORTERS,
    **shapes.IMPORTERS,
}

_UNKNOWN = "is not an operator that pinnir compiles"
_FLOAT_TYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float32",
    onnx.TensorProto.DOUBLE: "float64",
}
_WHOLE_TYPES = {
    onnx.TensorProto.BOOL: "bool",
    **{
        onnx.TensorProto.DataType.Value(f"{sign}INT{bits}"): f"{sign}INT{bits}".lower()
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
}
_BRAIN = "is bfloat16, which ONNX Runtime does not run on ordinary processors"


@dataclass(frozen=True, eq=False)
class Model:
    """A source network.

    Attributes:
        data: The ONNX model with all weights inside.
        graph: What it computes, as a tensor graph.
        dtype: ``float32`` or ``float64``, what host parts compute in: that of its inputs, and
            ``float32`` where these are of half precision or whole numbers.
        samples: What the model calls the first dimension of an input, where it has a name.
        batch_rounding_left_out: How many nodes the file has, and ``data`` has not, that round by
            the numbers of each batch.
    """

    data: bytes
    graph: Graph
    dtype: str
    samples: Mapping[str, str] = field(default_factory=dict)
    batch_rounding_left_out: int = 0

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
    return import_bytes(load_isolated(Path(path), IMPORTERS))


def import_bytes(data: bytes) -> Model:
    """The same from bytes that :func:`read_model` produced.

    Raises:
        FrontendError: As :func:`read_model`.
    """
    try:
        proto = onnx.load_from_string(data)
        return Model(data, *_import_graph(proto), left_out(proto))
    except UnicodeDecodeError as error:  # protobuf decodes names when they are first read
        raise not_onnx("the model", str(error)) from error


def _import_graph(proto: onnx.ModelProto) -> tuple[Graph, str, dict[str, str]]:
    values: dict[str, Node] = {}
    for tensor in proto.graph.initializer:
        values[tensor.name] = Node(
            tensor.name, Constant(constant_value(tensor, tensor.name, "initializer"))
        )
    try:
        inputs, dtype = _inputs(proto, values)
    except FrontendError:
        # Operators that nothing can be done about say more than the shape of an input.
        unknown = _unknown(proto)
        if unknown:
            raise _refusal(unknown) from None
        raise
    values |= {node.name: node for node in inputs} | _whole(proto, inputs)
    problems = _import_nodes(proto, values)
    if problems:
        raise _refusal(problems)
    outputs = tuple(values[value.name] for value in proto.graph.output)
    given = {node.name for node in inputs}  # initialisers may be listed as inputs too
    firsts = {v.name: v.type.tensor_type.shape.dim[0] for v in proto.graph.input if v.name in given}
    samples = {name: first.dim_param for name, first in firsts.items() if first.dim_param}
    return Graph(Level.TENSOR, inputs, outputs), dtype, samples


def _import_nodes(proto: onnx.ModelProto, values: dict[str, Node]) -> list[FrontendError]:
    """Add the nodes' values to ``values``; what cannot be imported, and why."""
    used = {key for item in proto.graph.node for key in item.input}
    used |= {value.name for value in proto.graph.output}
    opset, names = opset_of(proto), Names((*values, *(one.name for one in values.values())))
    problems: list[FrontendError] = []
    for index, item in enumerate(proto.graph.node):
        # ONNX lets nodes share names with each other and with values; graphs do not.
        own = item.name or (item.output[0] if item.output else f"node_{index}")
        name = names.fresh(own)
        try:
            importer = _importer(item, name)
            if any(key and key not in values for key in item.input):
                continue  # the node behind it is among the problems
            operands = tuple(values[key] if key else None for key in item.input)
            told = {a.name: onnx.helper.get_attribute_value(a) for a in item.attribute}
            given = importer(OnnxNode(name, operator_name(item), told, operands, opset, names))
        except FrontendError as error:
            problems.append(error)
            continue
        results = given if isinstance(given, tuple) else (given,)
        unmet = [key for key in item.output[len(results) :] if key in used]
        if unmet:
            problem = f"gives a second value {unmet[0]!r}, which pinnir does not compute"
            problems.append(FrontendError(problem, node=name, op=item.op_type))
        values |= dict(zip(item.output, results, strict=False))
    return problems


def _unknown(proto: onnx.ModelProto) -> list[FrontendError]:
    """Every node whose operator pinnir does not know."""
    return [
        FrontendError(_UNKNOWN, node=item.name or "".join(item.output[:1]), op=operator_name(item))
        for item in proto.graph.node
        if operator_name(item) not in IMPORTERS
    ]


def _importer(item: onnx.NodeProto, name: str) -> Importer:
    kind = operator_name(item)
    if kind not in IMPORTERS:
        raise FrontendError(_UNKNOWN, node=name, op=kind)
    return IMPORTERS[kind]


def _refusal(problems: list[FrontendError]) -> FrontendError:
    """All problems as one error."""
    unknown = all(problem.message == _UNKNOWN for problem in problems)
    if len(problems) == 1 and not unknown:
        (one,) = problems
        return FrontendError(one.message, node=one.node, op=one.op, hint=one.hint, problems=(one,))
    lines = [f"  {problem.op} '{problem.node}'" for problem in problems]
    if unknown:
        count = f"{len(problems)} nodes use" if len(problems) > 1 else "1 node uses"
        head = f"{count} operators that pinnir does not compile:"
    else:
        head = f"{len(problems)} nodes cannot be compiled:"
        lines = [f"{line}: {one.message}" for line, one in zip(lines, problems, strict=True)]
    known = "pinnir compiles " + ", ".join(sorted(IMPORTERS))
    return FrontendError("\n".join([head, *lines]), hint=known, problems=tuple(problems))


def _inputs(proto: onnx.ModelProto, values: dict[str, Node]) -> tuple[tuple[Node, ...], str]:
    found: list[Node] = []
    types: set[str] = set()
    for value in proto.graph.input:
        if value.name in values:  # before opset 9, initialisers were listed as inputs too
            continue
        kind = value.type.tensor_type
        if kind.elem_type not in _FLOAT_TYPES | _WHOLE_TYPES:
            brain = kind.elem_type == onnx.TensorProto.BFLOAT16
            hint = "export the network with floating point inputs"
            raise bad_input(
                value,
                _BRAIN if brain else "is not float or double",
                "export it with float or half inputs; its weights may stay" if brain else hint,
            )
        shape = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        if len(shape) != 2:
            problem = f"has {len(shape)} dimensions, not (samples, columns)"
            raise bad_input(value, problem, "export the network for a batch of points")
        types.add(_FLOAT_TYPES.get(kind.elem_type, ""))
        found.append(Node(value.name, Input(shape[1])))
    if not found:
        raise FrontendError("the model has no input", hint="export a network of the coordinates")
    return tuple(found), "float64" if "float64" in types else "float32"


def _whole(proto: onnx.ModelProto, inputs: tuple[Node, ...]) -> dict[str, Node]:
    """What stands for inputs of integers or truth values: the nearest whole number of a column."""
    types = {value.name: value.type.tensor_type.elem_type for value in proto.graph.input}
    found: dict[str, Node] = {}
    for node in inputs:
        if types[node.name] in _WHOLE_TYPES:
            kind = _WHOLE_TYPES[types[node.name]]
            nearest = Node(f"{node.name}:nearest", Primitive("Round"), (node,))
            if kind not in ("bool", "int32", "int64"):  # types whose ends a domain may well reach
                limits = (float(end) for end in (np.iinfo(kind).min, np.iinfo(kind).max))
                ends = (
                    Node(f"{node.name}:{key}", Constant(np.array(end)))
                    for key, end in zip(("low", "high"), limits, strict=True)
                )
                nearest = Node(f"{node.name}:within", Primitive("Clip"), (nearest, *ends))
            found[node.name] = Node(
                f"{node.name}:whole", Primitive("Cast", {"to": kind}), (nearest,)
            )
    return found
