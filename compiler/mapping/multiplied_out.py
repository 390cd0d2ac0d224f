"""Chains of affine maps as single ones: what a value depends on, without shared dendrites.

One walk serves all who need it: in numbers here, in whole numbers in ``flat_units.py``, of places
that are not zero in ``connectivity.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from pinnir.ir.graph import Affine, Constant, Node
from pinnir.numerics.matrix import Array, dense


class Weights(Protocol):
    """Matrices of any kind, which are multiplied and added."""

    def __matmul__(self, other: Any, /) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...


M = TypeVar("M", bound=Weights)
# The source whose factor is a map's constant.
ONE = Node("one", Constant(np.ones(1)))


class Chains(Generic[M]):
    """The maps of a graph, each chain of them multiplied out.

    A map's value is then a sum over *sources*: populations, and values that enter its segment, each
    times a matrix ``(rows, columns)``; and ONE, times the constant ``(rows,)``.

    Args:
        matrix: The weights of a map.
        bias: Its constant; None if nobody asks for it.
        counts: Whether a source is of interest.
    """

    def __init__(
        self,
        matrix: Callable[[Node], M],
        bias: Callable[[Node], M] | None = None,
        counts: Callable[[Node], bool] = lambda source: True,
    ) -> None:
        self._matrix, self._bias, self._counts = matrix, bias, counts
        self._known: dict[Node, dict[Node, M]] = {}

    def of(self, node: Node) -> dict[Node, M]:
        """The value of a map."""
        if node not in self._known:
            own: list[tuple[Node, M]] = [] if self._bias is None else [(ONE, self._bias(node))]
            self._known[node] = total([*own, *self.behind(self._matrix(node), node)])
        return self._known[node]

    def behind(self, matrix: M, node: Node) -> Iterator[tuple[Node, M]]:
        """A matrix times what a map reads, operand by operand."""
        for operand in node.operands:
            if isinstance(operand.op, Affine) and operand.segment == node.segment:
                for source, inner in self.of(operand).items():
                    yield source, matrix @ inner
            elif self._counts(operand):
                yield operand, matrix

    def sum(self, nodes: Iterable[Node]) -> tuple[dict[Node, M], M]:
        """The sum of several maps' values, its constant apart."""
        found = total(product for node in nodes for product in self.of(node).items())
        constant = found.pop(ONE)
        return found, constant


def total(products: Iterable[tuple[Node, M]]) -> dict[Node, M]:
    """Products added up by source, in their order."""
    found: dict[Node, M] = {}
    for source, product in products:
        found[source] = found[source] + product if source in found else product
    return found


def multiplied_out(*nodes: Node) -> tuple[dict[Node, Array], Array]:
    """The sum of maps' values by the populations, and values that enter its segment, it depends on.

    Returns:
        ``(rows, columns)`` for each of them, and the constant ``(rows,)``.
    """
    maps = Chains(lambda n: dense(n.op_as(Affine).weight), lambda n: n.op_as(Affine).bias)
    return maps.sum(nodes)
