"""Element-wise operators: activations, arithmetic, casts."""

from __future__ import annotations

from pinnir.frontend.table import Importer, OnnxNode
from pinnir.ir import Activation, Node, Primitive

# ONNX TensorProto.FLOAT, FLOAT16, DOUBLE
_FLOATS = (1, 10, 11)


def _activation(function: str) -> Importer:
    def convert(node: OnnxNode) -> Node:
        (operand,) = node.operands
        assert operand is not None
        return Node(node.name, Activation(function), (operand,))

    return convert


def _plain(node: OnnxNode) -> Node:
    return node.primitive()


def _identity(node: OnnxNode) -> Node:
    operand = node.operands[0]
    assert operand is not None
    return Node(node.name, Primitive("Identity"), (operand,))


def _cast(node: OnnxNode) -> Node:
    """A cast between float types changes nothing here: graphs are evaluated in float64."""
    if node.attributes["to"] not in _FLOATS:
        raise node.refuse(
            "casts to a type that is not floating point", "keep the network in float or double"
        )
    return _identity(node)


_ACTIVATIONS = ("Cos", "Relu", "Sigmoid", "Sin", "Tanh")
_ARITHMETIC = (
    "Abs", "Add", "Div", "Erf", "Exp", "Log", "Max", "Min", "Mul", "Neg", "Pow", "Reciprocal",
    "Sqrt", "Sub",
)  # fmt: skip

IMPORTERS: dict[str, Importer] = {
    **{kind: _activation(kind.lower()) for kind in _ACTIVATIONS},
    **dict.fromkeys(_ARITHMETIC, _plain),
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
}
