"""quantise-inputs: what enters a core becomes whole numbers.

A chip takes integers. The host divides every value that enters a core by a unit of its column,
rounds to the nearest whole number and clips to what the integers hold; the maps that read it
take over the unit. The rounding stands in the program as a host part of its own, before the first
core that reads the value; so the parts are numbered anew.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np

from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import trace
from pinnir.ir.graph import HOST, Affine, Constant, Graph, Level, Node, Primitive
from pinnir.ir.names import Names
from pinnir.numerics.matrix import Array, dense
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass, Passes


@dataclass(frozen=True)
class QuantiseInputs(Pass):
    """Round what enters the cores to whole numbers of a unit for each column.

    Attributes:
        bits: Of the integers, with their sign.
    """

    name = "quantise-inputs"
    accepts = (Level.TENSOR,)
    spelled = ("bits",)
    limits = (("bits", 2, 32),)

    bits: int = 16

    @property
    def limit(self) -> float:
        """Largest magnitude of the integers."""
        return 2.0 ** (self.bits - 1) - 1

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Put a rounding host part before every value that enters a core."""
        cores = {node.name: _first_core(graph, node) for node in graph.nodes}
        labels = {name: f"{HOST}.{2 * core}" for name, core in cores.items() if core is not None}
        most = _largest(graph, context, labels.keys())
        units = {name: np.where(size > 0, size, 1.0) / self.limit for name, size in most.items()}
        rounded: dict[str, Node] = {}
        names = Names.of(graph)

        def change(node: Node) -> Node:
            kind, _, number = node.segment.partition(".")
            if number:
                node = replace(node, segment=f"{kind}.{2 * int(number) + 1}")
            first = node.operands[0] if node.operands else node
            if node.in_core and first.segment != node.segment and first.name in rounded:
                assert len(node.operands) == 1
                map_ = node.op_as(Affine)
                op = replace(map_, weight=dense(map_.weight) * units[first.name])
                node = replace(node, op=op, operands=(rounded[first.name],))
            if node.name in units:
                unit, label = units[node.name], labels[node.name]
                rounded[node.name] = _rounded(node, unit, self.limit, label, names)
            return node

        return graph.rewrite(change)


def _first_core(graph: Graph, node: Node) -> int | None:
    """Number of the first core that reads a value of another part of the program, if one does."""
    users = [u for u in graph.users[node] if u.in_core and u.segment != node.segment]
    if isinstance(node.op, Constant) or not users:
        return None
    return min(int(user.segment.partition(".")[2]) for user in users)


def _largest(graph: Graph, context: Context, names: Set[str]) -> dict[str, Array]:
    """Largest magnitude of every column, on calibration points and the ends of the domain."""
    points = context.calibration
    if context.domain is not None:
        points = np.concatenate([points, [context.domain.low, context.domain.high]])
    inputs = graph.bind(points)
    values = inputs | trace(graph, inputs, names)
    return {name: np.abs(values[name]).max(axis=0) for name in names}


def _rounded(node: Node, unit: Array, limit: float, label: str, names: Names) -> Node:
    def of(name: str, kind: str, *operands: Node) -> Node:
        return Node(names.fresh(f"{node.name}:{name}"), Primitive(kind), operands, label)

    def constant(name: str, value: Array) -> Node:
        return Node(names.fresh(f"{node.name}:{name}"), Constant(value))

    scaled = of("scaled", "Mul", node, constant("per_unit", 1.0 / unit))
    ends = (constant(name, np.array(end)) for name, end in (("low", -limit), ("high", limit)))
    return of("whole", "Clip", of("rounded", "Round", scaled), *ends)


def largest_input(passes: Passes) -> float:
    """Largest magnitude of a value that enters a core of the program that these passes made.

    Raises:
        LegalizeError: If nothing rounds the inputs.
    """
    for one in passes:
        if isinstance(one, QuantiseInputs):
            return one.limit
    raise LegalizeError(
        "the program takes numbers that are not whole, and the target computes with integers",
        hint="compile for this target, or with the passes quantise-inputs and quantise",
    )
