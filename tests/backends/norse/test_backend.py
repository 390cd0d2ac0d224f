"""The Norse backend fires every spike that the reference fires."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("norse")
import torch

from pinnir.backends.norse import layers
from pinnir.backends.norse.backend import IntegrateFire, NorseBackend, ThresholdCell
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.errors import BackendError
from pinnir.base.targets import TARGETS
from pinnir.codings.signgd import SignGradientCoding
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Neuron, Node
from pinnir.neurons import IF, HardResetIF, Threshold
from pinnir.numerics.matrix import Array, BlockDiagonal, dense
from tests.backends.networks import (
    RATE,
    SIGNED_RATE,
    example_program,
    neurons_of,
    population,
    run_core,
    same_spikes,
    small_program,
)
from tests.helpers import compiled, context, core_graph, points
from tests.strategies import SEEDS, core_graphs

REFERENCE, NORSE = ReferenceBackend(), NorseBackend()


def same(core: Graph, x: Array) -> int:
    """Outputs and all spikes agree; returns how many unit outputs were compared."""
    expected, spikes = run_core(core, REFERENCE, x)
    output, found = run_core(core, NORSE, x)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12 * max(1, abs(expected).max()))
    return same_spikes(spikes, found)


# ------------------------------------------------------------------------------------- programs


@given(graph=core_graphs(), seed=SEEDS, levels=st.integers(2, 100))
def test_population_programs(graph, seed, levels):
    core = compiled(graph, population(levels), seed)
    assert same(core, points(core, 100, seed % 1000)) > 0


@given(graph=core_graphs(), seed=SEEDS)
def test_rate_programs(graph, seed):
    core = compiled(graph, RATE, seed)
    assert same(core, points(core, 100, seed % 1000)) > 0


@given(graph=core_graphs(("tanh", "sin")), seed=SEEDS)
def test_rate_programs_of_signed_neurons(graph, seed):
    core = compiled(graph, SIGNED_RATE, seed)
    assert any(node.op.feedback is not None for node in neurons_of(core))
    assert same(core, points(core, 100, seed % 1000)) > 0


@given(graph=core_graphs(), seed=SEEDS)
@settings(max_examples=10)
def test_rate_programs_with_hard_reset(graph, seed):
    hard = RATE.replace("legalise", "hard-reset{points=64},legalise")
    assert hard != RATE
    core = compiled(graph, hard, seed)
    assert any(isinstance(node.op, HardResetIF) for node in core.nodes)
    assert same(core, points(core, 100, seed % 1000)) > 0


@pytest.mark.parametrize("calibrate", ["calibrate-light", "calibrate-advanced{iterations=20}"])
def test_rate_programs_with_initial_potentials(calibrate):
    graph = core_graph(1, (2, 6, 5, 1), ("tanh", "sin"))
    core = compiled(graph, SIGNED_RATE.replace("legalise", f"{calibrate},legalise"))
    assert any(node.name.endswith("_start") for node in neurons_of(core))
    assert same(core, points(core, 100, 1)) > 0


@given(graph=core_graphs(), seed=SEEDS)
def test_sign_gradient_programs(graph, seed):
    given = context(graph, target=TARGETS["programmable"])
    core = SignGradientCoding(decay=0.7, delay=1.5).lower(graph, given, 12)
    assert core is not None
    assert same(core, points(core, 100, seed % 1000)) > 0


def test_burgers():
    """Ten thousand points through every one of the example's units."""
    program = example_program("burgers", 64)
    (core,) = program.cores
    x = program.domain.sample(16384, 7)[:10_000]
    compared = sum(same(core, chunk) for chunk in np.array_split(x, 8))
    assert compared == 10_000 * program.metrics["neurons"]


@pytest.mark.parametrize("coding", ["population", "rate", "signgd"])
def test_through_the_program(coding):
    program = small_program(coding)
    x = program.domain.sample(256, 1)
    expected, found = program.run(x), program.run(x, "norse")
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=1e-13)
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)
    assert found.layers == expected.layers
    assert found.metrics["synops"] == expected.metrics["synops"]
    assert found.metrics["backend"] == "norse"


@pytest.mark.parametrize("coding", ["population", "rate", "signgd"])
def test_blocks_of_points(coding, monkeypatch):
    """Memory that one block leaves to the next one holds nothing that is still wanted."""
    monkeypatch.setattr(layers, "_NUMBERS", 1)
    test_through_the_program(coding)


# --------------------------------------------------------------------------------- the two cells


def both_cells(op: IF) -> Callable[[Array], tuple[Array, Array, Array, Array]]:
    """Steps both; returns the reference's spikes and potential, then Norse's."""
    cell = IntegrateFire(op, torch.float64)
    state, other = op.initial_state(1), None

    def step(current: Array) -> tuple[Array, Array, Array, Array]:
        nonlocal state, other
        spikes, state = op.step(state, current[None])
        with torch.no_grad():
            fired, other = cell(torch.as_tensor(current[None]), other)
        return spikes[0], state[0][0], fired.numpy()[0], other[0].v.numpy()[0]

    return step


