"""Sizes of values, known before memory is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.base.errors import GraphError
from pinnir.ir.evaluate import compute

ONE = np.ones(1)
WIDE, TALL = np.ones((1, 2**14)), np.ones((2**14, 1))


@pytest.mark.parametrize(
    ("kind", "operands", "attributes"),
    [
        ("Add", [WIDE, TALL], {}),
        ("Concat", [WIDE] * 2**12, {"axis": 0}),
        ("ConstantOfShape", [np.array([2**31])], {"value": 0.0}),
        ("Einsum", [WIDE, TALL], {"equation": "ij,kl->jk"}),
        ("Einsum", [WIDE, TALL], {"equation": "ij,kl"}),
        ("Expand", [ONE, np.array([2**16, 2**16])], {}),
        ("Gather", [WIDE, np.zeros(2**12, int)], {"axis": 0}),
        ("GatherND", [WIDE, np.zeros((2**12, 1), int)], {}),
        ("Gemm", [WIDE, WIDE], {"transA": 1}),
        ("Gemm", [ONE[None], ONE[None], np.ones((2**13, 1, 2**13))], {}),
        ("MatMul", [TALL, WIDE], {}),
        ("Pad", [WIDE, np.array([2**12, 0, 2**12, 0])], {}),
        ("Pad", [ONE, np.array([2**62, 2**62])], {}),
        ("Range", [np.array(0), np.array(2**40), np.array(2)], {}),
        ("Tile", [WIDE, np.array([2**12, 1])], {}),
        ("Where", [WIDE > 0, TALL, ONE], {}),
    ],
)
def test_too_large(kind, operands, attributes):
    with pytest.raises(GraphError) as caught:
        compute(kind, attributes, operands, "n")
    assert str(caught.value).startswith(f"{kind} 'n': cannot be computed: its value would take ")
    assert str(caught.value).endswith(
        " MiB, more than 256\nhint: check the shapes in the ONNX model"
    )


@pytest.mark.parametrize(
    ("kind", "operands", "attributes"),
    [
        ("Tanh", [WIDE], {}),
        ("MatMul", [WIDE, TALL], {}),
        ("MatMul", [np.ones(3), np.ones(3)], {}),
        ("Einsum", [WIDE, TALL], {"equation": "ij,jk->ik"}),
        ("Reshape", [WIDE, np.array([2, -1])], {}),
        ("Pad", [np.ones((1, 1, 8, 8)), np.full(4, 500), np.array(0.0), np.array([2, -1])], {}),
        ("Tile", [WIDE, np.array([2, 1])], {}),
    ],
)
def test_not_too_large(kind, operands, attributes):
    compute(kind, attributes, operands, "n")
