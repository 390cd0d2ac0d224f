"""Operators that move values around: joining, cutting, reshaping, constants."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from pinnir.frontend.table import Importer, OnnxNode, axes_as_operand, constant_value
from pinnir.ir.graph import Constant, Node
from pinnir.ir.value_types import is_floating


def _slice(node: OnnxNode) -> Node:
    """Before opset 10 the ranges were attributes; since then the axes may be left out."""
    if node.opset >= 10:
        return _slice_of_operands(node)
    starts = node.attributes["starts"]
    axes = node.attributes.get("axes", range(len(starts)))
    ranges = {"starts": starts, "ends": node.attributes["ends"], "axes": list(axes)}
    constants = [node.constant(key, np.asarray(value, np.int64)) for key, value in ranges.items()]
    return node.value("Slice", node.x, *constants)


def _slice_of_operands(node: OnnxNode) -> Node:
    """Steps without axes are those of the first axes."""
    _, starts, ends, *rest = node.operands
    if len(rest) < 2 or rest[0] is not None or rest[1] is None:
        return node.primitive()
    assert starts is not None
    assert ends is not None
    given = (starts.op, ends.op, rest[1].op)
    known = next((op.value for op in given if isinstance(op, Constant)), None)
    if known is None:
        raise node.refuse("leaves out its axes, whose number is not fixed in the model")
    axes = node.constant("axes", np.arange(known.size, dtype=known.dtype))
    return node.value("Slice", node.x, starts, ends, axes, rest[1])


def _split(node: OnnxNode) -> tuple[Node, ...]:
    """A slice for each part; before opset 13 their sizes were an attribute."""
    rest = node.operands[1:]
    sizes = node.attributes.get("split")
    if rest and rest[0] is not None and isinstance(rest[0].op, Constant):
        sizes = rest[0].op.value
    if sizes is None or np.ndim(sizes) != 1:
        raise node.refuse(
            "does not say how large its parts are", hint="split into parts of given sizes"
        )
    ends = np.cumsum(sizes)
    axis = node.constant("axis", np.array([node.attributes.get("axis", 0)]))
    found: list[Node] = []
    for part, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        first = node.constant(f"start{part}", np.array([end - size]))
        last = node.constant(f"end{part}", np.array([end]))
        where = node.x, first, last, axis
        found.append(node.part(f"{part}", "Slice", *where) if part else node.value("Slice", *where))
    return tuple(found)


def _constant(node: OnnxNode) -> Node:
    ((kind, value),) = node.attributes.items()
    if kind == "value":
        return Node(node.name, Constant(constant_value(value, node.name, node.op_type)))
    if kind in ("value_float", "value_floats"):
        tensor = numpy_helper.from_array(np.asarray(value, np.float32))
        return Node(node.name, Constant(constant_value(tensor, node.name, node.op_type)))
    if kind in ("value_int", "value_ints"):
        return Node(node.name, Constant(np.asarray(value, np.int64)))
    raise node.refuse(f"holds a constant of kind {kind}")


def _constant_of_shape(node: OnnxNode) -> Node:
    tensor = node.attributes.get("value")
    if tensor is None:
        return node.primitive(value=0.0)
    value = constant_value(tensor, node.name, node.op_type)
    kind = {} if value.dtype == np.float64 else {"dtype": value.dtype.name}
    return node.primitive(value=value.item(), **kind)


def _eye_like(node: OnnxNode) -> Node:
    """Without a type the matrix has that of the operand."""
    options = {"k": node.attributes.get("k", 0)}
    if "dtype" in node.attributes:
        kind = helper.tensor_dtype_to_np_dtype(node.attributes["dtype"])
        options["dtype"] = "float64" if kind.kind == "f" else kind.name
    return node.primitive(**options)


def _pad(node: OnnxNode) -> Node:
    """Before opset 11 the widths and the filling were attributes."""
    if node.attributes.get("mode", b"constant") != b"constant":
        raise node.refuse("pads with something else than a constant")
    if node.opset < 11:
        pads = node.constant("pads", np.asarray(node.attributes["pads"], np.int64))
        filling = node.constant("value", node.attributes.get("value", 0.0))
        return node.value("Pad", node.x, pads, filling)
    _, widths, filled, axes = (*node.operands, None, None)[:4]
    if filled is not None or axes is None:
        return node.primitive()
    if not is_floating(node.x):
        raise node.refuse("leaves out the number that integers are padded with")
    assert widths is not None
    return node.value("Pad", node.x, widths, node.constant("value", 0.0), axes)


def _scatter(node: OnnxNode) -> Node:
    """Before opset 11 that of elements was called Scatter; reductions came with 16."""
    given = node.attributes.get("reduction", b"none")
    if given not in (b"none", b"add"):
        raise node.refuse(
            f"writes in place by {given.decode(errors='replace')}",
            hint="pinnir compiles writing and adding in place",
        )
    told = {"axis": node.attributes["axis"]} if "axis" in node.attributes else {}
    if given == b"add":
        told["reduction"] = "add"
    kind = "ScatterElements" if node.op_type == "Scatter" else node.op_type
    operands = [operand for operand in node.operands if operand is not None]
    return node.value(kind, *operands, **told)


IMPORTERS: dict[str, Importer] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "EyeLike": _eye_like,
    "Pad": _pad,
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), _scatter),
    "Slice": _slice,
    "Split": _split,
    "Squeeze": axes_as_operand,
    "Unsqueeze": axes_as_operand,
}