def awkward(rng: np.random.Generator, potential: Array, threshold: Array) -> Array:
    """Currents that provoke roundings: ties, thresholds met exactly, nothing, far too much."""
    ulp = np.spacing(np.abs(potential))
    missing = threshold - potential
    shape = potential.shape
    random = [rng.normal(size=shape), rng.integers(-64, 65, shape) / 64]
    met = [missing, np.nextafter(missing, -np.inf), np.nextafter(missing, np.inf)]
    parts = (1 / 2, -1 / 2, 1 / 4, -1 / 4, 1.5, 0.5000001, 0.4999999)
    ties = [part * ulp for part in parts]
    little = [np.zeros(shape), np.full(shape, 5e-324), -threshold]
    scaled = [scale * rng.normal(size=shape) for scale in (1e-300, 1e-9, 1e6)]
    kinds = np.stack([*random, *met, *ties, *little, *scaled, -potential])
    return kinds[rng.integers(len(kinds), size=potential.shape), np.arange(potential.size)]


FEEDBACK = BlockDiagonal(np.tile([[0.0, 1.0], [1 / 3, -0.1]], (32, 1, 1)))


@pytest.mark.parametrize("feedback", [None, FEEDBACK], ids=["alone", "feedback"])
@pytest.mark.parametrize("seed", range(3))
def test_integrate_and_fire_cell_is_exact(seed, feedback):
    """A thousand steps: the same spikes and, bit for bit, the same membrane potentials."""
    rng = np.random.default_rng(seed)
    threshold = rng.uniform(0.01, 3, 64)
    threshold[:6] = [1.0, 0.5, 1 / 3, 1e-9, 1e9, 2.0**-40]
    step = both_cells(IF(threshold, feedback=feedback))
    potential = np.zeros(64)
    fired = 0
    for number in range(1000):
        spikes, potential, found, membrane = step(awkward(rng, potential, threshold))
        np.testing.assert_array_equal(found, spikes, err_msg=f"step {number}")
        np.testing.assert_array_equal(membrane, potential, err_msg=f"step {number}")
        fired += spikes.sum()
    assert 5_000 < fired < 60_000


def test_integrate_and_fire_cell_at_ties():
    """Half a unit in the last place on top of an odd potential rounds to even, upwards."""
    step = both_cells(IF(np.array([10.0])))
    step(np.array([1 + 2.0**-52]))
    _, potential, _, membrane = step(np.array([2.0**-53]))
    assert potential == 1 + 2.0**-51
    assert membrane == potential


def test_integrate_and_fire_cell_forgets_nothing():
    """Without input the membrane keeps its potential: the leak is lost in rounding."""
    step = both_cells(IF(np.full(3, 10.0)))
    start = np.array([1 / 3, -7.7, 9.999])
    step(start)
    for _ in range(1000):
        _, potential, _, membrane = step(np.zeros(3))
    np.testing.assert_array_equal(potential, start)
    np.testing.assert_array_equal(membrane, start)


def test_threshold_cell_is_exact():
    threshold = np.array([0.0, 1.0, -1.0, 1 / 3, 5e-324, -5e-324, 1e300, np.inf])
    count = threshold.size
    op = Threshold(threshold, np.ones(count, np.int32), np.zeros(count, np.int32))
    cell = ThresholdCell(op, torch.float64)
    above, below = np.nextafter(threshold[:-1], np.inf), np.nextafter(threshold[:-1], -np.inf)
    for current in (threshold[:-1], above, below, np.zeros(count - 1), np.full(count - 1, -1e308)):
        given_ = np.append(current, 1e308)[None]
        with torch.no_grad():
            fired, state = cell(torch.as_tensor(given_), None)
        np.testing.assert_array_equal(fired.numpy(), op.step((), given_)[0])
        assert state is None


# --------------------------------------------------------------------------------------- float32


def unexplained(core: Graph, x: Array, wanted: dict[str, Array], found: dict[str, Array]) -> int:
    """Differing unit outputs that rounding to float32 cannot cause.

    A sum of n products, weights and inputs rounded first, is off by at most (n + 4) u times the
    sum of the magnitudes, u = 2^-24; a unit may differ if its float64 input is as close as that
    to its threshold, or if an earlier unit differed for the same sample.
    """
    values: dict[Node, Array] = {}
    evaluate(core, core.bind(x), lambda step, node, value: values.update({node: value}))
    magnitude = {core.inputs[0]: np.abs(x)}
    terms = {core.inputs[0]: 0}
    spoiled = np.zeros(len(x), bool)
    count = 0
    for node in core.nodes[1:]:
        total = sum(magnitude[operand] for operand in node.operands)
        depth = max(terms[operand] for operand in node.operands) + len(node.operands)
        if isinstance(node.op, Affine):
            weight = np.abs(dense(node.op.weight))
            magnitude[node] = total @ weight.T + np.abs(node.op.bias)
            terms[node] = depth + int((weight != 0).sum(axis=1).max()) + 4
            continue
        assert isinstance(node.op, Threshold)
        magnitude[node], terms[node] = np.abs(values[node]), 0
        current = sum(values[operand] for operand in node.operands)
        slack = 2.0**-24 * (depth * total + np.abs(node.op.threshold))
        different = wanted[node.name][0] != found[node.name][0]
        close = np.abs(current - node.op.threshold) <= slack
        count += int((different & ~close & ~spoiled[:, None]).sum())
        spoiled |= different.any(axis=1)
    return count


