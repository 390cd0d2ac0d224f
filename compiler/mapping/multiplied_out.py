"""Chains of affine maps as single ones: what a value depends on, without shared dendrites."""

from __future__ import annotations

from collections.abc import Iterable

from pinnir.ir.graph import Affine, Node
from pinnir.numerics.matrix import Array, dense

# A matrix for each source, and a constant.
Form = tuple[dict[Node, Array], Array]


def multiplied_out(node: Node) -> Form:
    """A map's value by the populations, and values that enter its segment, it depends on.

    Returns:
        ``(rows, columns)`` for each of them, and the constant ``(rows,)``.
    """
    op = node.op
    assert isinstance(op, Affine)
    weight, bias = dense(op.weight), op.bias
    matrices: dict[Node, Array] = {}
    for operand in node.operands:
        products = {operand: weight}
        if isinstance(operand.op, Affine) and operand.segment == node.segment:
            inner, constant = multiplied_out(operand)
            bias = bias + weight @ constant
            products = {source: weight @ matrix for source, matrix in inner.items()}
        _add(matrices, products)
    return matrices, bias


def summed(nodes: Iterable[Node]) -> Form:
    """The sum of several maps, likewise."""
    matrices: dict[Node, Array] = {}
    forms = [multiplied_out(node) for node in nodes]
    for products, _ in forms:
        _add(matrices, products)
    return matrices, sum((bias for _, bias in forms[1:]), start=forms[0][1])


def _add(matrices: dict[Node, Array], products: dict[Node, Array]) -> None:
    for source, product in products.items():
        matrices[source] = matrices[source] + product if source in matrices else product
