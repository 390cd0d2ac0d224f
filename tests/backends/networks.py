"""Small networks as ONNX, programs of them, and what their spikes are."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

import pinnir
from pinnir.frontend import Model
from pinnir.frontend.reader import import_bytes
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.numerics.matrix import Array, BlockDiagonal, Copies, Decoded, dense
from pinnir.passes import pipelines
from pinnir.program.program import Program
from pinnir.program.simulators import Backend
from tests.helpers import onnx_model

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "ir_examples"
DOMAIN = "x=-1:1,t=0:1"
RATE = (
    "split-thresholds{units=4},quantise-activations{levels=9},lower{coding=rate,steps=8},legalise"
)
STREAMED = {"delta": pipelines.delta, "phase": pipelines.phase, "signgd": pipelines.signgd}
SIGNED_RATE = (
    "balance-thresholds{steps=8},quantise-activations{levels=17,rounding=zero},"
    "lower{coding=rate,steps=8},legalise"
)


def command(*arguments: object, code: str = "") -> dict[str, Any]:
    """Arguments of ``subprocess`` for the command line, whether pinnir is installed or not.

    Args:
        arguments: Of the command line.
        code: Run before it.
    """
    start = f"import conftest\n{code}\nfrom pinnir.cli.app import main\nmain()"
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    return {
        "args": [sys.executable, "-c", start, *map(str, arguments)],
        "env": os.environ | {"PYTHONPATH": path},
    }


def population(levels: int) -> str:
    """Pipeline from a core graph to a population program."""
    return f"quantise-activations{{levels={levels}}},lower{{coding=population}},legalise"


def layers(
    seed: int, sizes: Sequence[int], function: str, entry: str, exit_: str, dtype: str = "float32"
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes and weights of a multilayer perceptron from value ``entry`` to value ``exit_``."""
    rng = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, np.ndarray] = {}
    value = entry
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = number == len(sizes) - 2
        weights[f"W{number}"] = (rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)).astype(dtype)
        weights[f"b{number}"] = (0.3 * rng.normal(size=outputs)).astype(dtype)
        result = exit_ if last else f"z{number}"
        nodes.append(
            helper.make_node("Gemm", [value, f"W{number}", f"b{number}"], [result], f"fc{number}")
        )
        if not last:
            value = f"h{number}"
            nodes.append(helper.make_node(function, [result], [value], f"act{number}"))
    return nodes, weights


def mlp(
    seed: int = 0,
    sizes: Sequence[int] = (2, 8, 8, 1),
    function: str = "Tanh",
    *,
    dtype: str = "float32",
    width: int | None = -1,
) -> onnx.ModelProto:
    """A multilayer perceptron; ``width`` None leaves its number of input columns open."""
    nodes, weights = layers(seed, sizes, function, "x", "y", dtype)
    kind = TensorProto.DOUBLE if dtype == "float64" else TensorProto.FLOAT
    columns = sizes[0] if width == -1 else width
    return onnx_model(nodes, weights, inputs={"x": (None, columns)}, kind=kind)


def constrained() -> onnx.ModelProto:
    """``(1 - x^2) t N(x, t)``: zero at both ends in x and at the start in t."""
    nodes, weights = layers(3, (2, 6, 6, 1), "Tanh", "p", "n")
    fixed = {name: np.array([number]) for number, name in enumerate(("zero", "one", "two"))}
    fixed["unit"] = np.array(1.0, np.float32)
    nodes += [
        helper.make_node("Slice", ["p", "zero", "one", "one"], ["x"], "take_x"),
        helper.make_node("Slice", ["p", "one", "two", "one"], ["t"], "take_t"),
        helper.make_node("Mul", ["x", "x"], ["xx"], "square"),
        helper.make_node("Sub", ["unit", "xx"], ["bump"], "bump"),
        helper.make_node("Mul", ["bump", "t"], ["factor"], "factor"),
        helper.make_node("Mul", ["factor", "n"], ["y"], "constrain"),
    ]
    return onnx_model(nodes, weights | fixed, inputs={"p": (None, 2)})


