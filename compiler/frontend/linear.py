"""Linear algebra: matrix products."""

from __future__ import annotations

from pinnir.frontend.table import Importer, OnnxNode
from pinnir.ir import Node


def _gemm(node: OnnxNode) -> Node:
    known = ("alpha", "beta", "transA", "transB")
    return node.primitive(**{k: node.attributes[k] for k in known if k in node.attributes})


def _matmul(node: OnnxNode) -> Node:
    return node.primitive()


IMPORTERS: dict[str, Importer] = {"Gemm": _gemm, "MatMul": _matmul}
