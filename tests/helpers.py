"""Small graphs, points and comparisons that the tests share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pinnir.base.targets import TARGETS, Target
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node
from pinnir.neurons import Threshold
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, dense, entries
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.staircases import build_staircase
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Passes, PassManager

CORE = "core.1"
FUNCTIONS = ("tanh", "sigmoid", "relu", "sin", "cos")


def core_graph(seed: int, sizes: Sequence[int], functions: Sequence[str]) -> Graph:
    """A multilayer perceptron ``x -> affine0 -> act0 -> ... -> affineN``, all of it core."""
    rng = np.random.default_rng(seed)
    x = Node("x", Input(sizes[0]))
    value = x
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight = 1.5 * rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)
        value = Node(f"affine{number}", Affine(weight, rng.normal(size=outputs)), (value,), CORE)
        if number < len(functions):
            value = Node(f"act{number}", Activation(functions[number]), (value,), CORE)
    return Graph(Level.TENSOR, (x,), (value,))


def residual_core() -> Graph:
    """``affine1(act0) + skip(x)`` through ``act1``, read out by ``affine2``, all of it core."""
    rng = np.random.default_rng(0)

    def affine(name: str, shape: tuple[int, int], operand: Node) -> Node:
        op = Affine(rng.normal(size=shape), rng.normal(size=shape[0]))
        return Node(name, op, (operand,), CORE)

    x = Node("x", Input(2))
    act0 = Node("act0", Activation("tanh"), (affine("affine0", (4, 2), x),), CORE)
    sources = (affine("affine1", (3, 4), act0), affine("skip", (3, 2), x))
    act1 = Node("act1", Activation("sin"), sources, CORE)
    return Graph(Level.TENSOR, (x,), (affine("affine2", (1, 3), act1),))


def one_neuron(activation: Activation) -> Graph:
    """``affine1(activation(affine0(x)))``, both maps the identity."""
    x = Node("x", Input(1))
    entry = Node("affine0", Affine(np.eye(1), np.zeros(1)), (x,), CORE)
    act = Node("act0", activation, (entry,), CORE)
    return Graph(
        Level.TENSOR, (x,), (Node("affine1", Affine(np.eye(1), np.zeros(1)), (act,), CORE),)
    )


def staircase_graph(graph: Graph, seed: int, levels: int, reach: float = 3.0) -> Graph:
    """``graph`` with staircases over random ranges around zero, up to ``reach`` wide each way."""
    rng = np.random.default_rng(seed)

    def change(node: Node) -> Node:
        if not isinstance(node.op, Activation):
            return node
        neurons = columns(node)
        low, high = -rng.uniform(0.3, reach, neurons), rng.uniform(0.3, reach, neurons)
        return node.with_op(build_staircase(node.op, low, high, levels))

    return graph.rewrite(change, level=Level.STAIRCASE)


def columns(node: Node) -> int:
    """Columns of an activation behind an affine map."""
    affine = node.operands[0].op
    assert isinstance(affine, Affine)
    return affine.weight.shape[0]


def context(
    graph: Graph, samples: int = 128, seed: int = 0, target: Target = TARGETS["nir"]
) -> Context:
    """A context whose source is ``graph``, with points of the cube [-1, 1]."""
    return Context(graph, points(graph, samples, seed), target, seed)


def compiled(graph: Graph, pipeline: str | Passes, seed: int = 0) -> Graph:
    """``graph`` after a pipeline, with itself as the source."""
    passes = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    return PassManager(passes).run(graph, context(graph, seed=seed))


def points(graph: Graph, samples: int, seed: int) -> Array:
    """Points of the cube [-1, 1], all of them float32 numbers."""
    rng = np.random.default_rng(seed)
    wide = sum(node.op.width or 1 for node in graph.inputs if isinstance(node.op, Input))
    return rng.uniform(-1, 1, (samples, wide)).astype(np.float32).astype(np.float64)


def record(graph: Graph, at: Array) -> dict[str, list[Array]]:
    """Value of every computed node at every step, by name."""
    seen: dict[str, list[Array]] = {}
    evaluate(
        graph,
        graph.bind(at),
        lambda step, node, value: seen.setdefault(node.name, []).append(value),
    )
    return seen


def largest(graph: Graph, at: Array) -> float:
    """Largest magnitude of any value in the graph: the scale of its rounding errors."""
    return max(
        1.0, *(float(np.abs(v).max()) for steps in record(graph, at).values() for v in steps)
    )


def assert_same_values(
    before: Graph, after: Graph, at: Array, tolerance: float, scale: float | None = None
) -> None:
    """The two graphs' outputs differ by at most ``tolerance`` times the scale of the values."""
    bound = tolerance * (scale if scale is not None else largest(before, at))
    expected, actual = evaluate(before, before.bind(at)), evaluate(after, after.bind(at))
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=bound)


def population_levels(graph: Graph, seen: dict[str, list[Array]], layer: str) -> Array:
    """Levels that the threshold units of one lowered staircase stand for, ``(samples, neurons)``.

    Which neurons a population speaks for is said by the map that expands them to its units.
    """
    found: Array | None = None
    for node in graph.nodes:
        if isinstance(node.op, Threshold) and node.name.startswith(f"{layer}_"):
            expand = dense(node.operands[0].op.weight)
            found = np.zeros((len(seen[node.name][0]), expand.shape[1])) if found is None else found
            found[:, expand.any(axis=0)] += node.op.levels(seen[node.name][0])
    assert found is not None
    return found


def moved(parameters: Parameters, by: Parameters, far: float) -> Parameters:
    """``parameters + far * by``."""
    return {
        name: (weight + far * by[name][0], bias + far * by[name][1])
        for name, (weight, bias) in parameters.items()
    }


def inner(one: Parameters, other: Parameters) -> float:
    """Sum of the products of all entries."""
    pairs = ((one[name], other[name]) for name in other)
    return sum(float((a * b).sum()) for pair in pairs for a, b in zip(*pair, strict=True))


def direction(parameters: Parameters, seed: int) -> Parameters:
    """Where to move parameters to, at random."""
    rng = np.random.default_rng(seed)
    return {
        n: (rng.normal(size=w.shape), rng.normal(size=b.shape)) for n, (w, b) in parameters.items()
    }


def weights_of(graph: Graph) -> bytes:
    """Every weight and bias of a graph, to be compared."""
    ops = [node.op for node in graph.nodes]
    affine = [op for op in ops if isinstance(op, Affine)]
    return b"".join(entries(op.weight).tobytes() + op.bias.tobytes() for op in affine)


def relative_error(source: Graph, graph: Graph, at: Array) -> float:
    """Of all outputs together, in the L2 norm."""
    wanted, found = (
        np.concatenate([value.reshape(-1) for value in evaluate(g, g.bind(at))])
        for g in (source, graph)
    )
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, np.ndarray] | None = None,
    *,
    inputs: dict[str, Sequence[int | str | None]] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 18,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of these nodes; by default from ``x`` ``(n, 2)`` to ``y``."""
    shapes = inputs if inputs is not None else {"x": (None, 2)}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, kind, [None, None]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(folder: Path, model: onnx.ModelProto) -> Path:
    """Write the model to ``folder / model.onnx``."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def dyadic(rng: np.random.Generator, shape: tuple[int, ...], reach: float = 1.0) -> Array:
    """Random multiples of 1/64, whose sums and products are exact in any order."""
    return rng.integers(-64 * reach, 64 * reach, shape, endpoint=True) / 64
