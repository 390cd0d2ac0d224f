"""hard-reset turns reset by subtraction into reset to zero, and fits what then arrives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnir.base.errors import LegalizeError, PipelineError
from pinnir.base.targets import TARGETS, Integers
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Graph, Neuron
from pinnir.ir.printing import print_graph
from pinnir.ir.rules import check_rules
from pinnir.mapping.integer_cores import bits_of, check_range, integer_core
from pinnir.metrics.field_errors import relative_l2
from pinnir.neurons import IF, FlooredIF, HardResetIF
from pinnir.numerics.matrix import Array
from pinnir.passes.lowering.hard_reset import HardReset
from pinnir.passes.lowering.legalise import Legalise
from pinnir.pipeline.context import Context
from pinnir.program.segments import build_segments
from tests.helpers import compiled, context, core_graph, points, residual_core
from tests.strategies import SEEDS

STEPS = 8
FLOORS = st.booleans()


def rate(core: Graph, before: str = "") -> Graph:
    return compiled(
        core,
        f"{before}split-thresholds{{units=3}},quantise-activations{{levels={STEPS + 1}}},"
        f"lower{{coding=rate,steps={STEPS}}}",
    )


def on(core: Graph, *, floor: bool) -> Context:
    found = context(core)
    return replace(found, target=replace(found.target, soft_reset=False, floor=floor))


def hard(core: Graph, *, floor: bool, before: str = "", **options: int) -> Graph:
    made = HardReset(points=256, **options).apply(rate(core, before), on(core, floor=floor))
    check_rules(made)
    return made


def values(graph: Graph, x: Array) -> Array:
    return evaluate(graph, graph.bind(x))[0]


@settings(max_examples=8)
@given(seed=SEEDS, floor=FLOORS)
def test_it_costs_little_against_a_program_that_was_not_fitted(seed, floor):
    core = core_graph(seed, (2, 8, 8, 1), ("tanh", "tanh"))
    x = points(core, 256, seed)
    truth = values(core, x)
    spread = np.sqrt(((truth - truth.mean()) ** 2).mean())
    error = np.sqrt(((values(hard(core, floor=floor), x) - truth) ** 2).mean())
    assert error < 0.5 * spread


@given(seed=SEEDS, floor=FLOORS)
@settings(max_examples=8)
def test_all_populations_reset_to_zero_and_have_one_threshold(seed, floor):
    after = hard(core_graph(seed, (2, 4, 3, 1), ("tanh", "sin")), floor=floor)
    for node in after.nodes:
        if isinstance(node.op, HardResetIF):
            assert isinstance(node.op, FlooredIF) == floor
            assert len(np.unique(node.op.threshold)) == 1
        elif isinstance(node.op, Neuron):
            assert node.name.endswith("_start")
            assert not floor


@given(seed=SEEDS, floor=FLOORS)
@settings(max_examples=8)
def test_every_unit_has_synapses_of_its_own(seed, floor):
    after = hard(core_graph(seed, (2, 4, 3, 1), ("tanh", "sin")), floor=floor)
    for node in after.nodes:
        if isinstance(node.op, HardResetIF):
            maps = [o for o in node.operands if not o.name.endswith("_start_out")]
            assert all(isinstance(o.op, Affine) for o in maps)
            assert not any(isinstance(part.op, Affine) for o in maps for part in o.operands)


WIDTHS = {"bits": st.integers(6, 12), "state": st.integers(16, 24)}


@given(seed=SEEDS, floor=FLOORS, step=st.sampled_from([0, 14, 16]), **WIDTHS)
@settings(max_examples=10)
def test_integers_are_whole_and_fit(seed, floor, bits, state, step):
    core = core_graph(seed, (2, 5, 4, 1), ("tanh", "sin"))
    options = {"weight_bits": bits, "state_bits": state, "step_bits": step}
    after = hard(core, floor=floor, before="quantise-inputs{bits=6},", **options)
    (segment,) = [one for one in _segments(after) if one.running is not None]
    whole = integer_core(segment.running, 31.0)
    check_range(whole, Integers(bits, 6, state))
    maps = [one for one in whole.maps.values() if not one.node.name.endswith("_start_out")]
    assert all(bits_of(one.weight) <= bits for one in maps)
    if step:
        for one in whole.maps.values():
            if isinstance(one.node.operands[0].op, Neuron):
                weights = one.weight << one.shift
                assert np.maximum(weights, 0).sum(axis=1).max() < 2**step
                assert np.maximum(-weights, 0).sum(axis=1).max() < 2**step


def _segments(graph: Graph):
    shapes = {node.name: ((0,), 2) for node in graph.nodes}
    shapes |= {node.name: ((0,), 1) for node in graph.outputs}
    return build_segments(graph, "float64", shapes)[0]


@pytest.mark.parametrize("floor", [False, True])
def test_what_skips_a_layer_is_fitted_too(floor):
    core = residual_core()
    x = points(core, 256, 1)
    assert relative_l2(values(hard(core, floor=floor), x), values(core, x)) < 0.3


def test_a_result_is_legal_where_its_neurons_are():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    after = hard(core, floor=False)
    target = replace(TARGETS["lava-stock"], integers=None)
    assert Legalise().apply(after, replace(context(core), target=target)).outputs == after.outputs
    with pytest.raises(LegalizeError, match="target spinnaker has no HardResetIF neurons"):
        Legalise().apply(after, replace(context(core), target=TARGETS["spinnaker"]))


def test_the_same_graph_gives_the_same_program():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    first, second = (hard(core, floor=True) for _ in range(2))
    assert print_graph(first) == print_graph(second)
    x = points(core, 64, 1)
    np.testing.assert_array_equal(values(first, x), values(second, x))


def test_signed_units_are_refused():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    signed = compiled(
        core,
        "balance-thresholds,quantise-activations{levels=17,rounding=zero},"
        "lower{coding=rate,steps=8}",
    )
    assert any(isinstance(node.op, IF) and node.op.signed for node in signed.nodes)
    with pytest.raises(LegalizeError, match="no population of plain integrate-and-fire units"):
        HardReset().apply(signed, on(core, floor=False))


def test_population_programs_are_refused():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    with pytest.raises(PipelineError, match="cannot correct a population program"):
        HardReset().apply(compiled(core, "quantise-activations,lower"), on(core, floor=False))


def test_inputs_that_are_not_rounded_have_no_integers():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    with pytest.raises(LegalizeError, match="'x': enters a core and is not rounded"):
        hard(core, floor=False, weight_bits=8)


def test_thresholds_of_too_few_bits_are_refused():
    core = core_graph(0, (2, 4, 1), ("tanh",))
    with pytest.raises(LegalizeError, match="thresholds of fewer than 4 bits"):
        hard(core, floor=False, before="quantise-inputs{bits=10},", weight_bits=8, state_bits=8)
