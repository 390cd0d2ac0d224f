"""Operators that move values around: joining, cutting, reshaping, constants."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from pinnir.frontend.table import Importer, OnnxNode, constant_value, keeping
from pinnir.ir.graph import Constant, Node, Primitive
from pinnir.ir.value_types import is_floating


def _slice(node: OnnxNode) -> Node:
    """Before opset 10 the ranges were attributes; since then the axes may be left out."""
    if node.opset >= 10:
        return _slice_of_operands(node)
    starts = node.attributes["starts"]
    axes = node.attributes.get("axes", range(len(starts)))
    ranges = {"starts": starts, "ends": node.attributes["ends"], "axes": list(axes)}
    return _with_constants(node, ranges)


def _slice_of_operands(node: OnnxNode) -> Node:
    """Steps without axes are those of the first axes."""
    x, starts, ends, *rest = node.operands
    if len(rest) < 2 or rest[0] is not None or rest[1] is None:
        return node.primitive()
    known = next((o.op.value for o in (starts, ends, rest[1])
                  if o is not None and isinstance(o.op, Constant)), None)  # fmt: skip
    if known is None:
        raise node.refuse("leaves out its axes, whose number is not fixed in the model")
    axes = node.constant("axes", np.arange(known.size, dtype=known.dtype))
    assert x is not None
    assert starts is not None
    assert ends is not None
    return Node(node.name, Primitive(node.op_type), (x, starts, ends, axes, rest[1]))


def _axes_operand(node: OnnxNode) -> Node:
    """Before opset 13 the axes of Squeeze and Unsqueeze were an attribute."""
    if "axes" not in node.attributes:
        return node.primitive()
    return _with_constants(node, {"axes": node.attributes["axes"]})


def _with_constants(node: OnnxNode, values: dict[str, object]) -> Node:
    operand = node.operands[0]
    assert operand is not None
    constants = [node.constant(key, np.asarray(value, np.int64)) for key, value in values.items()]
    return Node(node.name, Primitive(node.op_type), (operand, *constants))


def _split(node: OnnxNode) -> tuple[Node, ...]:
    """A slice for each part; before opset 13 their sizes were an attribute."""
    x, *rest = node.operands
    assert x is not None
    sizes = node.attributes.get("split")
    if rest and rest[0] is not None and isinstance(rest[0].op, Constant):
        sizes = rest[0].op.value
    if sizes is None or np.ndim(sizes) != 1:
        raise node.refuse(
            "does not say how large its parts are", hint="split into parts of given sizes"
        )
    ends = np.cumsum(sizes)
    axis = node.constant("axis", np.array([node.attributes.get("axis", 0)]))
    return tuple(
        Node(
            f"{node.name}:{part}" if part else node.name,
            Primitive("Slice"),
            (
                x,
                node.constant(f"start{part}", np.array([end - size])),
                node.constant(f"end{part}", np.array([end])),
                axis,
            ),
        )
        for part, (size, end) in enumerate(zip(sizes, ends, strict=True))
    )


def _transpose(node: OnnxNode) -> Node:
    perm = node.attributes.get("perm")
    return node.primitive(**({} if perm is None else {"perm": list(perm)}))


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
    x = node.operands[0]
    assert x is not None
    if node.opset < 11:
        pads = node.constant("pads", np.asarray(node.attributes["pads"], np.int64))
        filling = node.constant("value", node.attributes.get("value", 0.0))
        return Node(node.name, Primitive("Pad"), (x, pads, filling))
    _, widths, filled, axes = (*node.operands, None, None)[:4]
    if filled is not None or axes is None:
        return node.primitive()
    if not is_floating(x):
        raise node.refuse("leaves out the number that integers are padded with")
    assert widths is not None
    return Node(node.name, Primitive("Pad"), (x, widths, node.constant("value", 0.0), axes))


IMPORTERS: dict[str, Importer] = {
    "Concat": keeping("axis"),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": keeping(),
    "EyeLike": _eye_like,
    "Flatten": keeping("axis"),
    "Gather": keeping("axis"),
    "GatherND": keeping("batch_dims"),
    "Pad": _pad,
    "Range": keeping(),
    "Reshape": keeping("allowzero"),
    "Shape": keeping("start", "end"),
    "Size": keeping(),
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _axes_operand,
    "Tile": keeping(),
    "Transpose": _transpose,
    "Trilu": keeping("upper"),
    "Unsqueeze": _axes_operand,
}
