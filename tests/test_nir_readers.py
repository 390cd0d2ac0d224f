"""Programs in other hands: plain ``nir.read``, two executors that know nothing of pinnir.

One is nirtorch's graph executor under a node map of our own, the other a few lines of numpy that
walk NIR's nodes and edges and follow its documentation: in-edges are summed, ``Threshold`` fires
for ``x > threshold``. The spikes of both are compared with pinnir's, unit by unit.
"""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import nir
import numpy as np
import pytest

import pinnir
from pinnir.backends.reference import ReferenceBackend
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Graph, Node, Staircase
from pinnir.neurons import Threshold
from pinnir.numerics.matrix import Array
from pinnir.passes.calibration.calibrate_advanced import CalibrateAdvanced
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.pipelines import rate_signed, staircase
from pinnir.program.program import Program
from pinnir.search.compile import prepare
from tests.backends.networks import (
    DOMAIN,
    EXAMPLES,
    example_program,
    mlp,
    model,
    population,
    run_core,
    same_spikes,
)
from tests.helpers import compiled, one_neuron

FUNCTIONS = ("Tanh", "Sigmoid", "Relu", "Sin", "Cos")


def of(function: str, **ask) -> Program:
    network = model(mlp(11, (2, 7, 6, 2), function))
    return pinnir.compile(network, DOMAIN, strip_source=True, **ask)


def read_plainly(program: Program, folder: Path) -> nir.NIRGraph:
    """The file as any reader of NIR sees it."""
    program.save(folder / "p.nir")
    return nir.read(folder / "p.nir")


def expected(program: Program, x: Array) -> tuple[Array, dict[str, Array]]:
    """pinnir's own outputs and spikes."""
    (core,) = program.cores
    output, spikes = run_core(core, ReferenceBackend(), x)
    # The program runs in chunks, whose sums round otherwise.
    np.testing.assert_allclose(output, program.run(x).outputs, rtol=0, atol=1e-14)
    return output, spikes


# ------------------------------------------------------------------------------------- in numpy


def interpret(graph: nir.NIRGraph, x: Array, steps: int) -> tuple[list[Array], dict[str, Array]]:
    """Values of the output in every step, and all spikes ``(steps, samples, units)``.

    An edge that closes a loop brings the last step's value; everything else arrives at once. What
    NIR does not say is read from the neurons' metadata: comparison and reset.
    """
    sources: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for before, after in graph.edges:
        sources[after].append(before)
    late = loops(graph)
    order = TopologicalSorter(
        {name: [s for s in found if (s, name) not in late] for name, found in sources.items()}
    )
    names = tuple(order.static_order())
    values: dict[str, Array] = {}
    potentials: dict[str, Array] = {}
    outputs: list[Array] = []
    spikes: dict[str, list[Array]] = {}
    for _ in range(steps):
        last = dict(values)
        for name in names:
            node = graph.nodes[name]
            if isinstance(node, nir.Input):
                values[name] = x
                continue
            arriving = [values[s] for s in sources[name] if (s, name) not in late]
            recurrent = [last[s] for s in sources[name] if (s, name) in late and s in last]
            values[name] = respond(node, name, arriving, recurrent, potentials)
            if isinstance(node, nir.Threshold | nir.IF):
                spikes.setdefault(name, []).append(values[name].astype(np.int8))
        (sink,) = (name for name, node in graph.nodes.items() if isinstance(node, nir.Output))
        outputs.append(values[sink])
    return outputs, {name: np.stack(found) for name, found in spikes.items()}


def loops(graph: nir.NIRGraph) -> set[tuple[str, str]]:
    """Edges back into a neuron from what only that neuron feeds."""
    edges = set(graph.edges)
    return {
        (before, after)
        for before, after in edges
        if (after, before) in edges and isinstance(graph.nodes[after], nir.IF)
    }


