"""quantise-inputs: what enters cores is whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import PipelineError
from pinnir.ir.evaluate import evaluate, trace
from pinnir.ir.graph import Constant, Input
from pinnir.ir.rules import check_rules
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.quantise_inputs import QuantiseInputs
from tests.helpers import context, points, relative_error
from tests.networks import FAMILIES, cores_of
from tests.strategies import SEEDS, core_graphs


@settings(max_examples=50)
@given(core_graphs(), st.integers(4, 24), SEEDS)
def test_values_that_enter_are_whole_and_in_range(graph, bits, seed):
    one = QuantiseInputs(bits)
    after = one.apply(graph, context(graph))
    check_rules(after)
    x = 3.0 * points(graph, 40, seed % 1000)  # some beyond what was seen
    (whole,) = trace(after, after.bind(x), {"x:whole"}).values()
    np.testing.assert_array_equal(whole, np.rint(whole))
    assert np.abs(whole).max() <= one.limit == 2 ** (bits - 1) - 1


@pytest.mark.parametrize("name", FAMILIES)
def test_families_with_fine_integers(name):
    graph = cores_of(name)
    where = context(graph)
    after = QuantiseInputs(24).apply(graph, where)
    check_rules(after)
    assert relative_error(graph, after, where.calibration[:32]) < 1e-5
    for node in after.nodes:
        for operand in node.operands:
            if node.in_core and operand.segment != node.segment:
                assert operand.name.endswith(":whole")


@pytest.mark.parametrize("name", ["spinn", "piratenet", "modified_mlp", "mionet"])
def test_parts_run_before_those_that_read_them(name):
    graph = cores_of(name)
    after = QuantiseInputs().apply(graph, context(graph))
    order = list(after.segments)
    numbers = [int(label.partition(".")[2]) for label in order]
    assert all(one < other for one, other in pairwise(numbers))
    for node in after.nodes:
        for operand in node.operands:
            if not isinstance(operand.op, Input | Constant) and operand.segment != node.segment:
                assert order.index(operand.segment) < order.index(node.segment)


def test_more_bits_are_more_accurate():
    graph = cores_of("resnet")
    x = points(graph, 100, 2)
    errors = [
        relative_error(graph, QuantiseInputs(bits).apply(graph, context(graph)), x)
        for bits in (4, 8, 12)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2] > 0


def test_a_column_that_is_always_zero():
    graph = cores_of("resnet")
    where = context(graph)
    where.calibration[:, 0] = 0.0
    after = QuantiseInputs().apply(graph, where)
    assert np.isfinite(evaluate(after, after.bind(where.calibration))[0]).all()


def test_bits_out_of_range():
    with pytest.raises(PipelineError) as caught:
        parse_pipeline("quantise-inputs{bits=1}")
    assert "option bits=1 must lie between 2 and 32" in str(caught.value)
