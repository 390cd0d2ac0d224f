"""Streamed forms equal their staircase network, level for level, whatever the order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.ir.evaluate import evaluate, preactivations
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Node, Staircase
from pinnir.neurons import Delta, Phase
from pinnir.neurons.programmable import LevelNeuron
from pinnir.numerics.matrix import Array
from pinnir.program.streamed_cores import DeltaStream, PhaseStream, held_between
from tests.helpers import CORE, compiled, core_graph, points, residual_core
from tests.strategies import SEEDS, core_graphs

WHOLE = "quantise-activations{levels=%d},fixed-point"


def lowered(graph: Graph, coding: str, levels: int, options: str = "") -> tuple[Graph, Graph]:
    """The staircase network in fixed point, and its streamed form."""
    rounded = compiled(graph, WHOLE % levels)
    spiking = compiled(graph, f"{WHOLE % levels},lower{{coding={coding}{options}}}")
    assert spiking.streamed is not None
    return rounded, spiking.streamed


def staircase_levels(graph: Graph, x: Array) -> dict[str, Array]:
    found = {}
    for name, z in preactivations(graph, graph.bind(x)).items():
        op = graph.node(name).op
        assert isinstance(op, Staircase)
        found[name] = op.levels(z)
    return found


def delta_levels(core: Graph, x: Array, lines: int, pieces: int = 1) -> dict[str, Array]:
    """Levels added up from the events alone, by population."""
    stream = DeltaStream(core, lines)
    seen: dict[str, list[Array]] = {}
    cuts = [part * lines for part in np.linspace(0, len(x) // lines, pieces + 1).astype(int)[1:-1]]
    for part in np.split(x, cuts):
        if len(part):
            stream(part, lambda _, node, value: seen.setdefault(node.name, []).append(value))
    found = {}
    for name, parts in seen.items():
        events = np.concatenate(parts)
        total = np.stack([np.cumsum(events[line::lines], axis=0) for line in range(lines)], axis=1)
        op = core.node(name).op
        assert isinstance(op, LevelNeuron)
        found[name] = total.reshape(events.shape) + op.staircase.base
    return found


def phase_levels(core: Graph, x: Array) -> dict[str, Array]:
    """Levels that the digits say, by population."""
    seen: dict[str, Array] = {}

    def keep(step: int, node: Node, digits: Array) -> None:
        seen[node.name] = 2 * seen.get(node.name, np.zeros_like(digits)) + digits

    PhaseStream(core)(x, keep)
    bases = {n.name: n.op.staircase.base for n in core.nodes if isinstance(n.op, LevelNeuron)}
    return {name: level + bases[name] for name, level in seen.items()}


def assert_same_levels(one: dict[str, Array], other: dict[str, Array]) -> None:
    assert one.keys() == other.keys()
    for name, levels in one.items():
        np.testing.assert_array_equal(levels, other[name], err_msg=name)


@settings(max_examples=25)
@given(core_graphs(), st.integers(2, 40), st.integers(1, 6), st.integers(1, 3), SEEDS)
def test_delta_equals_the_staircase_network(graph, levels, lines, pieces, seed):
    rounded, core = lowered(graph, "delta", levels)
    x = points(graph, 6 * lines, seed % 1000)
    assert_same_levels(delta_levels(core, x, lines, pieces), staircase_levels(rounded, x))


@settings(max_examples=25)
@given(core_graphs(), st.integers(2, 40), SEEDS)
def test_phase_equals_the_staircase_network(graph, levels, seed):
    rounded, core = lowered(graph, "phase", levels)
    x = points(graph, 20, seed % 1000)
    assert_same_levels(phase_levels(core, x), staircase_levels(rounded, x))


def silent(step: int, node: Node, value: Array) -> None:
    """Observe nothing."""


def parallel_core() -> Graph:
    """Two layers of different kinds that one staircase reads together, beside the input."""
    rng = np.random.default_rng(1)

    def affine(name: str, shape: tuple[int, int], operand: Node) -> Node:
        return Node(
            name, Affine(rng.normal(size=shape), rng.normal(size=shape[0])), (operand,), CORE
        )

    x = Node("x", Input(2))
    one = Node("act0", Activation("tanh"), (affine("affine0", (5, 2), x),), CORE)
    two = Node("act1", Activation("sin"), (affine("affine1", (4, 5), one),), CORE)
    sources = tuple(
        affine(f"into{i}", (3, n), node) for i, (n, node) in enumerate([(5, one), (4, two), (2, x)])
    )
    last = Node("act2", Activation("tanh"), sources, CORE)
    return Graph(Level.TENSOR, (x,), (affine("out", (2, 3), last),))


@pytest.mark.parametrize("graph", [residual_core(), parallel_core()])
@pytest.mark.parametrize("bits", [20, 52])
def test_sums_of_several_maps(graph, bits):
    whole = f"quantise-activations{{levels=50}},fixed-point{{bits={bits}}}"
    x = points(graph, 600, 4)
    expected = staircase_levels(compiled(graph, whole), x)
    for coding in ("delta", "phase"):
        core = compiled(graph, f"{whole},lower{{coding={coding}}}").streamed
        assert core is not None
        found = phase_levels(core, x) if coding == "phase" else delta_levels(core, x, 3)
        assert_same_levels(found, expected)


def test_a_million_points_do_not_drift():
    graph = core_graph(3, (1, 4, 4, 1), ("tanh", "sin"))
    rounded, core = lowered(graph, "delta", 64)
    stream = DeltaStream(core, 4)
    x = np.sin(np.arange(250_000) / 50.0)[:, None]
    for part in np.split(np.repeat(x, 4, axis=0), 10):
        found = stream(part, silent)
    (expected,) = evaluate(rounded, rounded.bind(x[-25_000:]))
    np.testing.assert_array_equal(found, np.repeat(expected, 4, axis=0))


def test_outputs_equal_the_staircase_networks():
    graph = parallel_core()
    x = points(graph, 64, 0)
    for coding, run in (("delta", lambda c: DeltaStream(c, 1)), ("phase", PhaseStream)):
        rounded, core = lowered(graph, coding, 30)
        (expected,) = evaluate(rounded, rounded.bind(x))
        np.testing.assert_array_equal(run(core)(x, silent), expected)


def test_the_last_step_may_leave_lines_out():
    graph = core_graph(0, (2, 4, 1), ("tanh",))
    rounded, core = lowered(graph, "delta", 16)
    x = points(graph, 11, 2)
    (expected,) = evaluate(rounded, rounded.bind(x))
    for cut in (4, 8, 11):
        stream = DeltaStream(core, 4)
        found = [stream(part, silent) for part in (x[:cut], x[cut:]) if len(part)]
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_hysteresis_keeps_levels():
    graph = core_graph(5, (1, 6, 1), ("sin",))
    _, plain = lowered(graph, "delta", 32)
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=(400, 1)), axis=0) / 100
    events = {}
    for h in (0.0, 0.5, 2.0):
        core = plain.rewrite(
            lambda n, h=h: n.with_op(replace(n.op, hysteresis=h)) if isinstance(n.op, Delta) else n
        )
        found = delta_levels(core, x, 1)["act0"]
        exact = delta_levels(plain, x, 1)["act0"]
        assert np.abs(found - exact).max() <= 2 * h
        events[h] = np.abs(np.diff(found, axis=0)).sum()
        assert_same_levels({"act0": found}, delta_levels(core, x, 1, pieces=7))
    assert events[2.0] < events[0.5] < events[0.0]


def test_held_between_widens_every_interval():
    rows = np.array([[0.0, 1.0, 3.0]])
    op = Staircase(rows, np.ones((1, 3), np.int8), np.zeros(1, np.int32), np.zeros(1), np.ones(1))
    low, high = held_between(op, 0.5)
    assert low.tolist() == [[-np.inf, -0.5, 0.0, 2.0]]
    assert high.tolist() == [[0.5, 1.5, 4.0, np.inf]]


def test_steps_of_phase_programs():
    graph = core_graph(2, (2, 5, 5, 5, 1), ("tanh", "tanh", "sin"))
    _, core = lowered(graph, "phase", 60)
    digits = {n.op.digits for n in core.nodes if isinstance(n.op, Phase)}
    assert core.steps == 3 * digits.pop()
    sent: dict[str, list[int]] = {}
    PhaseStream(core)(points(graph, 4, 0), lambda t, n, v: sent.setdefault(n.name, []).append(t))
    assert sorted(t for steps in sent.values() for t in steps) == list(range(core.steps))
