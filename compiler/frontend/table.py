"""What the operator families share: the importer's signature and the state of one import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from pinnir.errors import FrontendError
from pinnir.ir import Constant, Node, Primitive


@dataclass(frozen=True)
class OnnxNode:
    """One ONNX node on its way into the graph.

    Attributes:
        name: The node's name, or its first output's where it has none.
        op_type: ONNX operator.
        attributes: Its attributes as Python values.
        operands: Its inputs; None where an optional input is left out.
        opset: Version of the default operator set.
    """

    name: str
    op_type: str
    attributes: dict[str, Any]
    operands: tuple[Node | None, ...]
    opset: int

    def primitive(self, **attributes: Any) -> Node:
        """The same operator as a primitive on the given operands."""
        operands = tuple(operand for operand in self.operands if operand is not None)
        if None in self.operands[: len(operands)]:
            raise self.refuse("leaves out an input before one that it gives")
        return Node(self.name, Primitive(self.op_type, attributes), operands)

    def constant(self, suffix: str, value: Any) -> Node:
        """A constant that belongs to this node."""
        return Node(f"{self.name}_{suffix}", Constant(np.asarray(value)))

    def refuse(self, problem: str, hint: str = "") -> FrontendError:
        """An error about this node."""
        return FrontendError(problem, node=self.name, op=self.op_type, hint=hint)


Importer = Callable[[OnnxNode], Node]


def attributes_of(proto: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node as Python values."""
    return {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
