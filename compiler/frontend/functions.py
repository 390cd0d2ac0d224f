"""Local functions: exporters write layers as functions of the model; the frontend wants one graph.

A function may call others. Calls that go round in a circle have no meaning, and a few functions
that call each other several times stand for any number of nodes, so both are counted first.
"""

from __future__ import annotations

import onnx
import onnx.inliner

from pinnir.base.errors import FrontendError
from pinnir.frontend.protos import Body

MOST_NODES = 1000

Key = tuple[str, str, str]


def inline_functions(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with every call of a local function replaced by its body.

    Raises:
        FrontendError: If a function calls itself, or the result would be too large.
    """
    if proto.functions:
        _count_nodes(proto, name)
        proto = onnx.inliner.inline_local_functions(proto)
        del proto.functions[:]
    refuse_large(len(proto.graph.node), name)
    return proto


def refuse_large(nodes: int, name: str) -> None:
    """Networks have tens to hundreds of nodes.

    Raises:
        FrontendError: If there are more than pinnir takes.
    """
    if nodes > MOST_NODES:
        raise FrontendError(
            f"{name} has {nodes:,} nodes; pinnir compiles up to {MOST_NODES:,}",
            hint="export the network alone, without training or solver steps",
        )


def _count_nodes(proto: onnx.ModelProto, name: str) -> None:
    """Nodes of the graph after inlining, without inlining it."""
    known = {(f.domain, f.name, f.overload): f for f in proto.functions}
    sizes: dict[Key, int] = {}
    open_: dict[Key, None] = {}

    def size(body: Body) -> int:
        total = 0
        for node in body.node:
            key = (node.domain, node.op_type, node.overload)
            total += 1 if key not in known else function_size(key)
            for attribute in node.attribute:
                total += sum(size(g) for g in [attribute.g, *attribute.graphs] if g.node)
        return total

    def function_size(key: Key) -> int:
        if key in open_:
            problem = f"calls itself: {' -> '.join([k[1] for k in open_] + [key[1]])}"
            hint = "export the model without recursive functions"
            raise FrontendError(problem, node=key[1], op="function", hint=hint)
        if key not in sizes:
            open_[key] = None
            sizes[key] = size(known[key])
            del open_[key]
        return sizes[key]

    for key in known:
        function_size(key)
    refuse_large(size(proto.graph), name)
