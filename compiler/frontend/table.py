"""What the operator families share: the importer's signature and the state of one import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from pinnir.base.errors import FrontendError
from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Constant, Graph, Level, Node, Primitive
from pinnir.ir.names import Names
from pinnir.ir.value_types import is_floating
from pinnir.numerics.operators import OPERATORS


@dataclass(frozen=True)
class OnnxNode:
    """One ONNX node on its way into the graph.

    Attributes:
        name: The node's name, or its first output's where it has none.
        op_type: ONNX operator, with its domain if that is not ONNX's own.
        attributes: Its attributes as Python values.
        operands: Its inputs; None where an optional input is left out.
        opset: Version of the default operator set.
        names: Of the nodes that it is made of.
    """

    name: str
    op_type: str
    attributes: dict[str, Any]
    operands: tuple[Node | None, ...]
    opset: int
    names: Names

    @property
    def x(self) -> Node:
        """Its first input."""
        first = self.operands[0]
        assert first is not None
        return first

    @property
    def kept(self) -> dict[str, Any]:
        """Attributes that its row in the table of operators takes over, where they are given."""
        names = OPERATORS[self.op_type].attributes
        return {name: self.attributes[name] for name in names if name in self.attributes}

    def primitive(self, **attributes: Any) -> Node:
        """The same operator as a primitive on the given operands."""
        operands = tuple(operand for operand in self.operands if operand is not None)
        if None in self.operands[: len(operands)]:
            raise self.refuse("leaves out an input before one that it gives")
        return self.value(self.op_type, *operands, **attributes)

    def value(self, kind: str, *operands: Node, **attributes: Any) -> Node:
        """A primitive that gives the node's value."""
        return Node(self.name, Primitive(kind, attributes), operands)

    def part(self, suffix: str, kind: str, *operands: Node, **attributes: Any) -> Node:
        """A step on the way to the node's value."""
        name = self.names.fresh(f"{self.name}:{suffix}")
        return Node(name, Primitive(kind, attributes), operands)

    def floats(self, suffix: str, x: Node) -> Node:
        """A value; integers and truth values as the floating point numbers that they are."""
        return x if is_floating(x) else self.part(suffix, "Cast", x, to="float64")

    def constant(self, suffix: str, value: Any) -> Node:
        """A constant that belongs to this node."""
        return Node(self.names.fresh(f"{self.name}:{suffix}"), Constant(np.asarray(value)))

    def refuse(self, problem: str, hint: str = "") -> FrontendError:
        """An error about this node."""
        return FrontendError(problem, node=self.name, op=self.op_type, hint=hint)


def constant_value(tensor: onnx.TensorProto, name: str, op: str) -> NDArray[Any]:
    """A fixed tensor, floating point as float64.

    Raises:
        FrontendError: If it is empty, not finite, or no tensor of numbers.
    """

    def refuse(problem: str, hint: str = "") -> FrontendError:
        return FrontendError(problem, node=name, op=op, hint=hint)

    try:
        value = numpy_helper.to_array(tensor)
    except (KeyError, TypeError, ValueError) as error:
        raise refuse(f"cannot be read: {error}") from error
    if 0 in value.shape and value.ndim > 1:
        raise refuse(
            f"has a zero-size shape {value.shape}", "every layer needs at least one neuron"
        )
    if tensor.data_type == onnx.TensorProto.BFLOAT16:  # no type of numpy's own
        value = value.astype(np.float32)
    if not (np.issubdtype(value.dtype, np.number) or value.dtype == bool) or np.iscomplexobj(value):
        kind = "text" if value.dtype == object else value.dtype
        raise refuse(f"holds {kind} instead of real numbers")
    if np.issubdtype(value.dtype, np.floating):
        bad = int(value.size - np.count_nonzero(np.isfinite(value)))
        if bad:
            raise refuse(
                f"holds {bad} NaN or infinite values",
                "the training diverged, or the file is damaged",
            )
        value = value.astype(np.float64)
    return value


def known(node: Node) -> NDArray[Any] | None:
    """The numbers of an operand that does not depend on the inputs; None of one that may.

    Exporters read weights back from integers, widen and turn them in front of what needs them.

    Raises:
        GraphError: If they cannot be computed.
    """
    values: dict[Node, NDArray[Any]] = {}
    for one in Graph(Level.TENSOR, (), (node,)).nodes:
        if isinstance(one.op, Constant):
            values[one] = one.op.value
        elif one.operands and isinstance(one.op, Primitive):
            values[one] = compute_node(one, values)
        else:  # an input, or a value that is made of nothing
            return None
    return values[node]


def along_axis(node: OnnxNode, suffix: str, row: Node, axis: int) -> Node:
    """A vector so shaped that it spreads along one axis of the node's first input.

    How many axes that input has is told by its shape, which is known when constants are folded.
    """
    if axis < 0:
        shape = node.constant(f"{suffix}_shape", np.array([-1] + [1] * (-axis - 1)))
        return node.part(suffix, "Reshape", row, shape)
    shape_of_x = node.part(f"{suffix}_x", "Shape", node.x)
    rank = node.part(f"{suffix}_rank", "Shape", shape_of_x)
    before = node.constant(f"{suffix}_until", np.array([axis + 1]))
    behind = node.part(f"{suffix}_behind", "Sub", rank, before)
    ones = node.part(f"{suffix}_ones", "ConstantOfShape", behind, value=1, dtype="int64")
    first = node.constant(f"{suffix}_first", np.array([1] * axis + [-1]))
    shape = node.part(f"{suffix}_shape", "Concat", first, ones, axis=0)
    return node.part(suffix, "Reshape", row, shape)


# From an ONNX node to its value, or to its first few values where it has several.
Importer = Callable[[OnnxNode], Node | tuple[Node, ...]]


def as_it_is(node: OnnxNode) -> Node:
    """The importer of an operator that has been the same in all opsets."""
    return node.primitive(**node.kept)


def axes_as_operand(node: OnnxNode) -> Node:
    """Of operators whose axes were an attribute before opset 13, or 18."""
    if "axes" not in node.attributes:
        return as_it_is(node)
    axes = node.constant("axes", np.asarray(node.attributes["axes"], np.int64))
    return node.value(node.op_type, node.x, axes, **node.kept)
