"""Functions of one column each are neurons, however they are spelled; mixed columns are none."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend import Model
from pinnir.ir.activation_bytes import function_from_bytes, function_to_bytes
from pinnir.ir.evaluate import apply_activation, evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Node, Primitive, is_elementwise
from pinnir.ir.sample_axes import layouts
from pinnir.metrics.source_cost import source_cost
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.passes.tidying.drop_identity import DropIdentity
from pinnir.passes.tidying.expansions import with_expansions
from pinnir.passes.tidying.fold_constants import FoldConstants
from pinnir.passes.tidying.followed_columns import FollowedColumns
from tests.helpers import assert_same_values, compiled, context, points
from tests.networks import Net
from tests.strategies import SEEDS

STEPS = (
    "scale",
    "shift",
    "sine",
    "bump",
    "compare",
    "choose",
    "neighbours",
    "join",
    "turn",
    "flatten",
)


class Expansion(Net):
    """A layer ``(samples, columns)`` to ``(samples, columns, functions)``, step by step."""

    def __init__(self, seed: int, columns: int) -> None:
        super().__init__(seed)
        self.size, self.turned = [columns, 1], False
        self.value = self.op("Unsqueeze", self.input("x", columns), self.whole(-1))
        self.spread("Sub", "Mul")

    def whole(self, *numbers: int) -> str:
        return self.constant(np.array(numbers))

    def fitting(self) -> Array:
        """A constant that spreads over the value in some way, or over its last dimension more."""
        shape = [1 if self.rng.random() < 0.4 else size for size in self.shape]
        return self.rng.uniform(0.5, 1.5, shape)

    @property
    def shape(self) -> list[int]:
        return self.size[::-1] if self.turned else self.size

    def spread(self, *kinds: str) -> None:
        """Constants a function: the last dimension grows if it has length one."""
        for kind in kinds:
            functions = self.size[1] if self.size[1] > 1 else int(self.rng.integers(2, 5))
            self.size[1] = functions
            self.value = self.op(kind, self.value, self.constant(self.fitting_to(functions)))

    def fitting_to(self, functions: int) -> Array:
        rows = self.size[0] if self.rng.random() < 0.5 else 1
        grid = self.rng.uniform(-1.2, 1.2, (rows, functions))
        return grid.T if self.turned else grid

    def step(self, kind: str) -> None:
        """One more operator or two."""
        v, axis = self.value, 1 if self.turned else 2
        if kind in ("scale", "shift"):
            v = self.op("Mul" if kind == "scale" else "Add", v, self.constant(self.fitting()))
        elif kind == "sine":
            v = self.op("Sin", v)
        elif kind == "bump":
            v = self.op("Exp", self.op("Neg", self.op("Mul", v, v)))
        elif kind == "compare":
            inside = self.op("And", self.op("Greater", v, -0.5), self.op("Less", v, 0.7))
            v = self.op("Mul", v, self.op("Cast", inside, to=self.kind))
        elif kind == "choose":
            v = self.op("Where", self.op("Less", v, 0.1), self.constant(self.fitting()), v)
        elif kind == "neighbours" and self.size[1] > 1:
            last = self.size[1] - 1
            pair = [
                self.op("Slice", v, self.whole(a), self.whole(a + last), self.whole(axis))
                for a in (0, 1)
            ]
            self.size[1] = last
            v = self.op("Mul" if self.rng.random() < 0.5 else "Add", *pair)
        elif kind == "join":
            v = self.op("Concat", self.op("Tanh", v), v, axis=axis)
            self.size[1] *= 2
        elif kind == "turn":
            v = self.op("Transpose", v, perm=[0, 2, 1])
            self.turned = not self.turned
        elif kind == "flatten":
            flat = self.op("Tanh", self.op("Reshape", v, self.whole(0, -1)))
            v = self.op("Reshape", flat, self.whole(-1, *self.shape))
        self.value = v

    def mix(self) -> None:
        """Every entry gets those of the other columns as a factor."""
        axis = self.whole(2 if self.turned else 1)
        mean = self.op("ReduceMean", self.value, axis, keepdims=1)
        self.value = self.op("Mul", self.value, self.op("Cos", mean))

    def end(self, outputs: int = 2) -> Model:
        """A linear map in one of two spellings, then a layer of another kind."""
        functions = int(np.prod(self.size))
        if self.rng.random() < 0.5:
            coefficients = self.constant(self.rng.normal(size=(*self.shape, outputs)))
            table = self.op("Einsum", self.value, coefficients, equation="nab,abo->no")
        else:
            flat = self.op("Reshape", self.value, self.whole(-1, functions))
            weight = self.constant(self.rng.normal(size=(functions, outputs)))
            table = self.op("MatMul", flat, weight)
        return self.model(self.dense(self.op("Tanh", table), outputs, 1))


@st.composite
def expansions(draw: st.DrawFn, *, mixed: bool = False) -> Model:
    net = Expansion(draw(SEEDS), draw(st.integers(2 if mixed else 1, 3)))
    # A table of mixed values would be one whose columns may be followed in turn.
    kinds = [kind for kind in STEPS if not (mixed and kind == "flatten")]
    steps = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    for number, step in enumerate(steps):
        if mixed and number == len(steps) // 2:
            net.mix()
        net.step(step)
    net.step("bump")
    return net.end()


def folded(graph: Graph) -> Graph:
    for one in (FoldConstants(), DropIdentity()):
        graph = one.apply(graph, context(graph))
    return graph


def neurons(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if isinstance(n.op, Activation) and ":neurons" in n.name]


@given(model=expansions())
def test_every_expansion_is_neurons_between_maps(model):
    before = folded(model.graph)
    after = with_expansions(before)
    at = points(before, 40, 1)
    assert_same_values(before, after, at, tolerance=1e-12)
    (truth,) = OnnxRunner(model.data)([at])
    np.testing.assert_allclose(evaluate(after, after.bind(at))[0], truth, atol=1e-9)
    assert neurons(after)
    tidy = compiled(model.graph, pipelines.SPLIT)
    assert all(n.in_core for n in tidy.nodes if n.operands)
    assert source_cost(tidy).core_mac_share == 1


@given(model=expansions(mixed=True))
def test_columns_that_mix_are_no_neurons(model):
    before = folded(model.graph)
    after = with_expansions(before)
    assert not neurons(after)
    assert_same_values(before, after, points(before, 40, 1), tolerance=0)


@given(model=expansions(), seed=SEEDS)
def test_entries_follow_their_columns_and_no_others(model, seed):
    """A function of the columns gives the value, and the program's file keeps it."""
    graph, rng = folded(model.graph), np.random.default_rng(seed)
    followed = FollowedColumns(graph, layouts(graph))
    at, seen = points(graph, 9, seed % 1000), {}
    evaluate(graph, graph.bind(at), lambda step, node, value: seen.update({node: value}))
    seen |= dict(zip(graph.inputs, [at], strict=True))
    known = [node for node in graph.nodes if node in followed]
    for node in (known[-1], known[int(rng.integers(len(known)))]):
        told = followed[node]
        value = seen[node].reshape(len(at), -1)
        entries = rng.permutation(told.columns.size)[:5]
        z = seen[told.table][:, np.maximum(told.columns[entries], 0)]
        body = followed.function(node, entries)
        assert all(is_elementwise(one) for one in body.nodes if isinstance(one.op, Primitive))
        (found,) = evaluate(body, {"z": z})
        np.testing.assert_array_equal(np.broadcast_to(found, z.shape), value[:, entries])


