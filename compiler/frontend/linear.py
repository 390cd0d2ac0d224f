"""Linear algebra: sums, reductions, normalisations."""

from __future__ import annotations

from pinnir.frontend.table import Importer, OnnxNode, along_axis, axes_as_operand
from pinnir.ir.graph import Node
from pinnir.numerics.operators import OPERATORS


def _einsum(node: OnnxNode) -> Node:
    return node.primitive(equation=node.attributes["equation"].decode())


def _softmax(node: OnnxNode) -> Node:
    """Before opset 13 all axes from the given one on were taken as one."""
    if node.opset >= 13:
        return node.primitive(axis=node.attributes.get("axis", -1))
    options = {"axis": node.attributes.get("axis", 1)}
    rows = node.part("rows", node.op_type, node.part("flat", "Flatten", node.x, **options), axis=-1)
    return node.value("Reshape", rows, node.part("shape", "Shape", node.x))


def _batch_normalization(node: OnnxNode) -> Node:
    """With the means and variances of the training: a scale and a shift of each channel."""
    if node.attributes.get("training_mode", 0):
        raise node.refuse(
            "normalises by the batch that it is given", hint="export the network for inference"
        )
    constants = ("scale", "bias", "mean", "variance")
    scale, bias, mean, variance = (
        along_axis(node, suffix, operand, 1)
        for suffix, operand in zip(constants, node.operands[1:], strict=True)
        if operand is not None
    )
    epsilon = node.constant("epsilon", node.attributes.get("epsilon", 1e-5))
    deviation = node.part("deviation", "Sqrt", node.part("above_zero", "Add", variance, epsilon))
    factor = node.part("factor", "Div", scale, deviation)
    shift = node.part("shift", "Sub", bias, node.part("middle", "Mul", mean, factor))
    return node.value("Add", node.part("scaled", "Mul", node.x, factor), shift)


IMPORTERS: dict[str, Importer] = {
    **{kind: axes_as_operand for kind in OPERATORS if kind.startswith("Reduce")},
    "BatchNormalization": _batch_normalization,
    "Einsum": _einsum,
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
}
