"""Host parts: from graph nodes back to an ONNX model that ONNX Runtime executes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pinnir.base.errors import GraphError
from pinnir.ir.graph import Activation, Affine, Constant, Node, Primitive
from pinnir.numerics.matrix import dense
from pinnir.numerics.operators import OPERATORS

OPSET = 18
_ACTIVATIONS = {row.activation: kind for kind, row in OPERATORS.items() if row.activation}


def to_onnx(
    nodes: Sequence[Node],
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    dtype: str,
    shapes: Mapping[str, Sequence[int | None]],
) -> bytes:
    """An ONNX model of ``nodes``.

    Args:
        nodes: In topological order.
        inputs: Floating point values that come from outside.
        outputs: Nodes whose values are wanted.
        dtype: ``float32`` or ``float64``.
        shapes: Of the inputs and outputs by name, None where a dimension may have any length.
    """
    kind = TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT
    protos: list[onnx.NodeProto] = []
    weights: dict[str, onnx.TensorProto] = {}
    for node in nodes:
        for inner in _spelled_out(node):
            _keep_constants(inner, weights, dtype)
            protos += _node_protos(inner, weights, dtype)
    graph = helper.make_graph(
        protos,
        "host",
        [helper.make_tensor_value_info(n.name, kind, shapes[n.name]) for n in inputs],
        [helper.make_tensor_value_info(n.name, kind, shapes[n.name]) for n in outputs],
        list(weights.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    model.producer_name = "pinnir"
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _spelled_out(node: Node) -> list[Node]:
    """The node itself, or the primitives of an activation's body, which ONNX has no name for."""
    if not (isinstance(node.op, Activation) and node.op.body is not None):
        return [node]
    (source,), body = node.operands, node.op.body
    new: dict[Node, Node] = {body.inputs[0]: source}
    for inner in body.nodes:
        if inner not in new:
            name = node.name if inner is body.outputs[0] else f"{node.name}:{inner.name}"
            operands = tuple(new[operand] for operand in inner.operands)
            new[inner] = replace(inner, name=name, operands=operands)
    return [inner for inner in new.values() if inner.operands and inner is not source]


def _keep_constants(node: Node, weights: dict[str, onnx.TensorProto], dtype: str) -> None:
    for operand in node.operands:
        if isinstance(operand.op, Constant):
            value = operand.op.value
            if np.issubdtype(value.dtype, np.floating):
                value = value.astype(dtype)
            weights[operand.name] = numpy_helper.from_array(value, operand.name)


def _attributes(op: Primitive, dtype: str) -> dict[str, Any]:
    """Attributes as ONNX holds them; floats are of the model's type."""
    told = dict(op.attributes)
    if op.kind == "ConstantOfShape":
        kind = _runtime_type(told.pop("dtype", "float64"), dtype)
        told["value"] = numpy_helper.from_array(np.array([told["value"]], kind))
    for key in ("to", "dtype"):
        if key in told:
            kind = _runtime_type(told[key], dtype)
            told[key] = helper.np_dtype_to_tensor_dtype(kind)
    return told


def _runtime_type(name: str, dtype: str) -> np.dtype[Any]:
    """Floats are of the model's type, integers and truth values of their own."""
    return np.dtype(dtype if name == "float64" else name)


def _node_protos(
    node: Node, weights: dict[str, onnx.TensorProto], dtype: str
) -> list[onnx.NodeProto]:
    operands = [operand.name for operand in node.operands]
    op = node.op
    if isinstance(op, Primitive):
        return [
            helper.make_node(op.kind, operands, [node.name], node.name, **_attributes(op, dtype))
        ]
    total: list[onnx.NodeProto] = []
    if len(operands) > 1:
        total = [helper.make_node("Sum", operands, [f"{node.name}:sum"])]
        operands = [f"{node.name}:sum"]
    if isinstance(op, Activation) and op.function in _ACTIVATIONS:
        kind = _ACTIVATIONS[op.function]
        return [*total, helper.make_node(kind, operands, [node.name], node.name)]
    if isinstance(op, Affine):
        weight, bias, product = (f"{node.name}:{part}" for part in ("weight", "bias", "product"))
        transposed = np.ascontiguousarray(dense(op.weight).T.astype(dtype))
        weights[weight] = numpy_helper.from_array(transposed, weight)
        weights[bias] = numpy_helper.from_array(op.bias.astype(dtype), bias)
        return [
            *total,
            helper.make_node("MatMul", [operands[0], weight], [product]),
            helper.make_node("Add", [product, bias], [node.name], node.name),
        ]
    raise GraphError("cannot run on the host", node=node.name, op=type(op).__name__)