def respond(
    node: nir.NIRNode,
    name: str,
    arriving: list[Array],
    recurrent: list[Array],
    potentials: dict[str, Array],
) -> Array:
    """What a node gives for the sum of what arrives, by NIR's documented equations."""
    total = sum(arriving[1:], arriving[0])
    if isinstance(node, nir.Linear):
        return total @ node.weight.T
    if isinstance(node, nir.Affine):
        return total @ node.weight.T + node.bias
    if isinstance(node, nir.Threshold):
        assert node.metadata["pinnir"]["comparison"] == ">"
        return (total > node.threshold).astype(np.float64)
    if isinstance(node, nir.IF):
        told = node.metadata["pinnir"]
        assert (told["comparison"], told["reset"], told["dt"]) == (">=", "subtract", 1.0)
        assert np.all(node.r == 1)
        potential = sum(recurrent, potentials.get(name, np.zeros(total.shape))) + total
        fired = (potential >= node.v_threshold).astype(np.float64)
        potentials[name] = potential - node.v_threshold * fired
        return fired
    assert isinstance(node, nir.Output)
    return total


@pytest.mark.parametrize("function", FUNCTIONS)
def test_population_program_in_numpy(tmp_path, function):
    program = of(function, levels=50)
    graph = read_plainly(program, tmp_path)
    x = program.domain.sample(512, 3)
    output, spikes = expected(program, x)
    (found,), fired = interpret(graph, x, steps=1)
    assert same_spikes(spikes, fired) == 512 * program.metrics["neurons"]
    np.testing.assert_allclose(found, output, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rate_program_in_numpy(tmp_path, function):
    program = of(function, coding="rate", steps=16, levels=65)
    graph = read_plainly(program, tmp_path)
    x = program.domain.sample(256, 3)
    output, spikes = expected(program, x)
    found, fired = interpret(graph, x, steps=16)
    assert same_spikes(spikes, fired) == 16 * 256 * program.metrics["neurons"]
    np.testing.assert_allclose(np.mean(found, axis=0), output, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", ["Tanh", "Sin"])
@pytest.mark.parametrize(
    "calibration",
    [None, CalibrateLight(), CalibrateAdvanced(iterations=20, rates=1)],
    ids=["none", "light", "advanced"],
)
def test_rate_program_with_feedback_in_numpy(tmp_path, function, calibration):
    """Signed neurons as pairs that hold each other back, one step later; and start units."""
    program = of(function, pipeline=rate_signed(32, calibration))
    started = [node.name for node in program.cores[0].nodes if node.name.endswith("_start")]
    assert bool(started) == (calibration is not None)
    graph = read_plainly(program, tmp_path)
    assert len(loops(graph)) >= 2
    x = program.domain.sample(256, 3)
    output, spikes = expected(program, x)
    found, fired = interpret(graph, x, steps=32)
    assert same_spikes(spikes, fired) == 32 * 256 * program.metrics["neurons"]
    np.testing.assert_allclose(np.mean(found, axis=0), output, rtol=0, atol=1e-12)


def test_the_numpy_reader_needs_the_feedback(tmp_path):
    """Without the loops other spikes come out, so the comparison above means something."""
    program = of("Tanh", pipeline=rate_signed(32))
    graph = read_plainly(program, tmp_path)
    late = loops(graph)
    cut = {edge for before, after in late for edge in ((before, after), (after, before))}
    bare = nir.NIRGraph(
        {name: node for name, node in graph.nodes.items() if not name.endswith("_feedback")},
        [edge for edge in graph.edges if edge not in cut],
    )
    x = program.domain.sample(256, 3)
    _, spikes = expected(program, x)
    _, fired = interpret(bare, x, steps=32)
    assert any(np.any(fired[name] != found) for name, found in spikes.items())


# -------------------------------------------------------------------------------------- nirtorch


def executor(graph: nir.NIRGraph) -> tuple[Callable[[Array], Array], dict[str, Array]]:
    """The graph in nirtorch under a node map of our own, and the spikes of its last run."""
    nirtorch, torch = pytest.importorskip("nirtorch"), pytest.importorskip("torch")

    class Map(torch.nn.Module):
        def __init__(self, weight: Array, bias: Array) -> None:
            super().__init__()
            self.weight, self.bias = torch.from_numpy(weight), torch.from_numpy(bias)

        def forward(self, x):
            return torch.nn.functional.linear(x, self.weight, self.bias)

    class Greater(torch.nn.Module):
        def __init__(self, threshold: Array) -> None:
            super().__init__()
            self.threshold = torch.from_numpy(threshold)

        def forward(self, x):
            return (x > self.threshold).to(x.dtype)

    node_map = {
        nir.Input: lambda node: torch.nn.Identity(),
        nir.Output: lambda node: torch.nn.Identity(),
        nir.Affine: lambda node: Map(node.weight, node.bias),
        nir.Linear: lambda node: Map(node.weight, np.zeros(len(node.weight))),
        nir.Threshold: lambda node: Greater(node.threshold),
    }
    module = nirtorch.nir_to_torch(graph, node_map)
    spikes: dict[str, Array] = {}
    for name, part in module.named_modules():
        if isinstance(part, Greater):
            part.register_forward_hook(
                lambda part, given, fired, name=name: spikes.update(
                    {name: fired.numpy().astype(np.int8)[None]}
                )
            )

    def run(x: Array) -> Array:
        with torch.no_grad():
            result = module(torch.from_numpy(x))
        return (result[0] if isinstance(result, tuple) else result).numpy()

    return run, spikes


def in_nirtorch(program: Program, folder: Path, x: Array) -> int:
    run, fired = executor(read_plainly(program, folder))
    output, spikes = expected(program, x)
    np.testing.assert_allclose(run(x), output, rtol=0, atol=1e-12)
    return same_spikes(spikes, fired)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_population_program_in_nirtorch(tmp_path, function):
    program = of(function, levels=50)
    compared = in_nirtorch(program, tmp_path, program.domain.sample(512, 3))
    assert compared == 512 * program.metrics["neurons"]


def test_burgers_in_nirtorch(tmp_path):
    program = example_program("burgers", 64)
    compared = in_nirtorch(program, tmp_path, program.domain.sample(2048, 3))
    assert compared == 2048 * program.metrics["neurons"]


# ---------------------------------------------------------- the program and its staircase network


def staircase_levels(graph: Graph, x: Array) -> dict[str, Array]:
    """Level of every neuron of a staircase network, by layer."""
    values: dict[Node, Array] = {}
    evaluate(graph, graph.bind(x), lambda step, node, value: values.update({node: value}))
    return {
        node.name: node.op.levels(values[node.operands[0]])
        for node in graph.nodes
        if isinstance(node.op, Staircase)
    }


def program_levels(core: Graph, x: Array) -> list[Array]:
    """Level of every neuron that the spikes stand for, layer by layer.

    What the populations of a group add up to; groups of neurons stand side by side.
    """
    found: dict[str, dict[str, Array]] = {}

    def collect(step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, Threshold):
            kind = "_coarse" if "_coarse" in node.name else "_fine"
            layer, _, group = node.name.partition(kind)
            groups = found.setdefault(layer, {})
            groups[group] = groups.get(group, 0) + node.op.levels(value)

    ReferenceBackend().load(core)(x, collect)
    return [np.concatenate(list(groups.values()), axis=1) for groups in found.values()]


@pytest.mark.parametrize(("name", "layers", "neurons"), [("burgers", 6, 40), ("poisson", 3, 100)])
def test_population_program_equals_its_staircase_network(name, layers, neurons):
    """Level for level, at every neuron, for ten thousand points."""
    program = example_program(name, 256)
    assert parse_pipeline(program.manifest["pipeline"])[:7] == staircase(256)
    network = prepare(EXAMPLES / name / "model.onnx", str(program.domain)).lower(staircase(256))
    x = program.domain.sample(16384, 5)[:10_000]
    for chunk in np.array_split(x, 20):
        wanted, found = staircase_levels(network, chunk), program_levels(program.cores[0], chunk)
        assert [levels.shape for levels in found] == [(500, neurons)] * layers
        for levels, (layer, exact) in zip(found, wanted.items(), strict=True):
            different = np.argwhere(levels != exact)
            assert not len(different), f"{layer}: {len(different)} levels differ"
            assert np.ptp(exact) > 100


@pytest.mark.parametrize("function", ["tanh", "sigmoid", "relu", "sin", "cos"])
def test_levels_next_to_every_boundary(function):
    """The sums of lateral synapses round: a level may come a few ulps early or late, not more."""
    graph = one_neuron(Activation(function))
    stairs = compiled(graph, "quantise-activations{levels=256}").node("act0").op
    core = compiled(graph, population(256))
    boundaries = stairs.boundaries[0][np.isfinite(stairs.boundaries[0])]
    assert boundaries.size >= 254
    for distance in (-1e-13, 1e-13):
        z = (boundaries + distance)[:, None]
        np.testing.assert_array_equal(program_levels(core, z)[0], stairs.levels(z))
