"""Images, patches and attention as tables: values stay, neurons of several values follow."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
from onnx import helper

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.codings.signgd import SignGradientCoding
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, kind_of
from pinnir.ir.sample_axes import has_features, layouts, separate_axes
from pinnir.neurons import SignGradient
from pinnir.passes import pipelines
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.tidying.flatten_features import FlattenFeatures
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import PassManager
from tests.helpers import context, core_graph, onnx_model, points, relative_error

PIPELINE = pipelines.SPLIT_FEATURES + pipelines.GATHER


class Attention(nn.Module):
    """Softmax attention of 3 tokens of 4 columns in two heads, and a perceptron behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.back = nn.Linear(4, 12), nn.Linear(4, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(-1, 3, 4)
        q, k, v = self.mix(tokens).reshape(-1, 3, 3, 2, 2).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) / 2**0.5, dim=-1)
        mixed = self.back((weights @ v).transpose(1, 2).reshape(-1, 3, 4))
        return self.head(self.norm(tokens + mixed).reshape(-1, 12))


class Pooled(nn.Module):
    """Convolutions, both poolings, and a largest value."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 2, groups=2, stride=2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        image = torch.relu(self.first(x.reshape(-1, 1, 8, 8)))
        image = nn.functional.max_pool2d(image, 3, 2, padding=1)
        image = torch.sigmoid(self.second(image))
        both = [image.flatten(2).amax(-1), nn.functional.avg_pool2d(image, 2).flatten(1)]
        return self.head(torch.cat(both, dim=1))


class Spread(nn.Module):
    """Broadcasting, quotients, norms, a logarithm of softmax, and a stack that starts elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(2, 6), nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 3))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.embed(x.reshape(-1, 3, 2)).transpose(0, 1)
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        unit = rows / (length + 1)
        gate = torch.exp(unit.square().sum(dim=-1, keepdim=True)) * self.scale[:, None, None]
        mixed = torch.log_softmax((unit * gate).transpose(0, 1), dim=1) - unit.transpose(0, 1)
        return self.head(mixed.amin(dim=1))


NETWORKS = {"attention": (Attention, 12), "pooled": (Pooled, 64), "spread": (Spread, 6)}


def network(name: str) -> Graph:
    module, columns = NETWORKS[name]
    torch.manual_seed(0)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module().eval(),
            (torch.zeros(3, columns),),
            file,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
            opset_version=18,
            dynamo=False,
        )
    return separate_axes(import_bytes(file.getvalue()).graph)


def gathered(graph: Graph) -> tuple[Graph, Context]:
    given = context(graph, 96, target=TARGETS["programmable"])
    return PassManager(PIPELINE).run(graph, given), given


@pytest.mark.parametrize("name", NETWORKS)
def test_values_stay(name):
    before = network(name)
    assert has_features(before)
    at = points(before, 17, 1)
    (expected,) = evaluate(before, before.bind(at))
    folded = PassManager(parse_pipeline("fold-constants,drop-identity")).run(
        before, context(before)
    )
    flat = FlattenFeatures().apply(folded, context(before))
    assert not has_features(flat)
    for after in (flat, gathered(before)[0]):
        (found,) = evaluate(after, after.bind(at))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_core_of_maps_and_activations(name):
    graph, _ = gathered(network(name))
    assert list(graph.segments) == ["core.1"]
    assert {type(n.op) for n in graph.segments["core.1"]} == {Affine, Activation}


def test_operations_of_the_paper():
    """Products, exponentials, quotients, inverse roots, maxima: one neuron each."""
    told = {
        (n.op.function, n.op.arguments)
        for name in NETWORKS
        for n in gathered(network(name))[0].nodes
        if isinstance(n.op, Activation)
    }
    assert {("mul", 2), ("div", 2), ("max", 3), ("max", 9), ("min", 3)} <= told


@pytest.mark.parametrize("name", NETWORKS)
def test_neurons_follow(name):
    graph, given = gathered(network(name))
    lowered = Lower(SignGradientCoding(decay=0.7, delay=4.0), 48).apply(graph, given)
    assert lowered.streamed is None
    assert any(isinstance(n.op, SignGradient) and n.op.columns > n.op.units for n in lowered.nodes)
    assert relative_error(graph, lowered, given.calibration) <= 1e-2


def test_tables_are_left_alone():
    graph = core_graph(0, (2, 4, 1), ("tanh",))
    assert not has_features(graph)
    after = FlattenFeatures().apply(graph, context(graph))
    assert [n.name for n in after.nodes] == [n.name for n in graph.nodes]


def refusal(nodes: list[onnx.NodeProto], **weights: np.ndarray) -> str:
    graph = import_bytes(onnx_model(nodes, weights).SerializeToString()).graph
    with pytest.raises(LegalizeError) as caught:
        FlattenFeatures().apply(graph, context(graph))
    return str(caught.value).partition("\n")[0]


def test_refusals():
    spread = helper.make_node("Unsqueeze", ["x", "axes"], ["z"], "spread")
    axes = np.array([2])
    assert refusal([spread, helper.make_node("Identity", ["z"], ["y"])], axes=axes).endswith(
        "is an output of 3 dimensions"
    )
    product = helper.make_node("ReduceProd", ["z", "axes"], ["y"], "product", keepdims=0)
    assert refusal([spread, product], axes=axes) == (
        "ReduceProd 'product': has no form on columns that neurons could follow"
    )


def test_a_product_of_a_value_with_itself_is_no_map():
    """It is linear in each of two operands, but not where both are the same."""
    nodes = [
        helper.make_node("Reshape", ["x", "square"], ["s"]),
        helper.make_node("MatMul", ["s", "s"], ["p"], "product"),
        helper.make_node("Reshape", ["p", "row"], ["y"]),
    ]
    weights = {"square": np.array([-1, 2, 2]), "row": np.array([-1, 4])}
    proto = onnx_model(nodes, weights, inputs={"x": (None, 4)})
    graph = import_bytes(proto.SerializeToString()).graph
    after = FlattenFeatures().apply(graph, context(graph))
    at = points(graph, 9, 1)
    (expected,), (found,) = evaluate(graph, graph.bind(at)), evaluate(after, after.bind(at))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_every_sample_of_a_flattened_value_stands_first():
    """Values with samples in the middle, as between two transpositions, are tables all the same."""
    graph = network("spread")
    shapes = layouts(graph).values()
    assert any(isinstance(shape[1], tuple) for shape in shapes if len(shape) > 1)
    kinds = {kind_of(node) for node in gathered(graph)[0].nodes}
    assert "Transpose" not in kinds
