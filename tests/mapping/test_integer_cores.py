"""A core in whole numbers, and what its sums can reach."""

from __future__ import annotations

import numpy as np
import pytest

import pinnir
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS, Integers
from pinnir.ir.evaluate import evaluate
from pinnir.mapping.integer_cores import bits_of, check_range, integer_core
from pinnir.neurons import IF
from pinnir.numerics.matrix import entries
from pinnir.passes import pipelines
from pinnir.passes.parsing import parse_pipeline
from pinnir.passes.rounding.quantise_inputs import largest_input
from tests.integer_programs import PIPELINES, program
from tests.networks import family

LARGEST = 2.0**15 - 1


@pytest.mark.parametrize(
    ("values", "bits"), [([0], 1), ([1], 2), ([-1], 1), ([127, -128], 8), ([128], 9), ([-129], 9)]
)
def test_bits(values, bits):
    assert bits_of(np.array(values)) == bits


@pytest.mark.parametrize("coding", PIPELINES)
@pytest.mark.parametrize("name", ["resnet", "spinn", "skip"])
def test_maps_are_their_weights(name, coding):
    if name == "skip" and coding == "signed":
        pytest.skip("a SiLU has no signed neuron")
    for core in program(name, coding).running:
        whole = integer_core(core, LARGEST)
        for node, map_ in whole.maps.items():
            np.testing.assert_array_equal(map_.weight << map_.shift, entries(node.op.weight))
            assert map_.shift == 0 or (map_.weight & 1).any()
        assert sum(one.unit.size for one in whole.leaving) == core.outputs[0].op.bias.size


@pytest.mark.parametrize("coding", ["population", "rate", "signed"])
@pytest.mark.parametrize("name", ["resnet", "modified_mlp"])
def test_no_sum_exceeds_its_reach(name, coding):
    """For random inputs, and for the corners of what may enter."""
    rng = np.random.default_rng(0)
    for core in program(name, coding).running:
        whole = integer_core(core, LARGEST)
        columns = core.inputs[0].op.width
        x = np.rint(rng.uniform(-LARGEST, LARGEST, (40, columns)))
        x[:20] = LARGEST * np.sign(x[:20])
        potentials: dict[object, np.ndarray] = {}

        def watch(step, node, value, whole=whole, potentials=potentials):
            if node in whole.maps:
                assert np.abs(value).max() <= whole.reach[node]
            if isinstance(node.op, IF):
                # Spikes so far times the threshold, and what is left below it.
                total = potentials.get(node, 0.0) + value
                potentials[node] = total

        evaluate(core, {core.inputs[0].name: x}, watch)
        for node, fired in potentials.items():
            assert (np.abs(fired) * node.op.threshold).max() <= whole.reach[node]


@pytest.mark.parametrize("coding", ["population", "delta", "rate", "signed"])
@pytest.mark.parametrize("state_bits", [20, 24, 31])
def test_weights_are_coarser_where_sums_would_not_fit(coding, state_bits):
    integers = Integers(weight_bits=8, input_bits=12, state_bits=state_bits)
    pipeline = pipelines.in_integers(PIPELINES[coding], integers)
    made = pinnir.compile(family("spinn"), "-1:1", target="programmable", pipeline=pipeline)
    for core in made.running:
        check_range(integer_core(core, largest_input(pipeline)), integers)


def test_what_is_not_whole():
    plain = pinnir.compile(family("resnet"), "-1:1", pipeline=pipelines.population(8))
    with pytest.raises(LegalizeError, match=r"has no units at its end|not whole numbers") as caught:
        integer_core(plain.running[0], LARGEST)
    assert "compile for this target, or with the passes quantise-inputs and quantise" in str(
        caught.value
    )


def test_inputs_that_nothing_rounds():
    assert largest_input(parse_pipeline(program("resnet", "rate").manifest["pipeline"])) == LARGEST
    with pytest.raises(LegalizeError, match="takes numbers that are not whole"):
        largest_input(pipelines.population(8))


def test_sums_that_do_not_fit():
    core = program("resnet", "population").running[0]
    whole = integer_core(core, LARGEST)
    integers = TARGETS["c"].integers
    assert integers is not None
    check_range(whole, integers)
    with pytest.raises(LegalizeError) as caught:
        check_range(whole, Integers(8, 16, 12))
    assert "and the target holds 12 bits" in str(caught.value)


def test_compiling_for_integers_refuses_pipelines_without():
    with pytest.raises(LegalizeError, match="takes numbers that are not whole"):
        pinnir.compile(family("resnet"), "-1:1", target="c", pipeline=pipelines.population(8))


@pytest.mark.parametrize("coding", ["population", "delta", "rate"])
def test_levels_for_a_target_of_integers(coding):
    """What is asked by its size is compiled in integers by itself."""
    found = pinnir.compile(
        family("resnet"), "-1:1", target="c", coding=coding, levels=9, steps=None
    )
    assert "quantise{" in found.manifest["pipeline"] or "quantise," in found.manifest["pipeline"]
    for core in found.running:
        integer_core(core, LARGEST)


def test_the_search_is_in_integers():
    found = pinnir.compile(family("resnet"), "-1:1", target="c", coding="population", rtol=0.05)
    assert found.metrics["rel_l2_upper"] <= 0.05
    assert "quantise-inputs" in found.manifest["pipeline"]
