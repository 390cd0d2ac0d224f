"""Stock variants of cores of all kinds equal the oracle, whatever readers do differently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnir
from pinnir.backends.nir.network import stock_program
from pinnir.backends.nir.stock.stock import Stock, stock
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Graph, Input, Level, Node
from pinnir.neurons import IF
from pinnir.neurons.start_units import START
from pinnir.numerics.matrix import BlockDiagonal
from pinnir.passes import pipelines
from tests.backends.networks import DOMAIN, RATE, mlp, model, population
from tests.backends.nir.simulated import Habits, compared
from tests.helpers import CORE, FUNCTIONS, compiled, core_graph, points, residual_core
from tests.networks import family

SIGNED = pipelines.rate_signed(8, None)
LONG_RATE = (
    "split-thresholds{units=3},quantise-activations{levels=33},lower{coding=rate,steps=32},legalise"
)
HABITS = [Habits(), Habits(inclusive=True, order=1), Habits(np.float64, order=2)]


def units(core: Stock) -> int:
    return sum(rows.stop - rows.start for s in core.chain.stages for rows in s.populations.values())


def assert_equal(core: Stock, x: np.ndarray, habits: Habits) -> None:
    found = compared(core, core.rounded.points(x), habits)
    steps = 1 if core.chain.settles else core.chain.steps
    assert found.events == units(core) * steps * len(x)
    assert found.equal, found


@pytest.mark.parametrize("habits", HABITS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_population_cores(function, habits):
    graph = core_graph(0, (2, 7, 6, 1), (function,) * 2)
    core = stock(compiled(graph, population(40)), np.ones(2))
    assert core.chain.settles
    # Coarse spikes reach the fine units of each of the two layers one step later.
    assert (len(core.chain.stages), core.chain.steps) == (2, 3)
    assert_equal(core, points(graph, 64, 1), habits)


@pytest.mark.parametrize("habits", HABITS)
@pytest.mark.parametrize("pipeline", [RATE, LONG_RATE])
def test_rate_cores(pipeline, habits):
    graph = core_graph(1, (2, 6, 5, 1), ("tanh", "sin"))
    core = stock(compiled(graph, pipeline), np.ones(2))
    assert not core.chain.settles
    assert_equal(core, points(graph, 64, 1), habits)


@given(seed=st.integers(0, 99), levels=st.integers(2, 90), width=st.integers(1, 6))
@settings(max_examples=15)
def test_random_population_cores(seed, levels, width):
    graph = core_graph(seed, (2, width, 4, 2), ("tanh", "sin"))
    assert_equal(
        stock(compiled(graph, population(levels)), np.ones(2)), points(graph, 32, seed), Habits()
    )


ASKED = ({"levels": 12}, {"coding": "rate", "steps": 6, "levels": 13}, {"pipeline": SIGNED})
FAMILIES = ("pfnn", "resnet", "modified_mlp", "spinn", "mionet")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("ask", ASKED)
def test_families(name, ask):
    program = pinnir.compile(family(name), "-1:1", strip_source=True, **ask)
    stocks = stock_program(program)
    _, entering = stocks.run(program.domain.sample(16, 2))
    assert stocks.cores.keys() == entering.keys()
    for label, core in stocks.cores.items():
        assert_equal(core, entering[label], Habits())


def test_the_input_may_reach_any_layer_of_a_population_core():
    core = stock(compiled(residual_core(), population(20)), np.ones(2))
    assert len(core.chain.stages) == 1
    assert_equal(core, points(residual_core(), 64, 1), Habits())


def test_spikes_that_skip_a_layer_of_a_rate_core_are_relayed():
    program = pinnir.compile(family("resnet"), "-1:1", coding="rate", steps=6, levels=13)
    (core,) = stock_program(program).cores.values()
    assert [len(stage.relays) for stage in core.chain.stages] == [0, 1, 0, 1, 0]


def test_a_rate_core_whose_input_reaches_a_later_layer_is_refused():
    with pytest.raises(LegalizeError) as caught:
        stock(compiled(residual_core(), RATE), np.ones(2))
    assert str(caught.value) == (
        "IF 'act1': reads the core's input behind other neurons, and no unit repeats real numbers\n"
        "hint: compile with --coding population"
    )


def test_signed_neurons_are_refused():
    names = [one.name for one in SIGNED]
    of_cores = SIGNED[names.index("split-host") + 1 : -1]
    graph = compiled(core_graph(0, (2, 3, 1), ("tanh",)), of_cores)
    with pytest.raises(LegalizeError, match="signed neuron\nhint: run the pass split-signs first"):
        stock(graph, np.ones(2))


def test_streamed_programs_are_written_as_population_programs():
    program = pinnir.compile(
        model(mlp()), DOMAIN, target="programmable", pipeline=pipelines.delta(16)
    )
    (core,) = stock_program(program).cores.values()
    assert core.chain.settles
    with pytest.raises(LegalizeError, match="no NIR reader has such a neuron"):
        stock(program.running[0], np.ones(2))


def test_an_input_around_all_neurons_is_refused():
    inner = compiled(core_graph(0, (1, 2, 1), ("tanh",)), population(4))
    around = Node("around", Affine(np.eye(1), np.zeros(1)), inner.inputs, CORE)
    sink = Node("sum", Affine(np.eye(1), np.zeros(1)), (*inner.outputs, around), CORE)
    graph = Graph(Level.SPIKING, inner.inputs, (sink,))
    with pytest.raises(LegalizeError, match="goes around all neurons"):
        stock(graph, np.ones(1))


def constant_core(feedback: float) -> Graph:
    """A unit that a constant drives, behind it one that the input drives as well."""
    x = Node("x", Input(1))
    first = Node("c_in", Affine(np.zeros((1, 1)), np.ones(1)), (x,), CORE)
    loop = BlockDiagonal(np.full((1, 1, 1), feedback))
    constant = Node("c", IF(np.ones(1), feedback=loop), (first,), CORE)
    start = Node(f"n{START}", Affine(np.full((1, 1), 0.5), np.zeros(1)), (constant,), CORE)
    entry = Node("n_in", Affine(np.ones((1, 1)), np.zeros(1)), (x,), CORE)
    unit = Node("n", IF(np.ones(1)), (entry, start), CORE)
    sink = Node("out", Affine(np.ones((1, 1)), np.zeros(1)), (unit,), CORE)
    return Graph(Level.SPIKING, (x,), (sink,), steps=4, read_out="mean")


def test_a_unit_that_fires_in_the_first_step_becomes_a_clock():
    core = stock(constant_core(-5.0), np.ones(1))
    (stage,) = core.chain.stages
    assert (stage.units, list(stage.populations)) == (2, ["n"])
    assert_equal(core, np.linspace(-1, 1, 33)[:, None], Habits())


def test_a_unit_that_a_constant_drives_otherwise_is_refused():
    with pytest.raises(LegalizeError, match="'c': is driven by a constant, but does not fire in"):
        stock(constant_core(0.0), np.ones(1))


def without(core: Graph, name: str) -> Graph:
    """A core one of whose maps brings nothing."""
    return core.rewrite(
        lambda node: (
            node.with_op(Affine(np.zeros(node.op.weight.shape), node.op.bias))
            if node.name.startswith(name)
            else node
        )
    )


@pytest.mark.parametrize("pipeline", [population(12), RATE])
def test_maps_that_bring_nothing(pipeline):
    graph = core_graph(4, (2, 5, 4, 1), ("tanh", "tanh"))
    core = without(compiled(graph, pipeline), "affine1__act0_fine")
    assert_equal(stock(core, np.ones(2)), points(graph, 32, 0), Habits())
    with pytest.raises(LegalizeError, match="'affine2': does not depend on any neuron"):
        stock(without(core, "affine2"), np.ones(2))
