"""Operators on windows of images: convolutions and poolings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pinnir.frontend.table import Importer, OnnxNode, known
from pinnir.ir.graph import Constant, Node

_WHERE = ("strides", "pads", "dilations")


def _where(node: OnnxNode) -> dict[str, Any]:
    """Where windows lie, as lists of numbers."""
    told = node.attributes
    if told.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise node.refuse(
            "pads by a rule instead of by numbers", hint="export it with explicit padding"
        )
    if told.get("ceil_mode", 0):
        raise node.refuse(
            "rounds the number of its windows up", hint="export it with ceil_mode off"
        )
    return {name: list(told[name]) for name in _WHERE if name in told}


def _conv(node: OnnxNode) -> Node:
    x, weight, *bias = node.operands
    kernel = None if weight is None else known(weight)
    if weight is None or kernel is None:
        raise node.refuse("has a kernel that is computed, not fixed")
    if not isinstance(weight.op, Constant):
        weight = node.constant("kernel", kernel)
    fixed = replace(node, operands=(x, weight, *bias))
    return fixed.primitive(**_where(node), group=node.attributes.get("group", 1))


def _pool(node: OnnxNode) -> Node:
    counted = {"count_include_pad": 1} if node.attributes.get("count_include_pad", 0) else {}
    return node.primitive(
        **_where(node), kernel_shape=list(node.attributes["kernel_shape"]), **counted
    )


IMPORTERS: dict[str, Importer] = {
    "AveragePool": _pool,
    "Conv": _conv,
    "MaxPool": _pool,
}
