"""Hypothesis strategies: tensor graphs of residual, parallel, gated and separable networks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Op, Primitive
from tests.helpers import FUNCTIONS
from tests.strategies import SEEDS

# How values come together: linear operators, and what only the host can compute.
LINEAR = ("Add", "Sub", "Concat", "Slice", "Scale", "Shift", "Mean")
ON_HOST = ("Mul", "Abs")


class Strand:
    """Collects the nodes of one graph; all values are ``(samples, columns)``."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.count = 0

    def node(self, kind: str, op: Op, *operands: Node) -> Node:
        """A node under a new name."""
        self.count += 1
        return Node(f"{kind.lower()}{self.count}", op, operands)

    def constant(self, value: np.ndarray) -> Node:
        """A fixed tensor."""
        return self.node("constant", Constant(value))

    def affine(self, x: Node, inputs: int, outputs: int) -> Node:
        """A matrix product and a bias."""
        weight = self.rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)
        return self.node("affine", Affine(weight, self.rng.normal(size=outputs)), x)

    def layer(self, x: Node, inputs: int, outputs: int) -> Node:
        """A matrix product and an activation."""
        function = str(self.rng.choice(FUNCTIONS))
        return self.node(function, Activation(function), self.affine(x, inputs, outputs))

    def join(self, kind: str, one: Node, other: Node, width: int) -> tuple[Node, int]:
        """One linear operator on values of ``width`` columns each."""
        row = self.rng.uniform(0.5, 1.5, (1, width))
        if kind == "Concat":
            return self.node(kind, Primitive(kind, {"axis": 1}), one, other), 2 * width
        if kind == "Slice":
            end = int(self.rng.integers(1, width, endpoint=True))
            where = (self.constant(np.array([value])) for value in (0, end, 1))
            return self.node(kind, Primitive(kind), one, *where), end
        if kind in ("Scale", "Shift"):
            op = Primitive("Mul" if kind == "Scale" else "Add")
            return self.node(kind, op, one, self.constant(row)), width
        if kind == "Mean":
            axes = self.constant(np.array([1]))
            return self.node(kind, Primitive("ReduceMean", {"keepdims": 1}), one, axes), 1
        return self.node(kind, Primitive(kind), one, other), width


@st.composite
def strands(draw: st.DrawFn, build: Strand, entry: Node, columns: int) -> tuple[Node, int]:
    """A random network of ``entry``: every activation is behind and before a matrix product."""
    if draw(st.booleans()):
        square = build.node("square", Primitive("Mul"), entry, entry)
        entry = build.node("entry", Primitive("Concat", {"axis": 1}), entry, square)
        columns *= 2
    width = draw(st.integers(1, 4))
    values = [(entry, columns), (build.layer(entry, columns, width), width)]
    layers = [values[1][0]]
    for kind in draw(st.lists(st.sampled_from(("Layer", *LINEAR, *ON_HOST)), max_size=6)):
        value, inputs = values[draw(st.integers(0, len(values) - 1))]
        other = layers[draw(st.integers(0, len(layers) - 1))]
        if kind == "Layer":
            layers.append(build.layer(value, inputs, width))
            values.append((layers[-1], width))
        elif kind in ON_HOST:
            operands = (layers[-1], other) if kind == "Mul" else (other,)
            values.append((build.node(kind, Primitive(kind), *operands), width))
        else:
            one = value if inputs == width else build.affine(value, inputs, width)
            values.append(build.join(kind, one, other, width))
    unused = [(v, size) for v, size in values[1:] if not _is_used(v, [v for v, _ in values])]
    ends = [build.affine(value, size, 2) for value, size in unused]
    ends += [build.affine(layer, width, 2) for layer in layers]
    total = ends[0]
    for end in ends[1:]:
        total = build.node("total", Primitive("Add"), total, end)
    return total, 2


