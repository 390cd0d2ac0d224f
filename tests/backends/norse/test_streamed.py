"""Norse modules of delta and phase neurons send every event that the oracle sends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("norse")
from pinnir.backends.norse.backend import NorseBackend
from pinnir.backends.reference import ReferenceBackend
from pinnir.ir.graph import Graph, Node
from pinnir.neurons import Delta
from pinnir.numerics.matrix import Array
from tests.backends.networks import STREAMED, small_program
from tests.helpers import points, residual_core
from tests.program.test_streamed_cores import lowered, parallel_core
from tests.strategies import SEEDS, core_graphs

LEVELLED = ("delta", "phase")
REFERENCE, NORSE = ReferenceBackend(), NorseBackend()


def events(
    core: Graph, backend: ReferenceBackend | NorseBackend, x: Array, lines: int, pieces: int
) -> tuple[Array, dict[str, Array], list[tuple[str, int]]]:
    """Outputs, all events by population, and when they were told of."""
    seen: dict[str, list[Array]] = {}
    times: list[tuple[str, int]] = []

    def keep(step: int, node: Node, value: Array) -> None:
        seen.setdefault(node.name, []).append(value)
        times.append((node.name, step))

    run = backend.load(core, lines)
    outputs = [run(part, keep) for part in np.split(x, pieces)]
    return np.concatenate(outputs), {k: np.concatenate(v) for k, v in seen.items()}, sorted(times)


def assert_same(core: Graph, x: Array, lines: int = 1, pieces: int = 1) -> None:
    expected, sent, told = events(core, REFERENCE, x, lines, pieces)
    found, fired, when = events(core, NORSE, x, lines, pieces)
    assert told == when
    for name, value in sent.items():
        np.testing.assert_array_equal(fired[name], value, err_msg=name)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=20)
@given(core_graphs(), st.integers(2, 60), st.sampled_from(LEVELLED), SEEDS)
def test_programs(graph, levels, coding, seed):
    _, core = lowered(graph, coding, levels)
    assert_same(core, points(graph, 40, seed % 1000), lines=4, pieces=2)


@pytest.mark.parametrize("graph", [residual_core(), parallel_core()])
@pytest.mark.parametrize("coding", LEVELLED)
def test_sums_of_several_maps(graph, coding):
    _, core = lowered(graph, coding, 30)
    assert_same(core, points(graph, 60, 3), lines=2)


@pytest.mark.parametrize("hysteresis", [0.25, 3.0])
def test_hysteresis(hysteresis):
    graph = residual_core()
    _, plain = lowered(graph, "delta", 40)
    core = plain.rewrite(
        lambda node: (
            node.with_op(replace(node.op, hysteresis=hysteresis))
            if isinstance(node.op, Delta)
            else node
        )
    )
    x = np.sin(np.arange(80)[:, None] / [7.0, 11.0])
    assert_same(core, x, lines=2, pieces=4)


@pytest.mark.parametrize("coding", STREAMED)
def test_through_the_program(coding):
    program = small_program(coding)
    expected, found = (program.run_grid((9, 8), name) for name in ("reference", "norse"))
    # Sums of levels are exact; the read-out of sign-gradient neurons is a sum of real numbers.
    close = 0.0 if coding in LEVELLED else 1e-12
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=close)
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)
    assert found.layers == expected.layers
    for figure in expected.metrics.keys() - {"backend"}:
        assert found.metrics[figure] == pytest.approx(expected.metrics[figure], rel=close), figure


def test_the_last_step_may_leave_lines_out():
    program = small_program("delta")
    expected = program.run_grid((9, 8), lines=5)
    found = program.run_grid((9, 8), "norse", lines=5)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.metrics["synops"] == expected.metrics["synops"]
