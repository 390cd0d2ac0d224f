"""Counts of columns are told from counts of samples, also where two numbers do not show it."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.sample_axes import fixed_counts
from pinnir.passes.tidying.fold_constants import FoldConstants

X = Node("x", Input(6))
ROWS = (1, 2, 3, 4, 6, 9, 10, 24)
NUMBERS = count()


def op(kind: str, *operands: Node | int | list[int], **attributes: object) -> Node:
    """A primitive; numbers and lists among the operands become constants."""
    nodes = [
        o if isinstance(o, Node) else Node(f"constant{next(NUMBERS)}", Constant(np.array(o)))
        for o in operands
    ]
    return Node(f"{kind}{next(NUMBERS)}", Primitive(kind, attributes), tuple(nodes))


def size(dimension: int | list[int], value: Node = X) -> Node:
    return op("Gather", op("Shape", value), dimension)


ROW_AND_REST = op("Concat", size([0]), [-1], axis=0)
KEPT = op("Where", op("Equal", op("Shape", X), -1), 1, op("Shape", X))  # as expand(-1, ...) is
FILLED = op("ConstantOfShape", op("Concat", size([0]), [2], axis=0), value=1.0)

FIXED = {
    "columns": size(1),
    "a share of the columns": op("Div", op("Add", size(1), 2), 3),
    "the last dimensions": op("Slice", op("Shape", X), [1], [2**40]),
    "a product of dimensions": op("ReduceProd", size([1, 1]), [0]),
    "columns behind a reshape": size(1, op("Reshape", X, ROW_AND_REST)),
    "columns behind an expansion": size(1, op("Expand", X, KEPT)),
    "columns of a slice": size(1, op("Slice", X, [1], size([1]), [1])),
    "columns of the first samples": size(1, op("Slice", X, [0], size([0]), [0])),
    "columns beside a column of ones": size(1, op("Concat", X, FILLED, axis=1)),
    "columns turned": size(0, op("Transpose", X)),
    "the number of dimensions": op("Size", op("Shape", X)),
    "columns as another type": op("Cast", size([1]), to="float64"),
    "columns in a matrix": op("Gather", op("Reshape", op("Shape", X), [1, 2]), [1], axis=1),
}

FEW = op("Slice", X, [0], [4], [0])
GROUPS = op("Add", op("Div", size([0]), 4), 1)  # 2 for both 5 and 7 samples
COPIES = op("Concat", [1], GROUPS, axis=0)
PADS = op("Concat", [0, 0, 0], GROUPS, axis=0)
MANY = op(
    "Reshape",
    op("Slice", X, [0, 0], [1, 1], [0, 1]),
    op("ConstantOfShape", size([0]), value=1, dtype="int64"),
)

NOT_FIXED = {
    "samples": size(0),
    "groups of samples": GROUPS,
    "samples left over": op("Mod", op("Size", X), -4),
    "whether samples are two": op("Equal", size(0), 2),
    "whether sizes are two": op("Equal", op("Shape", X), 2),
    "samples up to three": op("Min", size(0), 3),
    "a product with them": op("Min", op("ReduceProd", op("Shape", X), [0]), 12),
    "samples of a slice": size(0, FEW),
    "samples of a slice squared": size([0], op("Einsum", FEW, FEW, equation="ij,kj->ik")),
    "every eighth sample": size(0, op("Slice", X, [0], [2**40], [0], [8])),
    "columns up to the samples": size(1, op("Slice", X, [0], size([0]), [1])),
    "samples after the eighth": op("Size", op("Range", 8, size(0), 1)),
    "as many values as groups": op("Size", op("ConstantOfShape", GROUPS)),
    "copies for every group": size(1, op("Tile", X, COPIES)),
    "no dimension for a single sample": op("Size", op("Shape", op("Squeeze", X))),
    "a sum over all dimensions": op("Greater", op("ReduceSum", op("Shape", X), [0]), 9),
    "a largest dimension": op("ReduceMax", op("Shape", op("Slice", X, [0], [6], [0])), [0]),
    "padded by groups": size(1, op("Pad", X, PADS)),
    "as many dimensions as samples": op("Size", op("Slice", MANY, [0], [1], [0])),
    "picked by groups": op("Gather", [0, 1, 2, 3, 4, 5, 6, 7], GROUPS),
}


def graph_of(value: Node) -> Graph:
    return Graph(Level.TENSOR, (X,), (value,))


@pytest.mark.parametrize("name", FIXED)
def test_fixed(name):
    value = FIXED[name]
    assert value.name in fixed_counts(graph_of(value))


@pytest.mark.parametrize("name", NOT_FIXED)
def test_not_fixed(name):
    value = NOT_FIXED[name]
    assert value.name not in fixed_counts(graph_of(value))


@pytest.mark.parametrize("name", FIXED | NOT_FIXED)
def test_folding_keeps_the_values_for_every_number_of_samples(name):
    before = graph_of((FIXED | NOT_FIXED)[name])
    after = FoldConstants().apply(before, None)
    for rows in ROWS:
        at = {"x": np.ones((rows, 6))}
        (expected,), (found,) = evaluate(before, at), evaluate(after, at)
        np.testing.assert_array_equal(found, expected)