def _is_used(node: Node, values: list[Node]) -> bool:
    return any(node in value.operands for value in values)


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    """A network of points, with one output or two."""
    x = Node("x", Input(2))
    build = Strand(np.random.default_rng(draw(SEEDS)))
    value, columns = draw(strands(build, x, 2))
    outputs = [value]
    if draw(st.booleans()):
        scale = build.constant(build.rng.uniform(0.5, 2, columns))
        outputs.append(build.node("scaled", Primitive("Mul"), value, scale))
    if draw(st.booleans()):
        outputs[0] = build.node("constrained", Primitive("Mul"), value, x)
    return Graph(Level.TENSOR, (x,), tuple(outputs))


@st.composite
def separable_dags(draw: st.DrawFn) -> Graph:
    """A network of each of two or three coordinates, merged at all combinations."""
    axes = draw(st.integers(2, 3))
    build = Strand(np.random.default_rng(draw(SEEDS)))
    inputs = tuple(Node(name, Input(1, axis)) for axis, name in enumerate("xyz"[:axes]))
    ends = [draw(strands(build, node, 1))[0] for node in inputs]
    letters = "ijk"[:axes]
    equation = ",".join(f"{letter}r" for letter in letters) + f"->{letters}"
    merged = build.node("merged", Primitive("Einsum", {"equation": equation}), *ends)
    return Graph(Level.TENSOR, inputs, (merged, ends[0]))


@st.composite
def crossing_dags(
    draw: st.DrawFn, functions: tuple[str, ...] = FUNCTIONS, max_ends: int = 4
) -> Graph:
    """1 to ``max_ends`` inputs and outputs; several activations may read one map, or its sum.

    Outputs are maps of layers, layers themselves and what layers read.
    """
    build = Strand(np.random.default_rng(draw(SEEDS)))
    count = draw(st.integers(1, max_ends))
    inputs = tuple(Node(f"x{i}", Input(draw(st.integers(1, 2)))) for i in range(count))
    values = [(node, node.op_as(Input).width or 1) for node in inputs]
    maps = [build.affine(*value, 3) for value in values]
    layers: list[Node] = []
    for _ in range(draw(st.integers(1, 5))):
        terms = draw(st.lists(st.sampled_from(maps), min_size=1, max_size=2, unique=True))
        read = terms[0] if len(terms) == 1 else build.node("Add", Primitive("Add"), *terms)
        for function in draw(st.lists(st.sampled_from(functions), min_size=1, max_size=3)):
            layers.append(build.node(function, Activation(function), read))
            maps.append(build.affine(layers[-1], 3, 3))
    ends = [build.affine(layers[-1], 3, draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(0, max_ends - 1))):
        kind = draw(st.sampled_from(("map", "layer", "inner")))
        end = draw(st.sampled_from(maps if kind == "inner" else layers))
        ends.append(build.affine(end, 3, 2) if kind == "map" else end)
    return Graph(Level.TENSOR, inputs, tuple(dict.fromkeys(ends)))


@st.composite
def networks_of_layers(draw: st.DrawFn, max_ends: int = 4) -> Graph:
    """Two or three smooth layers of 1 to ``max_ends`` inputs; as many outputs, some of them inner.

    They are wide and their weights small enough that neurons' ranges are those of any points.
    """
    build = Strand(np.random.default_rng(draw(SEEDS)))
    inputs = tuple(Node(f"x{i}", Input(1)) for i in range(draw(st.integers(1, max_ends))))
    value, columns = inputs[0], len(inputs)
    if columns > 1:
        value = build.node("Concat", Primitive("Concat", {"axis": 1}), *inputs)
    inner: list[Node] = []
    for _ in range(draw(st.integers(2, 3))):
        read = build.affine(value, columns, 8)
        value = build.node("tanh", Activation("tanh"), read)
        inner += [read, value]
        columns = 8
    outputs = [build.affine(value, columns, draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(0, max_ends - 1))):
        end = draw(st.sampled_from((build.affine(value, columns, 1), *inner)))
        outputs.append(end)
    return Graph(Level.TENSOR, inputs, tuple(dict.fromkeys(outputs)))
