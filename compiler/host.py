"""Host parts: from graph nodes back to an ONNX model that ONNX Runtime executes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pinnir.errors import VerifyError
from pinnir.ir import Activation, Affine, Constant, Node, Primitive
from pinnir.matrix import dense

OPSET = 18
_ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "sin": "Sin", "cos": "Cos"}


def to_onnx(
    nodes: Sequence[Node], inputs: Sequence[Node], outputs: Sequence[Node], dtype: str
) -> bytes:
    """An ONNX model of ``nodes``.

    Args:
        nodes: In topological order.
        inputs: Values that come from outside, ``(samples, columns)`` each.
        outputs: Nodes whose values are wanted.
        dtype: ``float32`` or ``float64``.
    """
    kind = TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT
    protos: list[onnx.NodeProto] = []
    weights: dict[str, onnx.TensorProto] = {}
    for node in nodes:
        for operand in node.operands:
            if isinstance(operand.op, Constant):
                value = operand.op.value
                if np.issubdtype(value.dtype, np.floating):
                    value = value.astype(dtype)
                weights[operand.name] = numpy_helper.from_array(value, operand.name)
        protos += _node_protos(node, weights, dtype)
    graph = helper.make_graph(
        protos,
        "host",
        [helper.make_tensor_value_info(n.name, kind, [None, None]) for n in inputs],
        [helper.make_tensor_value_info(n.name, kind, [None, None]) for n in outputs],
        list(weights.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    model.producer_name = "pinnir"
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _node_protos(
    node: Node, weights: dict[str, onnx.TensorProto], dtype: str
) -> list[onnx.NodeProto]:
    operands = [operand.name for operand in node.operands]
    op = node.op
    if isinstance(op, Primitive):
        return [helper.make_node(op.kind, operands, [node.name], node.name, **op.attributes)]
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
    raise VerifyError("cannot run on the host", node=node.name, op=type(op).__name__)
