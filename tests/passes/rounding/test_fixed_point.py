"""fixed-point writes the same network, whose sums are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.ir.evaluate import evaluate, preactivations
from pinnir.ir.exact_sums import is_whole, reads_levels
from pinnir.ir.graph import Graph, Staircase
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.fixed_point import FixedPoint
from tests.helpers import compiled, context, points, residual_core
from tests.program.test_streamed_cores import parallel_core
from tests.strategies import SEEDS, core_graphs


def both(graph: Graph, levels: int, bits: int = 52) -> tuple[Graph, Graph]:
    before = compiled(graph, f"quantise-activations{{levels={levels}}}")
    return before, FixedPoint(bits).apply(before, context(graph))


@given(core_graphs(), st.integers(2, 50), SEEDS)
def test_values_stay(graph, levels, seed):
    before, after = both(graph, levels)
    x = points(graph, 30, seed % 1000)
    for one, other in zip(*(evaluate(g, g.bind(x)) for g in (before, after)), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("graph", [residual_core(), parallel_core()])
@pytest.mark.parametrize("bits", [8, 20, 52])
def test_sums_are_whole(graph, bits):
    _, after = both(graph, 30, bits)
    maps = [node for node in after.nodes if reads_levels(node)]
    assert maps
    for node in maps:
        read = node.operands[0].op
        assert isinstance(read, Staircase)
        assert is_whole(node.op, read)


def test_sums_do_not_depend_on_their_order():
    graph = parallel_core()
    _, after = both(graph, 64)
    x = points(graph, 64, 1)
    backwards = after.rewrite(lambda node: node.with_operands(*node.operands[::-1]))
    for name, z in preactivations(after, after.bind(x)).items():
        if name != "act2":  # analog input is rounded
            np.testing.assert_array_equal(z, preactivations(backwards, after.bind(x))[name])


def test_fewer_bits_are_less_accurate():
    graph = residual_core()
    x = points(graph, 200, 3)
    errors = []
    for bits in (8, 12, 16):
        before, after = both(graph, 60, bits)
        (one,), (other,) = (evaluate(g, g.bind(x)) for g in (before, after))
        errors.append(np.abs(one - other).max())
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("bits", [7, 53])
def test_bits_out_of_range(bits):
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(f"fixed-point{{bits={bits}}}")
    assert str(caught.value) == f"pass 'fixed-point': option bits={bits} must lie between 8 and 52"
