"""Values of more than one feature dimension as tables, ``(samples, columns)``.

A value that runs along one sample axis is a table once its other dimensions are put side by side,
in their order. Then every operator that is linear is an affine map of columns, found by giving it
each column alone; and operators that pick, repeat or join entries are such maps of zeros and ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import compute_node
from pinnir.ir.graph import Affine, Constant, Node, Primitive
from pinnir.ir.names import Names
from pinnir.ir.sample_axes import Layout
from pinnir.numerics.matrix import Array

Indices = NDArray[np.intp]


def features(layout: Layout) -> tuple[int, ...]:
    """Sizes of a value's other dimensions than the one that runs along the samples."""
    return tuple(dim for dim in layout if isinstance(dim, int))


def from_table(table: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """A table as the value that it stands for."""
    value = table.reshape(len(table), *features(layout))
    return np.moveaxis(value, 0, sample_dim(layout))


def to_table(value: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """A value as its table."""
    return np.moveaxis(value, sample_dim(layout), 0).reshape(-1, prod(features(layout)))


def sample_dim(layout: Layout) -> int:
    """The dimension that runs along the samples."""
    return next(index for index, dim in enumerate(layout) if isinstance(dim, tuple))


def picking(columns: Indices, of: int) -> Affine:
    """The map of zeros and ones that gives these columns, in their order, of ``of`` columns."""
    weight = np.zeros((columns.size, of))
    weight[np.arange(columns.size), columns.reshape(-1)] = 1.0
    return Affine(weight, np.zeros(columns.size))


def adding(groups: Indices, of: int) -> Affine:
    """The map that adds up columns: those ``groups[i]`` of ``of`` columns for output ``i``.

    Args:
        groups: ``(outputs, columns each)``.
        of: Columns of the operand.
    """
    weight = np.zeros((len(groups), of))
    np.add.at(weight, (np.arange(len(groups))[:, None], groups), 1.0)
    return Affine(weight, np.zeros(len(groups)))


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a graph whose values are becoming tables.

    Attributes:
        layouts: Of the old nodes.
        names: Of new nodes.
        new: The new node for each old one so far.
    """

    layouts: Mapping[Node, Layout]
    names: Names
    new: dict[Node, Node] = field(default_factory=dict)

    def columns(self, node: Node) -> int:
        """Columns of an old node's table."""
        return prod(features(self.layouts[node]))

    def entries(self, node: Node) -> Indices:
        """The columns of an old node's entries, in its shape for one sample."""
        return from_table(np.arange(self.columns(node))[None], self.layouts[node])

    def keep_order(self, node: Node) -> bool:
        """Whether an operator leaves the table of its operand as it is."""
        return (
            isinstance(node.op, Primitive)
            and node.op.operator.moves == "in order"
            and all(isinstance(self.layouts[n][0], tuple) for n in (node, node.operands[0]))
            and self.columns(node.operands[0]) == self.columns(node)
        )

    def matrix_of(self, node: Node, operand: Node) -> tuple[Array, Array]:
        """An operator's weight for one operand and its bias, all other operands being zero.

        Raises:
            LegalizeError: If it depends on the number of samples in another way than row by row.
        """
        columns = self.columns(operand)
        count = columns + 1  # each column alone, and nothing
        values = {
            one: one.op.value
            if isinstance(one.op, Constant)
            else from_table(np.zeros((count, self.columns(one))), self.layouts[one])
            for one in node.operands
        }
        values[operand] = from_table(np.eye(count, columns), self.layouts[operand])
        table = to_table(compute_node(node, values), self.layouts[node])
        if len(table) != count:
            problem = "its shape is fixed for a number of samples"
            raise node.error(LegalizeError, problem, "export the model for any number of samples")
        bias = table[-1]
        return np.ascontiguousarray((table[:-1] - bias).T), bias

    def part(self, node: Node, label: str, op: Affine | Primitive, *operands: Node) -> Node:
        """A new node that belongs to an old one; the one without a label takes its place."""
        return Node(self.name(node, label) if label else node.name, op, operands)

    def name(self, node: Node, label: str) -> str:
        """Of a new node that belongs to an old one."""
        return self.names.fresh(f"{node.name}:{label}")


def summands(weights: Mapping[Node, Array], bias: Array) -> list[tuple[Node, Affine]]:
    """Maps that add up, one for each value with a weight other than zero; the first has the bias.

    Args:
        weights: Of every value, ``(outputs, columns of that value)``.
        bias: Of the sum.
    """
    used = {one: weight for one, weight in weights.items() if np.any(weight)} or weights
    rest = np.zeros_like(bias)
    return [
        (one, Affine(weight, rest if number else bias))
        for number, (one, weight) in enumerate(used.items())
    ]


def refusal(node: Node, problem: str) -> LegalizeError:
    """What to raise where an operator has no form on tables."""
    return node.error(
        LegalizeError,
        problem,
        "compile networks whose samples are independent of each other, of the operators that "
        "docs/codings.md lists under signgd",
    )
