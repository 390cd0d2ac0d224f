"""A hypothesis strategy of ensembles: networks whose members' weights are stacks of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pinnir.ir.graph import Activation, Graph, Input, Level, Node, Primitive
from pinnir.numerics.matrix import Array
from tests.dags import Strand
from tests.helpers import FUNCTIONS
from tests.strategies import SEEDS

LINEAR_ENDS = ("members", "mean", "weighted", "first")
ENDS = (*LINEAR_ENDS, "largest", "deviation")
COLUMNS = 2


@dataclass(frozen=True)
class Ensemble:
    """A network of several members.

    Attributes:
        graph: The network.
        multiplications: Of all members' layers.
        ends: What its outputs are.
    """

    graph: Graph
    multiplications: int
    ends: tuple[str, ...]


class _Writer(Strand):
    """Writes layers of ``members`` in one of the ways that exporters have.

    Values are ``(members, samples, columns)``, or ``(samples, members, columns)``.
    """

    def __init__(self, seed: int, members: int, *, members_first: bool, einsum: bool) -> None:
        super().__init__(np.random.default_rng(seed))
        self.members, self.first, self.einsum = members, members_first, einsum
        self.multiplications = 0

    def op(self, kind: str, *operands: Node | Array, **attributes: Any) -> Node:
        """A primitive; arrays become constants."""
        nodes = [one if isinstance(one, Node) else self.constant(one) for one in operands]
        return self.node(kind, Primitive(kind, attributes), *nodes)

    def entry(self, x: Node, way: str) -> Node:
        """The inputs for every member."""
        if way == "shared":
            return x
        wide = self.op("Unsqueeze", x, np.array([0 if self.first else 1]))
        if way == "spread":
            shape = (self.members, 1, 1) if self.first else (1, self.members, 1)
            return self.op("Expand", wide, np.array(shape))
        return wide

    def layer(self, x: Node, inputs: int, outputs: int, *, shared: bool = False) -> Node:
        """A product with a stack of weights, and a stack of biases."""
        weight = self.rng.normal(size=(self.members, inputs, outputs)) / np.sqrt(inputs)
        bias = self.rng.normal(size=(self.members, outputs))
        self.multiplications += weight.size
        own = "eno" if self.first else "neo"
        if shared or self.einsum or not self.first:
            given = "ni" if shared else own.replace("o", "i")
            value = self.op("Einsum", x, weight, equation=f"{given},eio->{own}")
        else:
            value = self.op("MatMul", x, weight)
        return self.op("Add", bias[:, None] if self.first else bias, value)

    def end(self, kind: str, value: Node) -> Node:
        """An output."""
        axis = np.array([0 if self.first else 1])
        if kind == "mean":
            return self.op("ReduceMean", value, axis, keepdims=0)
        if kind == "weighted":
            own = "eno" if self.first else "neo"
            shares = self.rng.uniform(size=self.members)
            return self.op("Einsum", value, shares, equation=f"{own},e->no")
        if kind == "first":
            return self.op("Gather", value, np.array(0), axis=int(axis[0]))
        if kind == "largest":
            return self.op("ReduceMax", value, axis, keepdims=0)
        if kind == "deviation":
            rest = self.op("Sub", value, self.op("ReduceMean", value, axis))
            return self.op(
                "Sqrt", self.op("ReduceMean", self.op("Mul", rest, rest), axis, keepdims=0)
            )
        return self.op("Identity", value)


@st.composite
def ensembles(draw: st.DrawFn, ends: tuple[str, ...] = ENDS, max_ends: int = 3) -> Ensemble:
    """Up to four members of one or two hidden layers, and one to ``max_ends`` outputs."""
    members, first = draw(st.integers(1, 4)), draw(st.booleans())
    build = _Writer(draw(SEEDS), members, members_first=first, einsum=draw(st.booleans()))
    x = Node("x", Input(COLUMNS))
    way = draw(st.sampled_from(("shared", "broadcast", "spread")))
    # A stack of one value and a stack of weights have the samples between them in one order only.
    way = way if first or way != "broadcast" or members == 1 else "spread"
    value, width = build.entry(x, way), draw(st.integers(1, 4))
    value = build.layer(value, COLUMNS, width, shared=way == "shared")
    functions = draw(st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=2))
    for number, function in enumerate(functions):
        fired = build.node(function, Activation(function), value)
        residual = number and draw(st.booleans())
        fired = build.op("Add", fired, value) if residual else fired
        value = build.layer(fired, width, width)
    kinds = tuple(draw(st.lists(st.sampled_from(ends), min_size=1, max_size=max_ends, unique=True)))
    outputs = tuple(build.end(kind, value) for kind in kinds)
    return Ensemble(Graph(Level.TENSOR, (x,), outputs), build.multiplications, kinds)
