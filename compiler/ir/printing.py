"""The textual form of a graph: what dumps, diffs and golden files hold.

One line a node. Arrays are shown by shape and range with four significant digits, so that a dump
is short, comparable between machines, and still shows when weights change.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from pinnir.ir.graph import Activation, Constant, Graph, Input, Node, Op, Primitive
from pinnir.numerics.matrix import BlockDiagonal, Copies, Decoded, extremes, nonzeros

_LONGEST = 2000


def print_graph(graph: Graph) -> str:
    """The graph as text, ending in a newline."""
    head = f"graph level={graph.level.value}"
    if graph.steps > 1 or graph.read_out != "last":
        head += f" steps={graph.steps} read_out={graph.read_out}"
    if graph.placement is not None:
        placed = graph.placement
        head += f" chip={placed.chip.name} cores={placed.used} messages={placed.messages:.4g}"
    lines = [head]
    lines += [f"  {_print_node(n)}" for n in graph.nodes if isinstance(n.op, Input | Constant)]
    for label, nodes in graph.segments.items():
        lines += [f"segment {label}"] if label else []
        lines += [f"  {_print_node(node)}" for node in nodes]
    lines.append(f"  return {_names(graph.outputs)}")
    text = "\n".join(lines) + "\n"
    return text if graph.streamed is None else f"{text}streamed {print_graph(graph.streamed)}"


def diff(before: str, after: str) -> str:
    """Unified diff of two printed graphs; empty if they are the same."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1
    )
    return "\n".join(lines)


def _print_node(node: Node) -> str:
    parts = [f"%{node.name} = {_kind(node.op)}({_names(node.operands)})"]
    parts += [f"{key}={_value(value)}" for key, value in _parameters(node.op)]
    return " ".join(parts)


def _kind(op: Op) -> str:
    return op.kind if isinstance(op, Primitive) else type(op).__name__


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(f"%{node.name}" for node in nodes)


def _parameters(op: Op) -> list[tuple[str, Any]]:
    if isinstance(op, Primitive):
        return sorted(op.attributes.items())
    found = [(field, getattr(op, field.name)) for field in fields(op)]
    return [(field.name, value) for field, value in found if not _is_default(value, field.default)]


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, int | tuple) and value == default)


def _value(value: Any) -> str:
    if isinstance(value, Op):
        return f"{_kind(value)}({', '.join(f'{k}={_value(v)}' for k, v in _parameters(value))})"
    if isinstance(value, Graph):
        return _expression(value)
    if isinstance(value, tuple):
        return f"({', '.join(_value(item) for item in value)})"
    if isinstance(value, BlockDiagonal):
        inner = "x".join(str(size) for size in value.blocks.shape)
        return f"blocks[{inner}]{_range(value.blocks)} nonzeros={nonzeros(value)}"
    if isinstance(value, Copies | Decoded):  # it means this dense matrix
        low, high = extremes(value)
        if value.shape == (1, 1):
            return f"{low:.4g}"
        return f"[{value.shape[0]}x{value.shape[1]}]{{{_number(low)}..{_number(high)}}}"
    if isinstance(value, np.ndarray):
        if value.size == 1:
            return f"{value.item():.4g}"
        return f"[{'x'.join(str(size) for size in value.shape)}]{_range(value)}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _expression(body: Graph) -> str:
    """A body as one expression, such as ``Mul(z, Sigmoid(z))``; deep inside shortened to ``...``.

    A value that is used twice is written twice, so that a few dozen nodes could fill a disk.
    """
    told: dict[Node, str] = {}
    for node in body.nodes:
        if isinstance(node.op, Constant):
            told[node] = _value(node.op.value)
        elif not node.operands:
            told[node] = node.name
        else:
            name = node.op.function if isinstance(node.op, Activation) else _kind(node.op)
            inner = ", ".join(told[operand] for operand in node.operands)
            told[node] = f"{name}({inner if len(inner) <= _LONGEST else '...'})"
    return told[body.outputs[0]]


def _range(value: np.ndarray) -> str:
    finite = value[np.isfinite(value)]
    if not finite.size:
        return "{}"
    return f"{{{_number(finite.min())}..{_number(finite.max())}}}"


def _number(value: float) -> str:
    # Rounding noise around zero differs between machines and says nothing.
    return "0" if abs(value) < 1e-12 else f"{value:.4g}"
