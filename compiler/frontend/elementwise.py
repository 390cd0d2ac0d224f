"""Element-wise operators: activations, arithmetic, casts."""

from __future__ import annotations

import numpy as np
from onnx import helper

from pinnir.frontend.table import Importer, OnnxNode, keeping
from pinnir.ir import Activation, Constant, Node, Primitive
from pinnir.primitives import NOT_FLOATING

# ONNX TensorProto.FLOAT, FLOAT16, DOUBLE
_FLOATS = (1, 10, 11)


def _activation(function: str) -> Importer:
    def convert(node: OnnxNode) -> Node:
        (operand,) = node.operands
        assert operand is not None
        return Node(node.name, Activation(function), (operand,))

    return convert


def _identity(node: OnnxNode) -> Node:
    operand = node.operands[0]
    assert operand is not None
    return Node(node.name, Primitive("Identity"), (operand,))


def _cast(node: OnnxNode) -> Node:
    """A cast between float types changes nothing here: graphs are evaluated in float64."""
    (operand,) = node.operands
    assert operand is not None
    if node.attributes["to"] in _FLOATS:
        return _identity(node) if _is_floating(operand) else node.primitive(to="float64")
    try:
        kind = helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    except KeyError:
        raise node.refuse("casts to an unknown type") from None
    return node.primitive(to=kind.name)


def _is_floating(node: Node) -> bool:
    """Whether a value is floating point, as far as its operators tell."""
    op = node.op
    if isinstance(op, Constant):
        return bool(np.issubdtype(op.value.dtype, np.floating))
    if isinstance(op, Primitive):
        if op.kind == "Cast":
            return str(op.attributes["to"]).startswith("float")
        if op.kind in NOT_FLOATING:
            return False
        return _is_floating(node.operands[1 if op.kind == "Where" else 0])
    return True


def _clip(node: OnnxNode) -> Node:
    """Before opset 11 the bounds were attributes; either may be left out."""
    operand, *bounds = node.operands
    assert operand is not None
    ends = []
    for index, (key, default) in enumerate((("min", -np.inf), ("max", np.inf))):
        given = bounds[index] if index < len(bounds) else None
        ends.append(given or node.constant(key, node.attributes.get(key, default)))
    return Node(node.name, Primitive("Clip"), (operand, *ends))


def _gelu(node: OnnxNode) -> Node:
    """Opset 20; ``x/2 (1 + erf(x / sqrt 2))``, or the tanh approximation."""
    (x,) = node.operands
    assert x is not None
    if node.attributes.get("approximate", b"none") == b"tanh":
        cube = node.part("Pow", x, 3.0)
        inner = node.part("Add", x, node.part("Mul", cube, 0.044715))
        squashed = node.part("Tanh", node.part("Mul", inner, float(np.sqrt(2 / np.pi))))
    else:
        squashed = node.part("Erf", node.part("Mul", x, float(np.sqrt(0.5))))
    half = node.part("Mul", x, 0.5)
    return Node(node.name, Primitive("Mul"), (half, node.part("Add", squashed, 1.0)))


def _swish(node: OnnxNode) -> Node:
    """Opset 24; ``x sigmoid(alpha x)``."""
    (x,) = node.operands
    assert x is not None
    scaled = node.part("Mul", x, node.attributes.get("alpha", 1.0))
    return Node(node.name, Primitive("Mul"), (x, node.part("Sigmoid", scaled)))


_ACTIVATIONS = ("Cos", "Relu", "Sigmoid", "Sin", "Tanh")
_PLAIN = (
    "Abs", "Add", "And", "Div", "Equal", "Erf", "Exp", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal",
    "Softplus", "Softsign", "Sqrt", "Sub", "Where",
)  # fmt: skip

IMPORTERS: dict[str, Importer] = {
    **{kind: _activation(kind.lower()) for kind in _ACTIVATIONS},
    **dict.fromkeys(_PLAIN, keeping()),
    "Cast": _cast,
    "Celu": keeping("alpha"),
    "Clip": _clip,
    "Dropout": _identity,
    "Elu": keeping("alpha"),
    "Gelu": _gelu,
    "HardSigmoid": keeping("alpha", "beta"),
    "Identity": _identity,
    "LeakyRelu": keeping("alpha"),
    "Selu": keeping("alpha", "gamma"),
    "Swish": _swish,
}
