"""Element-wise operators: activations, arithmetic, casts."""

from __future__ import annotations

import numpy as np
from onnx import helper

from pinnir.frontend.table import Importer, OnnxNode
from pinnir.ir.graph import Activation, Constant, Node
from pinnir.ir.value_types import is_floating
from pinnir.numerics.operators import OPERATORS

# ONNX TensorProto.FLOAT, FLOAT16, DOUBLE
_FLOATS = (1, 10, 11)


def _activation(node: OnnxNode) -> Node:
    """Activations are functions of floats; of integers they are operators like others."""
    if not is_floating(node.x):
        return node.primitive()
    return Node(node.name, Activation(OPERATORS[node.op_type].activation), (node.x,))


def _cast(node: OnnxNode) -> Node:
    """A cast between float types changes nothing here: graphs are evaluated in float64."""
    if node.attributes["to"] in _FLOATS:
        floating = is_floating(node.x)
        return node.value("Identity", node.x) if floating else node.primitive(to="float64")
    try:
        kind = helper.tensor_dtype_to_np_dtype(node.attributes["to"])
    except KeyError:
        raise node.refuse("casts to an unknown type") from None
    if kind.kind not in "biu":
        raise node.refuse(f"casts to {kind.name}, which pinnir does not compute")
    return node.primitive(to=kind.name)


def _clip(node: OnnxNode) -> Node:
    """Before opset 11 the bounds were attributes; either may be left out."""
    low, high = (*node.operands[1:], None, None)[:2]
    if is_floating(node.x):
        low = low or node.constant("min", node.attributes.get("min", -np.inf))
        high = high or node.constant("max", node.attributes.get("max", np.inf))
    # No integer is infinite, so a bound of integers that is left out has no number.
    if low is not None and high is not None:
        return node.value("Clip", node.x, low, high)
    if low is not None:
        return node.value("Max", node.x, low)
    if high is not None:
        return node.value("Min", node.x, high)
    return node.value("Identity", node.x)


def _part(node: OnnxNode, kind: str, *operands: Node | float) -> Node:
    """A step of this node's definition, named after it; numbers become constants."""
    nodes = tuple(o if isinstance(o, Node) else node.constant(f"{o:g}", o) for o in operands)
    label = f"{operands[-1]:g}" if not isinstance(operands[-1], Node) else ""
    return node.part(f"{kind.lower()}{label}", kind, *nodes)


def _gelu(node: OnnxNode) -> Node:
    """Opset 20; ``x/2 (1 + erf(x / sqrt 2))``, or the tanh approximation."""
    return gelu(node, node.x, by_tanh=node.attributes.get("approximate", b"none") == b"tanh")


def gelu(node: OnnxNode, x: Node, *, by_tanh: bool) -> Node:
    """The node's value as this function of ``x``."""
    if by_tanh:
        cube = _part(node, "Pow", x, 3.0)
        inner = _part(node, "Add", x, _part(node, "Mul", cube, 0.044715))
        squashed = _part(node, "Tanh", _part(node, "Mul", inner, float(np.sqrt(2 / np.pi))))
    else:
        squashed = _part(node, "Erf", _part(node, "Mul", x, float(np.sqrt(0.5))))
    half = _part(node, "Mul", x, 0.5)
    return node.value("Mul", half, _part(node, "Add", squashed, 1.0))


def _swish(node: OnnxNode) -> Node:
    """Opset 24; ``x sigmoid(alpha x)``."""
    return swish(node, alpha=1.0)


def swish(node: OnnxNode, alpha: float) -> Node:
    """The node's value as this function; ``alpha`` where the node does not say it."""
    scaled = _part(node, "Mul", node.x, node.attributes.get("alpha", alpha))
    return node.value("Mul", node.x, _part(node, "Sigmoid", scaled))


def _dropout(node: OnnxNode) -> Node:
    """Nothing, unless the model was exported for training."""
    training = node.operands[2] if len(node.operands) > 2 else None
    if training is not None and not (isinstance(training.op, Constant) and not training.op.value):
        raise node.refuse("may drop values at random", hint="export the network for inference")
    return node.value("Identity", node.x)


IMPORTERS: dict[str, Importer] = {
    **{kind: _activation for kind, row in OPERATORS.items() if row.activation},
    "Cast": _cast,
    "Clip": _clip,
    "Dropout": _dropout,
    "Gelu": _gelu,
    "Swish": _swish,
}