def fourier() -> onnx.ModelProto:
    """``N(sin(B p), cos(B p))``: Fourier features before the network."""
    nodes, weights = layers(4, (6, 8, 1), "Tanh", "features", "y")
    weights["B"] = np.random.default_rng(5).normal(size=(2, 3)).astype(np.float32)
    features = [
        helper.make_node("MatMul", ["p", "B"], ["phase"], "phase"),
        helper.make_node("Sin", ["phase"], ["s"], "sin"),
        helper.make_node("Cos", ["phase"], ["c"], "cos"),
        helper.make_node("Concat", ["s", "c"], ["features"], "features", axis=1),
    ]
    return onnx_model(features + nodes, weights, inputs={"p": (None, 2)})


def two_inputs() -> onnx.ModelProto:
    """:func:`mlp` with its columns as two inputs."""
    nodes, weights = layers(0, (2, 8, 8, 1), "Tanh", "joined", "y")
    joined = helper.make_node("Concat", ["x", "t"], ["joined"], "join", axis=1)
    return onnx_model([joined, *nodes], weights, inputs={"x": (None, 1), "t": (None, 1)})


def model(proto: onnx.ModelProto) -> Model:
    """The model as ``read_model`` would give it."""
    return import_bytes(proto.SerializeToString(deterministic=True))


@cache
def small_program(coding: str = "population") -> Program:
    """A program of :func:`mlp`: 16 levels, or 8 rate steps."""
    if coding in STREAMED:
        return pinnir.compile(
            model(mlp()), DOMAIN, target="programmable", pipeline=STREAMED[coding](16)
        )
    ask = {"levels": 16} if coding == "population" else {"steps": 8, "levels": 33}
    return pinnir.compile(model(mlp()), DOMAIN, coding=coding, **ask)


@cache
def example_program(name: str, levels: int) -> Program:
    """A population program of a committed example."""
    domain = {"burgers": DOMAIN, "poisson": "x=-1:1,y=-1:1"}[name]
    return pinnir.compile(EXAMPLES / name / "model.onnx", domain, levels=levels)


def neurons_of(graph: Graph) -> list[Node]:
    """The spiking populations of a graph, in topological order."""
    return [node for node in graph.nodes if isinstance(node.op, Neuron)]


def run_core(core: Graph, backend: Backend, x: Array) -> tuple[Array, dict[str, Array]]:
    """The core's output and every unit's spikes, ``(steps, samples, units)`` by population."""
    seen: dict[str, list[Array]] = {}

    def keep(step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, Neuron):
            seen.setdefault(node.name, []).append(value.astype(np.int8))
            assert len(seen[node.name]) == step + 1
            assert np.all(seen[node.name][-1] == value), "a spike is 0, 1 or -1"

    output = backend.load(core)(x, keep)
    return output, {name: np.stack(steps) for name, steps in seen.items()}


def same_spikes(one: dict[str, Array], other: dict[str, Array]) -> int:
    """Every unit fires in the same steps for the same samples; how many unit outputs that is."""
    assert one.keys() == other.keys()
    for name, spikes in one.items():
        different = np.argwhere(spikes != other[name])
        assert not len(different), f"{name}: {len(different)} of {spikes.size}: {different[:3]}"
    return sum(spikes.size for spikes in one.values())


def same_structure(one: Graph, other: Graph) -> None:
    """The two graphs hold the same nodes, exactly, under the same names."""
    assert (one.steps, one.read_out, one.level) == (other.steps, other.read_out, other.level)
    assert described(one) == described(other)


def described(graph: Graph) -> dict[str, object]:
    """Everything a graph holds, exactly, by node name; the input is called ``input``."""
    told: dict[str, object] = {"return": [node.name for node in graph.outputs]}
    renamed = {graph.inputs[0].name: "input"}
    for node in graph.nodes:
        if node is not graph.inputs[0]:
            operands = [renamed.get(operand.name, operand.name) for operand in node.operands]
            told[node.name] = (type(node.op).__name__, operands, node.segment, parameters(node))
    return told


def parameters(node: Node) -> dict[str, tuple[object, ...]]:
    """Shape and exact values of everything a node holds."""
    told = {}
    for name, value in vars(node.op).items():
        array = dense(value) if isinstance(value, BlockDiagonal | Copies | Decoded) else value
        if name == "bias" and not np.any(value):
            told[name] = ("zero",)
        elif isinstance(array, np.ndarray):
            told[name] = (type(value).__name__, array.shape, (array + 0.0).tobytes())
        else:
            told[name] = (value,)
    return told