@given(model=expansions())
def test_a_file_keeps_the_functions(model):
    graph = compiled(model.graph, pipelines.TIDY)
    for node in graph.nodes:
        if isinstance(node.op, Activation):
            columns = node.operands[0].op_as(Affine).bias.size
            z = np.random.default_rng(0).uniform(-2, 2, (20, columns))
            kept = function_from_bytes(function_to_bytes(node.op))
            np.testing.assert_array_equal(apply_activation(kept, z), apply_activation(node.op, z))


def test_networks_for_several_samples_stay():
    """The last two rows are written, of which one sample has one."""
    net = Net(0)
    x = net.input("x", 2)
    wide = net.op("Sin", net.op("Unsqueeze", x, net.constant(np.array([-1]))))
    ones = net.constant(np.ones((2, 2)))
    rows = net.constant(np.array([[-2], [-1]]))
    written = net.op("ScatterND", net.op("Abs", net.op("Sign", net.op("Exp", x))), rows, ones)
    graph = net.model(wide, written).graph
    assert with_expansions(graph) is graph


def test_networks_of_tables_stay():
    net = Net()
    model = net.model(net.mlp(net.input("x", 2), (2, 4, 1)))
    assert with_expansions(model.graph) is model.graph


def test_fewest_neurons():
    """Scaled and joined functions are one neuron a function; so is a sum of two."""
    net = Net()
    wide = net.op("Unsqueeze", net.input("x", 2), net.constant(np.array([2])))
    grid = net.constant(np.linspace(0.5, 2, 4))
    sines = net.op("Sin", net.op("Mul", wide, grid))
    both = net.op("Add", sines, net.op("Mul", net.op("Cos", wide), sines))
    edges = net.op("Mul", net.op("Unsqueeze", both, net.constant(np.array([1]))), 0.5)
    spread = net.op("Mul", edges, net.constant(net.rng.normal(size=(1, 3, 2, 4))))
    model = net.model(net.op("ReduceSum", spread, net.constant(np.array([2, 3])), keepdims=0))
    after = with_expansions(model.graph)
    (layer,) = neurons(after)
    assert [type(n.op) for n in after.nodes] == [Input, Affine, Activation, Affine]
    assert layer.operands[0].op_as(Affine).bias.size == 8
