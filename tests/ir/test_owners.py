"""Owners: which sample every number of a value is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from pinnir.base.errors import FrontendError, GraphError
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Constant, Graph, Input, Level, Node, Primitive
from pinnir.ir.owners import SHARED, owners
from pinnir.numerics.matrix import Array
from tests.random_graphs import RandomModel, onnx_graphs

S = SHARED


def step(kind: str, *operands: Node | Any, **attributes: Any) -> Node:
    """An operator on nodes and fixed values."""
    given = [
        one if isinstance(one, Node) else Node(f"{kind}:{i}", Constant(np.asarray(one)))
        for i, one in enumerate(operands)
    ]
    return Node(f"{kind}:value", Primitive(kind, attributes), tuple(given))


X = Node("x", Input(None))
ROWS = np.arange(3)[:, None].repeat(2, 1)
FLAT = np.array([[0, 0, 1, 1]])
WEIGHT = np.array([[1.0, -2.0], [3.0, 0.0]])
WHOLE = step("Cast", X, to="int64")

# The operator, whose samples the numbers of x are, and whose those of its value.
FOUND: dict[str, tuple[Node, Any, Any]] = {
    "a layer": (step("Gemm", X, WEIGHT, np.ones(2), alpha=-1.0), ROWS, ROWS),
    "broadcast": (step("Add", X, np.ones((2, 1, 1))), ROWS, [ROWS, ROWS]),
    "blocks": (step("MatMul", X, np.kron(np.eye(2), WEIGHT)), FLAT, FLAT),
    "moved": (step("Reshape", X, [2, 2]), FLAT, [[0, 0], [1, 1]]),
    "turned": (step("Transpose", X, perm=[1, 0]), ROWS, ROWS.T),
    "chosen": (step("Gather", np.ones((9, 3)), WHOLE), [0, 1], [[0] * 3, [1] * 3]),
    "padded": (step("Pad", X, [0, 1, 0, 0], 7.0), ROWS, [[S, k, k] for k in range(3)]),
    "scattered": (step("ScatterND", np.ones(4), [[3], [1]], X), [0, 1], [S, 1, S, 0]),
    "added up": (step("ReduceMax", X, [1]), ROWS, ROWS[:, :1]),
    "softmax": (step("Softmax", X, axis=1), ROWS, ROWS),
    "normalised": (step("LayerNormalization", X, np.ones(2)), ROWS, ROWS),
    "windows": (step("MaxPool", X, kernel_shape=[2]), [[[0, 0, 0]]], [[[0, 0]]]),
    "running sums": (step("CumSum", X, 1), ROWS, ROWS),
    "a convolution": (
        step("Conv", X, np.ones((1, 1, 2)), np.ones(1)),
        [[[0, 0]], [[1, 1]]],
        [[[0]], [[1]]],
    ),
    "squares": (step("Einsum", X, X, equation="ni,ni->n"), ROWS, [0, 1, 2]),
    "a size": (step("Shape", X), ROWS, [S, S]),
    "a shared time": (step("Sin", X), [[S]], [[S]]),
}


def owned(output: Node, samples: Any) -> Array:
    own = np.asarray(samples)
    graph = Graph(Level.TENSOR, (X,), (output,))
    return owners(graph, {"x": np.ones(own.shape)}, {"x": own})[output]


@pytest.mark.parametrize("name", FOUND)
def test_owners(name):
    output, samples, wanted = FOUND[name]
    np.testing.assert_array_equal(owned(output, samples), wanted)


MIXED: dict[str, tuple[Node, Any]] = {
    "a sign that seldom changes": (step("Sign", step("ReduceMax", X, [0])), ROWS),
    "a sum": (step("MatMul", np.ones((1, 3)), X), ROWS),
    "running sums": (step("CumSum", X, 0), ROWS),
    "normalised": (step("LayerNormalization", X, np.ones((3, 2)), axis=0), ROWS),
    "windows": (step("Conv", X, np.ones((1, 1, 2))), [[[0, 1]]]),
    "neighbours": (step("Add", X, step("Gather", X, [1, 2, 0])), ROWS),
    "a weight of each": (step("Mul", X, [[1.0], [2.0], [3.0]]), ROWS),
    "a mask of each": (
        step("And", step("Greater", X, 9.0), np.array([[False], [True], [True]])),
        ROWS,
    ),
    "whole numbers of each": (step("Equal", step("Cast", X, to="int64"), [[5], [6], [7]]), ROWS),
    "the first is written": (step("ScatterND", X, [[0]], [[0.0, 0.0]]), ROWS),
    "the last is written": (step("ScatterND", X, [[2]], [[0.0, 0.0]]), ROWS),
    "one of two": (step("Slice", X, [0], [1], [0]), ROWS),
    "the last two": (step("Add", step("Gather", X, [3]), step("Gather", X, [4])), range(5)),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_samples_are_refused_by_the_operator(name):
    output, samples = MIXED[name]
    kinds = {output.op_as(Primitive).kind, "ReduceMax"}
    with pytest.raises(FrontendError, match="depends on the other points") as caught:
        owned(output, samples)
    assert caught.value.op in kinds


def values_of(graph: Graph, inputs: Mapping[str, Array]) -> dict[Node, Array]:
    values: dict[Node, Array] = {}
    evaluate(graph, inputs, lambda _, node, value: values.update({node: value}))
    return values


def test_what_changes_with_a_sample_is_owned_by_it():
    """On random graphs; those that mix samples are refused."""
    changed = []

    @settings(max_examples=150)
    @given(model=onnx_graphs())
    def check(model: RandomModel) -> None:
        graph = import_bytes(model.proto.SerializeToString()).graph
        tables = model.inputs
        rows = {
            name: np.arange(len(x))[:, None].repeat(x.shape[1], 1) for name, x in tables.items()
        }
        try:
            known = owners(graph, tables, rows)
        except FrontendError:
            return
        before = values_of(graph, tables)
        rng = np.random.default_rng(0)
        for row in range(len(next(iter(tables.values())))):
            other = {name: x.copy() for name, x in tables.items()}
            for x in other.values():
                x[row] = rng.integers(-16, 17, x.shape[1]) / 8
            try:
                after = values_of(graph, other)
            except GraphError:
                continue  # an index that is out of its table
            for node, value in before.items():
                if value.shape == after[node].shape:
                    differs = ~np.equal(value, after[node])
                    if value.dtype.kind == "f":
                        differs &= ~(np.isnan(value) & np.isnan(after[node]))
                        # Sums of many rows may be taken in another order.
                        differs &= ~np.isclose(value, after[node], rtol=1e-12, atol=1e-12)
                    assert set(known[node][differs]) <= {row}
                    changed.append(bool(differs.any()))

    check()
    assert sum(changed) > 300
