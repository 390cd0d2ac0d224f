"""Import an ONNX model: from the checked bytes to the tensor graph they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from pinnir.base.errors import FrontendError, PinnirError
from pinnir.frontend import domains, elementwise, images, linear, quantized, shapes
from pinnir.frontend.any_rank import in_tables, with_axes
from pinnir.frontend.batch_rounding import left_out
from pinnir.frontend.loading import bad_input, not_onnx, opset_of
from pinnir.frontend.protos import operator_name
from pinnir.frontend.sources import Source, checked_bytes
from pinnir.frontend.table import Importer, OnnxNode, as_it_is, constant_value
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive, width
from pinnir.ir.input_forms import InputForm, Shape
from pinnir.ir.names import Names
from pinnir.numerics.operators import OPERATORS

if TYPE_CHECKING:
    from pinnir.frontend.torch_modules import Columns

IMPORTERS: dict[str, Importer] = {
    **dict.fromkeys(OPERATORS, as_it_is),
    **domains.IMPORTERS,
    **elementwise.IMPORTERS,
    **images.IMPORTERS,
    **linear.IMPORTERS,
    **quantized.IMPORTERS,
    **shapes.IMPORTERS,
}

Declared = Mapping[str, tuple[int | str | None, ...]]

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
        declared: Dimensions of its inputs as the file declares them: lengths or names, None where
            there is neither. In the graph inputs are ``(samples, columns)`` whatever they are.
        batch_rounding_left_out: How many nodes the file has, and ``data`` has not, that round by
            the numbers of each batch.
    """

    data: bytes
    graph: Graph
    dtype: str
    declared: Declared = field(default_factory=dict)
    batch_rounding_left_out: int = 0

    @property
    def sha256(self) -> str:
        """Hash of ``data``."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def samples(self) -> dict[str, str]:
        """What the model calls the first dimension of an input, where it has a name."""
        firsts = {name: dims[0] for name, dims in self.declared.items() if dims}
        return {name: first for name, first in firsts.items() if isinstance(first, str)}

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shapes of its inputs as the file declares them."""
        return _shapes(self.declared)

    def form(self, name: str) -> InputForm:
        """How the file takes an input whose columns are known."""
        (columns,) = (width(node) for node in self.graph.inputs if node.name == name)
        return InputForm.of(self.shapes[name], columns)

    def with_axes(self) -> Model:
        """The same with inputs that know their sample axes.

        Raises:
            PinnirError: If it mixes samples, or cannot be computed for several of them.
        """
        return replace(self, graph=with_axes(self.graph, self.shapes, self.samples))


def read_model(source: Source | Model, columns: Columns = ()) -> Model:
    """Read a network, whatever it is given as.

    Args:
        source: Path of an ``.onnx`` file, whose weights may lie in a data file in the same folder;
            an ONNX model as bytes or as ``onnx.ModelProto``, with its weights inside; a
            ``torch.nn.Module``, which :func:`~pinnir.frontend.torch_modules.export` exports; or
            what this function gave before.
        columns: Of the domain that the network is for: their names, None for those without one; a
            module is exported for them.

    Raises:
        FrontendError: If it is something else, missing, damaged, not ONNX, or holds operators that
            pinnir cannot compile; all such nodes are listed at once.
    """
    if isinstance(source, Model):
        return source
    return import_bytes(checked_bytes(source, columns, IMPORTERS))


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


def _import_graph(proto: onnx.ModelProto) -> tuple[Graph, str, Declared]:
    values: dict[str, Node] = {}
    for tensor in proto.graph.initializer:
        values[tensor.name] = Node(
            tensor.name, Constant(constant_value(tensor, tensor.name, "initializer"))
        )
    try:
        declared, dtype = _inputs(proto, values)
    except FrontendError:
        # Operators that nothing can be done about say more than the shape of an input.
        unknown = _unknown(proto)
        if unknown:
            raise _refusal(unknown) from None
        raise
    shapes = _shapes(declared)
    tables = {name: shape[1] if len(shape) == 2 else None for name, shape in shapes.items()}
    inputs = tuple(Node(name, Input(columns)) for name, columns in tables.items())
    values |= {node.name: node for node in inputs} | _whole(proto, inputs)
    problems = _import_nodes(proto, values)
    if problems:
        raise _refusal(problems)
    graph = Graph(Level.TENSOR, inputs, tuple(values[value.name] for value in proto.graph.output))
    if any(len(shape) != 2 for shape in shapes.values()):
        try:
            graph = in_tables(graph, shapes)
        except PinnirError as error:
            told = FrontendError(error.message, node=error.node, op=error.op, hint=error.hint)
            raise _refusal([told]) from error
    return graph, dtype, declared


def _shapes(declared: Declared) -> dict[str, Shape]:
    """Lengths of dimensions; None where they are open."""
    return {
        name: tuple(size if isinstance(size, int) else None for size in sizes)
        for name, sizes in declared.items()
    }


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


def _inputs(proto: onnx.ModelProto, values: dict[str, Node]) -> tuple[Declared, str]:
    """Dimensions of the inputs by name, and what the network computes in."""
    found: dict[str, tuple[int | str | None, ...]] = {}
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
        types.add(_FLOAT_TYPES.get(kind.elem_type, ""))
        found[value.name] = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim
        )
    if not found:
        raise FrontendError("the model has no input", hint="export a network of the coordinates")
    return found, "float64" if "float64" in types else "float32"


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
