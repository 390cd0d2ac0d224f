"""Element-wise operators: activations, arithmetic, casts."""

from __future__ import annotations

import numpy as np
from onnx import helper

from pinnir.frontend.table import Importer, OnnxNode, keeping
from pinnir.ir.graph import Activation, Constant, Node, Primitive
from pinnir.ir.value_types import is_floating

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
        return _identity(node) if is_floating(operand) else node.primitive(to="float64")
    try:
        kind = helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    except KeyError:
        raise node.refuse("casts to an unknown type") from None
    if kind.kind not in "biu":
        raise node.refuse(f"casts to {kind.name}, which pinnir does not compute")
    return node.primitive(to=kind.name)


def _clip(node: OnnxNode) -> Node:
    """Before opset 11 the bounds were attributes; either may be left out."""
    operand, *bounds = node.operands
    assert operand is not None
    if not is_floating(operand):
        return _clip_integers(node, operand, bounds)
    ends = []
    for index, (key, default) in enumerate((("min", -np.inf), ("max", np.inf))):
        given = bounds[index] if index < len(bounds) else None
        ends.append(given or node.constant(key, node.attributes.get(key, default)))
    return Node(node.name, Primitive("Clip"), (operand, *ends))


def _clip_integers(node: OnnxNode, x: Node, bounds: list[Node | None]) -> Node:
    """No integer is infinite, so a bound that is left out has no number."""
    low, high = (*bounds, None, None)[:2]
    if low is not None and high is not None:
        return Node(node.name, Primitive("Clip"), (x, low, high))
    if low is not None:
        return Node(node.name, Primitive("Max"), (x, low))
    if high is not None:
        return Node(node.name, Primitive("Min"), (x, high))
    return _identity(node)


def _part(node: OnnxNode, kind: str, *operands: Node | float) -> Node:
    """A step of this node's definition, named after it; numbers become constants."""
    nodes = tuple(o if isinstance(o, Node) else node.constant(f"{o:g}", o) for o in operands)
    label = f"{operands[-1]:g}" if not isinstance(operands[-1], Node) else ""
    return Node(f"{node.name}:{kind.lower()}{label}", Primitive(kind), nodes)


def _gelu(node: OnnxNode) -> Node:
    """Opset 20; ``x/2 (1 + erf(x / sqrt 2))``, or the tanh approximation."""
    (x,) = node.operands
    assert x is not None
    if node.attributes.get("approximate", b"none") == b"tanh":
        cube = _part(node, "Pow", x, 3.0)
        inner = _part(node, "Add", x, _part(node, "Mul", cube, 0.044715))
        squashed = _part(node, "Tanh", _part(node, "Mul", inner, float(np.sqrt(2 / np.pi))))
    else:
        squashed = _part(node, "Erf", _part(node, "Mul", x, float(np.sqrt(0.5))))
    half = _part(node, "Mul", x, 0.5)
    return Node(node.name, Primitive("Mul"), (half, _part(node, "Add", squashed, 1.0)))


def _swish(node: OnnxNode) -> Node:
    """Opset 24; ``x sigmoid(alpha x)``."""
    (x,) = node.operands
    assert x is not None
    scaled = _part(node, "Mul", x, node.attributes.get("alpha", 1.0))
    return Node(node.name, Primitive("Mul"), (x, _part(node, "Sigmoid", scaled)))


def _dropout(node: OnnxNode) -> Node:
    """Nothing, unless the model was exported for training."""
    training = node.operands[2] if len(node.operands) > 2 else None
    if training is not None and not (isinstance(training.op, Constant) and not training.op.value):
        raise node.refuse("may drop values at random", hint="export the network for inference")
    return _identity(node)


def _relu(node: OnnxNode) -> Node:
    """Activations are functions of floats; of integers it is an operator like others."""
    (x,) = node.operands
    assert x is not None
    return Node(node.name, Activation("relu"), (x,)) if is_floating(x) else node.primitive()


_ACTIVATIONS = ("Cos", "Sigmoid", "Sin", "Tanh")
_PLAIN = (
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cosh", "Div",
    "Equal", "Erf", "Exp", "Floor", "Greater", "GreaterOrEqual", "HardSwish", "IsNaN", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Round", "Sign", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan",
    "Where", "Xor",
)  # fmt: skip

IMPORTERS: dict[str, Importer] = {
    **{kind: _activation(kind.lower()) for kind in _ACTIVATIONS},
    **dict.fromkeys(_PLAIN, keeping()),
    "Cast": _cast,
    "Celu": keeping("alpha"),
    "Clip": _clip,
    "Dropout": _dropout,
    "Elu": keeping("alpha"),
    "Gelu": _gelu,
    "HardSigmoid": keeping("alpha", "beta"),
    "Identity": _identity,
    "IsInf": keeping("detect_negative", "detect_positive"),
    "LeakyRelu": keeping("alpha"),
    "Mod": keeping("fmod"),
    "Relu": _relu,
    "Selu": keeping("alpha", "gamma"),
    "Shrink": keeping("bias", "lambd"),
    "Swish": _swish,
    "ThresholdedRelu": keeping("alpha"),
}
