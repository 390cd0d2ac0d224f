"""Rounding by the numbers of each batch, taken out of a model.

``DynamicQuantizeLinear`` rounds a value in 255 steps between the smallest and the largest number of
all points that are given at once, so what a network gives at a point depends on the other points,
and on how ONNX Runtime multiplies integers on a processor. No program can compute that. What is
left without this rounding is a network of points: its weights are those that were quantised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from pinnir.base.errors import FrontendError
from pinnir.frontend.protos import operator_name

# Of the model's metadata: how many nodes were taken out.
_KEY = "pinnir.batch_rounding_left_out"
_DIGITS = 4
_READERS = ("Cast", "ConvInteger", "DequantizeLinear", "MatMulInteger")
_FUSED = "com.microsoft::DynamicQuantizeMatMul"
_FUSED_BEHIND = "com.microsoft::MatMulIntegerToFloat"
_HINT = "quantise with fixed scales, or give the model as it was before it was quantised"


def without_batch_rounding(proto: onnx.ModelProto) -> None:
    """Put products of floating point numbers in the place of those that round by the batch.

    How many were found is kept in the model (:func:`left_out`).

    Raises:
        FrontendError: If a rounded value is used otherwise than ONNX Runtime's quantiser does.
    """
    kept = [entry for entry in proto.metadata_props if entry.key != _KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    if not any(
        operator_name(node) in ("DynamicQuantizeLinear", _FUSED) for node in proto.graph.node
    ):
        return
    taking = _Taking(proto.graph)
    nodes = [new for node in proto.graph.node for new in taking.visit(node)]
    del proto.graph.node[:], proto.graph.value_info[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(taking.weights)
    proto.metadata_props.add(key=_KEY, value=str(taking.count))


def left_out(proto: onnx.ModelProto) -> int:
    """How many nodes :func:`without_batch_rounding` took out of the model."""
    told = next((entry.value for entry in proto.metadata_props if entry.key == _KEY), "")
    return int(told) if told.isdecimal() and len(told) <= _DIGITS else 0


@dataclass(eq=False)
class _Taking:
    """A graph on its way.

    Attributes:
        graph: The graph as it was.
        plain: Values that are integers no more.
        weights: New initialisers.
        count: Nodes that rounded.
    """

    graph: onnx.GraphProto
    plain: set[str] = field(default_factory=set)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    count: int = 0

    def visit(self, node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
        """What stands in the place of a node."""
        kind = operator_name(node)
        rounded = [name for name in node.input if name in self.plain]
        if kind in _REPLACED and (rounded or kind in ("DynamicQuantizeLinear", _FUSED)):
            return _REPLACED[kind](self, node)
        if rounded and kind not in _READERS:
            raise _refusal(node, "reads a value that is rounded by the batch it is part of")
        return [node]

    def constant(self, node: onnx.NodeProto, suffix: str, value: NDArray[np.generic]) -> str:
        """A new initialiser that belongs to a node."""
        name = f"{node.output[0]}:{suffix}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def fixed(self, node: onnx.NodeProto, index: int) -> NDArray[np.generic] | None:
        """The numbers of an operand, which has to be a constant; None where it is left out."""
        name = node.input[index] if len(node.input) > index else ""
        if not name:
            return None
        for tensor in self.graph.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor)
        for other in self.graph.node:
            if name in other.output and other.op_type == "Constant":
                return numpy_helper.to_array(other.attribute[0].t)
        raise _refusal(node, f"has an operand '{name}' that is computed")

    def linear(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """What is rounded stays what it was, in steps of one from zero."""
        self.count += 1
        outputs = set(node.output) & {value.name for value in self.graph.output}
        if outputs:
            raise _refusal(node, "gives an output that is rounded by the batch it is part of")
        x, (rounded, scale, zero) = node.input[0], node.output
        self.plain |= {rounded, zero}
        for name, number in ((scale, 1.0), (zero, 0.0)):
            self.weights.append(numpy_helper.from_array(np.array(number, np.float32), name))
        return [helper.make_node("Identity", [x], [rounded], node.name)]

    def product(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """``MatMulInteger`` and ``ConvInteger``, of weights in floating point."""
        weight, zero = self.fixed(node, 1), self.fixed(node, 3)
        assert weight is not None
        values = np.asarray(weight, np.float32)
        kind = operator_name(node).removesuffix("Integer")
        if zero is not None:
            spread = (-1, *[1] * (values.ndim - 1)) if kind == "Conv" and zero.size > 1 else None
            values = values - np.asarray(zero, np.float32).reshape(spread or zero.shape)
        operands = [node.input[0], self.constant(node, "weight", values)]
        new = helper.make_node(kind, operands, node.output, node.name)
        new.attribute.extend(node.attribute)
        return [new]

    def dequantised(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Read back at once."""
        return [helper.make_node("Identity", node.input[:1], node.output, node.name)]

    def fused(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """A product with its rounding and its bias: ``A``, weight, scale, zero point, bias."""
        self.count += 1
        return self._scaled(node, 2, 3, 4)

    def behind(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The same behind its rounding: ``A``, weight, their scales, zero points, bias."""
        return self._scaled(node, 3, 5, 6)

    def _scaled(
        self, node: onnx.NodeProto, scale: int, zero: int, bias: int
    ) -> list[onnx.NodeProto]:
        weight, steps, shift = (self.fixed(node, index) for index in (1, scale, zero))
        assert weight is not None
        assert steps is not None
        values = np.asarray(weight, np.float32)
        if shift is not None:
            values = values - np.asarray(shift, np.float32)
        values = values * np.asarray(steps, np.float32)
        operands = [node.input[0], self.constant(node, "weight", values)]
        added = node.input[bias] if len(node.input) > bias else ""
        own = f"{node.output[0]}:product" if added else node.output[0]
        found = [helper.make_node("MatMul", operands, [own], node.name)]
        if added:
            found.append(helper.make_node("Add", [own, added], node.output))
        return found


_REPLACED: dict[str, Callable[[_Taking, onnx.NodeProto], list[onnx.NodeProto]]] = {
    "ConvInteger": _Taking.product,
    "DequantizeLinear": _Taking.dequantised,
    "DynamicQuantizeLinear": _Taking.linear,
    "MatMulInteger": _Taking.product,
    _FUSED: _Taking.fused,
    _FUSED_BEHIND: _Taking.behind,
}


def _refusal(node: onnx.NodeProto, problem: str) -> FrontendError:
    name = node.name or "".join(node.output[:1])
    return FrontendError(problem, node=name, op=operator_name(node), hint=_HINT)