def differences(wanted: dict[str, Array], found: dict[str, Array]) -> int:
    return sum(int((spikes != found[name]).sum()) for name, spikes in wanted.items())


@pytest.mark.parametrize("seed", range(4))
def test_float32_on_the_thresholds(seed):
    """Inputs that meet thresholds: float32 often decides otherwise, and only there."""
    core = compiled(core_graph(seed, (1, 6, 5, 1), ("tanh", "sin")), population(60))
    first, coarse = core.node("affine0").op, core.node("act0_coarse").op
    signs = core.node("act0_coarse_in").op.weight.blocks[:, :, 0]
    met = coarse.threshold.reshape(signs.shape) * signs
    x = ((met - first.bias[:, None]) / first.weight).reshape(-1, 1)
    x = np.concatenate([x[np.abs(x[:, 0]) < 3], points(core, 200, seed)])
    _, wanted = run_core(core, REFERENCE, x)
    _, found = run_core(core, NorseBackend(torch.float32), x)
    count = differences(wanted, found)
    assert 0 < count < 0.02 * sum(spikes.size for spikes in wanted.values())
    assert unexplained(core, x, wanted, found) == 0


def test_float32_on_the_burgers_example():
    program = example_program("burgers", 64)
    (core,) = program.cores
    x = program.domain.sample(2048, 8)
    _, wanted = run_core(core, REFERENCE, x)
    _, found = run_core(core, NorseBackend(torch.float32), x)
    assert differences(wanted, found) < 1e-4 * x.shape[0] * program.metrics["neurons"]
    assert unexplained(core, x, wanted, found) == 0


def test_float32_is_checked_by_something_that_can_fail():
    """A unit that fires differently far from its threshold is noticed."""
    core = compiled(core_graph(0, (2, 5, 1), ("tanh",)), population(20))
    x = points(core, 50, 0)
    _, wanted = run_core(core, REFERENCE, x)
    wrong = {name: spikes.copy() for name, spikes in wanted.items()}
    wrong["act0_coarse"][0, :, 2] ^= 1
    assert unexplained(core, x, wanted, wrong) > 40


@settings(max_examples=20)
@given(graph=core_graphs(("tanh", "sigmoid")), seed=SEEDS)
def test_float32_rate_outputs_stay_close(graph, seed):
    """A spike may come a step earlier or later, which moves the mean by one level or so."""
    core = compiled(graph, RATE, seed)
    x = points(core, 50, seed % 1000)
    expected, _ = run_core(core, REFERENCE, x)
    output, _ = run_core(core, NorseBackend(torch.float32), x)
    assert np.mean(np.abs(output - expected) > 1e-4) < 0.1


# ------------------------------------------------------------------------------- what it refuses


def small_core(op: Neuron | Activation) -> Graph:
    x = Node("input", Input(1))
    first = Node("first", Affine(np.ones((1, 1)), np.zeros(1)), (x,), "core.1")
    middle = Node("middle", op, (first,), "core.1")
    last = Node("last", Affine(np.ones((1, 1)), np.zeros(1)), (middle,), "core.1")
    return Graph(Level.SPIKING, (x,), (last,), 4, "mean")


@pytest.mark.parametrize(
    "op", [IF(np.ones(1), signed=True), IF(np.ones(1), bias=np.ones(1)), Activation("tanh")]
)
def test_what_norse_has_not(op):
    with pytest.raises(BackendError) as caught:
        NORSE.load(small_core(op))
    assert str(caught.value) == (
        f"{type(op).__name__} 'middle': Norse has no such neuron\nhint: compile with --target norse"
    )


def test_read_out_of_the_last_step():
    core = small_core(IF(np.ones(1)))
    last = Graph(core.level, core.inputs, core.outputs, 4, "last")
    x = np.array([[0.3], [0.5], [1.0]])
    for graph in (core, last):
        same(graph, x)
    np.testing.assert_array_equal(run_core(core, NORSE, x)[0], [[0.25], [0.5], [1.0]])
    np.testing.assert_array_equal(run_core(last, NORSE, x)[0], [[1.0], [1.0], [1.0]])
