"""Error budgets: first order against measured, hand-made Jacobians, and what a budget says."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

import pinnir
from pinnir.base.errors import ProgramFileError
from pinnir.diagnosis.error_budget import Budget, LayerErrors
from pinnir.diagnosis.local_errors import error_budget
from pinnir.diagnosis.observed_layers import ObservedLayers
from pinnir.ir.evaluate import evaluate, preactivations
from pinnir.ir.graph import Affine, Graph, Neuron
from pinnir.metrics.field_errors import relative_l2
from pinnir.numerics.matrix import dense
from pinnir.passes import pipelines
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import PassManager
from tests.backends.networks import RATE, SIGNED_RATE, small_program
from tests.helpers import context, core_graph, points, residual_core
from tests.networks import family

SEEDS = st.integers(0, 1000)
SHAPES = st.lists(st.integers(2, 6), min_size=1, max_size=3)


def observed_layers(graph: Graph, pipeline: str) -> ObservedLayers:
    """What is seen of a compilation of a tensor graph."""
    observed = ObservedLayers(context(graph))
    PassManager(parse_pipeline(pipeline), (observed,)).run(graph, observed.context)
    return observed


def budget_of(graph: Graph, pipeline: str) -> Budget:
    """On the calibration points: beyond their range an error need not be small."""
    observed = observed_layers(graph, pipeline)
    return error_budget(observed, graph, observed.context.calibration)


def rounded(levels: int) -> str:
    return f"quantise-activations{{levels={levels}}}"


def layer(name: str, **fields: object) -> LayerErrors:
    """A layer of a made-up budget."""
    plain = {"core": "core.1", "neurons": 10, "units": 40, "levels": 9.0, "activation": 0.5}
    plain |= {"local_error": 0.01, "weight": 1.0, "predicted": 0.03, "independent": 0.03}
    plain |= {"identity": 0.1, "alone": 0.03, "without": 0.04}
    return LayerErrors(name=name, **{**plain, **fields})


def made_up(together: float, *layers: LayerErrors) -> Budget:
    """A budget of a program with an error of 0.05."""
    plain = {"points": 100, "measured": 0.05, "retrained": 0.0, "maps": 0.0, "incomparable": None}
    return Budget(**plain, together=together, layers=layers)


# ----------------------------------------------------------------------- predicted and measured


@given(seed=SEEDS, inner=SHAPES, levels=st.integers(3, 40))
@settings(max_examples=25)
def test_one_layer_is_exact(seed, inner, levels):
    found = budget_of(core_graph(seed, (2, inner[0], 2), ["tanh"]), rounded(levels))
    (only,) = found.layers
    for value in (only.alone, only.predicted, found.predicted, found.together):
        assert value == pytest.approx(found.measured, rel=1e-9)
    assert only.without == pytest.approx(0, abs=1e-12)


@given(seed=SEEDS, inner=SHAPES, function=st.sampled_from(["tanh", "sigmoid", "sin"]))
@settings(max_examples=25)
def test_small_steps_are_predicted_to_first_order(seed, inner, function):
    graph = core_graph(seed, (2, *inner, 2), [function] * len(inner))
    found = budget_of(graph, rounded(2000))
    assert found.together == pytest.approx(found.measured, rel=0.01)
    first, *behind = found.layers
    assert first.predicted == pytest.approx(first.alone, rel=0.01)
    for one in behind:  # whose inputs, and so rounding errors, are others in the program
        assert one.predicted == pytest.approx(one.alone, rel=0.5)


def test_the_prediction_is_the_jacobian_times_the_local_error():
    graph = core_graph(0, (2, 5, 4, 2), ["tanh", "tanh"])
    observed = observed_layers(graph, rounded(9))
    at = graph.bind(points(graph, 200, 7))
    truth = np.concatenate(evaluate(graph, at), axis=1)
    made = preactivations(observed.converted, at)
    weight1, weight2 = (dense(graph.node(f"affine{i}").op.weight) for i in (1, 2))
    slope = 1 - np.tanh(preactivations(graph, at)["act1"]) ** 2
    jacobians = np.einsum("on,sn,ni->soi", weight2, slope, weight1), weight2[None]
    found = error_budget(observed, graph, points(graph, 200, 7))
    moved = 0.0
    for name, jacobian, one in zip(("act0", "act1"), jacobians, found.layers, strict=True):
        z = made[name]
        error = observed.staircases[name](z) - np.tanh(z)
        by_sample = np.broadcast_to(jacobian, (200, *jacobian.shape[1:]))
        change = np.einsum("soi,si->so", by_sample, error)
        moved = moved + change
        size = np.linalg.norm(truth)
        assert one.predicted == pytest.approx(np.linalg.norm(change) / size, rel=1e-6)
        assert one.identity == pytest.approx(np.linalg.norm(error) / size, rel=1e-9)
        assert one.local_error == pytest.approx(np.sqrt((error**2).mean()), rel=1e-9)
        mean_square = (np.linalg.norm(jacobian, axis=1) ** 2).mean()
        size_per_point = size / np.sqrt(200)
        assert one.weight == pytest.approx(np.sqrt(mean_square) / size_per_point, rel=1e-6)
    assert found.together == pytest.approx(np.linalg.norm(moved) / size, rel=1e-6)


def test_alone_and_without_are_measured():
    graph = core_graph(1, (2, 5, 4, 1), ["tanh", "sin"])
    observed = observed_layers(graph, rounded(7))
    found = error_budget(observed, graph, points(graph, 200, 7))
    at = graph.bind(points(graph, 200, 7))
    (truth,) = evaluate(graph, at)

    def mixed(exact: str) -> float:
        """Error with one layer exact and the other one rounded."""
        ops = {n.name: n.op for n in graph.nodes}
        one = observed.converted.rewrite(lambda n: n.with_op(ops[n.name]) if n.name == exact else n)
        (value,) = evaluate(one, at)
        return relative_l2(value, truth)

    first, second = found.layers
    assert (first.alone, second.without) == pytest.approx((mixed("act1"),) * 2)
    assert (second.alone, first.without) == pytest.approx((mixed("act0"),) * 2)


@pytest.mark.parametrize("pipeline", [RATE, SIGNED_RATE], ids=["ramps", "signed"])
def test_one_layer_of_a_rate_program_is_exact(pipeline):
    found = budget_of(core_graph(2, (2, 6, 1), ["tanh"]), pipeline)
    (only,) = found.layers
    assert (only.predicted, only.alone) == pytest.approx((found.measured,) * 2)
    assert only.levels == (4 * 8 + 1 if pipeline == RATE else 17)


@pytest.mark.parametrize("pipeline", [RATE, SIGNED_RATE], ids=["ramps", "signed"])
def test_split_signs_change_nothing(pipeline):
    graph = core_graph(2, (2, 6, 5, 1), ["tanh", "tanh"])
    plain = budget_of(graph, pipeline)
    split = budget_of(graph, pipeline.replace("legalise", "split-signs,legalise"))
    assert structs.replace(split, layers=()) == structs.replace(plain, layers=())


@given(seed=SEEDS)
@settings(max_examples=10)
def test_what_is_read_of_ramps_is_the_activation(seed):
    graph = core_graph(seed, (2, 6, 5, 1), ["tanh", "sin"])
    pipeline = "split-thresholds{units=32},quantise-activations{levels=1025}"
    for one in budget_of(graph, pipeline).layers:
        assert one.relative < 0.01
        assert one.levels == 32 * 1024 + 1


def test_skip_synapses_belong_to_the_layer_they_come_from():
    found = budget_of(residual_core(), rounded(2000))
    assert [one.name for one in found.layers] == ["act0", "act1"]
    assert found.together == pytest.approx(found.measured, rel=0.01)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("modified_mlp", "population"),
        ("spinn3d", "population"),
        ("deeponet_cartesian", "rate"),
        ("skip", "rate"),
    ],
)
def test_families(name, coding):
    ask = {"levels": 256} if coding == "population" else {"levels": 257, "steps": 8}
    program = pinnir.compile(family(name), "-1:1", coding=coding, **ask)
    found = program.budget
    assert found.together == pytest.approx(found.measured, rel=0.05)
    assert found.measured == pytest.approx(program.metrics["rel_l2"], rel=0.2)
    assert {one.core for one in found.layers} == {s.label for s in program.segments if s.core}
    assert sum(one.units for one in found.layers) == program.metrics["neurons"]


# -------------------------------------------------------------------- pipelines that train


def trained(*behind: str) -> str:
    first = "anticipate-rounding{levels=16,iterations=20,rounds=1,points=256}"
    rounded = "quantise-activations{levels=16,allocation=sensitivity}"
    return ",".join([first, rounded, "refit{points=256}", *behind])


def test_layers_are_compared_with_the_retrained_network():
    graph = core_graph(4, (2, 8, 8, 1), ["tanh", "tanh"])
    found = budget_of(graph, trained())
    assert found.retrained > 0
    assert found.together == pytest.approx(found.measured, rel=0.2)
    assert found.measured < budget_of(graph, rounded(16)).measured


def test_refit_is_part_of_the_prediction_but_not_of_the_local_error():
    graph = core_graph(4, (2, 8, 8, 1), ["tanh", "tanh"])
    plain, refitted = (budget_of(graph, rounded(5) + more) for more in ("", ",refit{points=256}"))
    assert refitted.layers[0].local_error == plain.layers[0].local_error
    assert refitted.layers[0].predicted < plain.layers[0].predicted
    assert refitted.predicted < plain.predicted


def test_layers_of_a_network_trained_end_to_end_are_not_compared():
    graph = core_graph(4, (2, 8, 8, 1), ["tanh", "tanh"])
    observed = observed_layers(graph, rounded(8))
    weight = 1.01 * dense(graph.node("affine0").op.weight)
    observed.converted = observed.converted.rewrite(
        lambda n: n.with_op(Affine(weight, n.op.bias)) if n.name == "affine0" else n
    )
    found = error_budget(observed, graph, points(graph, 200, 7))
    assert found.layers == ()
    assert found.measured > 0
    assert found.advice() == (
        "Layers cannot be compared: the maps were trained end to end, and no layer is meant to "
        "give what the network's gives."
    )
    assert (found.caution(), found.largest, found.best) == (None, None, None)


def test_maps_that_were_renamed_are_named():
    graph = core_graph(4, (2, 8, 8, 1), ["tanh", "tanh"])
    observed = observed_layers(graph, rounded(8))
    observed.converted = observed.converted.rewrite(
        lambda n: replace(n, name="other") if n.name == "affine1" else n
    )
    found = error_budget(observed, graph, points(graph, 200, 7))
    assert found.incomparable == "the pipeline leaves nothing that stands for the map affine1"


def test_layers_that_nothing_stands_for_are_named():
    graph = core_graph(4, (2, 8, 8, 1), ["tanh", "tanh"])
    observed = observed_layers(graph, rounded(8))
    del observed.staircases["act1"]
    found = error_budget(observed, graph, points(graph, 200, 7))
    assert found.incomparable == "the pipeline leaves nothing that stands for act1 alone"


# -------------------------------------------------------------------------------- in programs


def test_a_program_keeps_its_budget():
    program = small_program()
    found = program.budget
    told = json.loads(json.dumps(msgspec.to_builtins(found)))
    assert msgspec.convert(told, Budget) == found
    assert pinnir.program.reading.from_bytes(program.to_bytes()).budget == found
    assert replace(program, manifest={}).budget is None


def test_the_same_compilation_gives_the_same_bytes():
    again = [pinnir.compile(family("spinn"), "-1:1", levels=16).to_bytes() for _ in range(2)]
    assert again[0] == again[1]


def refusal(budget: object) -> str:
    """What is said of a program with another budget in its manifest."""
    program = small_program()
    forged = replace(program, manifest=program.manifest | {"budget": budget}).to_bytes()
    with pytest.raises(ProgramFileError) as caught:
        pinnir.program.reading.from_bytes(forged)
    return caught.value.message


WRONG = "program is damaged (the entry 'budget' of its manifest is missing or wrong)"


FORGED = {
    "points": (0, 1.5),
    "measured": ("1", -1.0),
    "together": (float("nan"),),
    "maps": (float("inf"),),
    "retrained": (None,),
    "incomparable": (1,),
    "layers": (None, [1], [{}]),
    "more": (1,),
}


@pytest.mark.parametrize(("entry", "value"), [(e, v) for e, vs in FORGED.items() for v in vs])
def test_forged_budgets_are_refused(entry, value):
    assert refusal(msgspec.to_builtins(small_program().budget) | {entry: value}) == WRONG


FORGED_LAYER = {
    "name": (1,),
    "core": (None,),
    "neurons": (0,),
    "units": (-1, 1.5),
    "levels": ("9",),
    "weight": (float("nan"),),
    "predicted": (True,),
    "without": (-0.1,),
}


@pytest.mark.parametrize(("entry", "value"), [(e, v) for e, vs in FORGED_LAYER.items() for v in vs])
def test_forged_layers_are_refused(entry, value):
    told = msgspec.to_builtins(small_program().budget)
    told["layers"][0][entry] = value
    assert refusal(told) == WRONG


@pytest.mark.parametrize("entry", LayerErrors.__struct_fields__ + Budget.__struct_fields__)
def test_budgets_without_an_entry_are_refused(entry):
    told = msgspec.to_builtins(small_program().budget)
    del (told if entry in told else told["layers"][0])[entry]
    assert refusal(told) == WRONG


@pytest.mark.parametrize("coding", ["population", "rate"])
def test_the_figures_are_those_of_the_program(coding):
    program = small_program(coding)
    found = program.budget
    units = sum(n.op.units for core in program.cores for n in core.nodes if _spikes(n))
    assert sum(one.units for one in found.layers) == units
    assert found.measured == pytest.approx(program.metrics["rel_l2"], rel=0.1)
    assert found.points == (2048 if coding == "population" else 512)


def _spikes(node: object) -> bool:
    return isinstance(node.op, Neuron)


def test_the_retrained_network_of_a_compilation():
    pipeline = pipelines.population_refitted(16, pipelines.anticipating(16, 60))
    found = pinnir.compile(family("spinn"), "-1:1", pipeline=pipeline).budget
    assert found.retrained > 0
    assert found.incomparable is None


def test_another_coding_without_names_has_no_units():
    observed = observed_layers(core_graph(2, (2, 6, 1), ["tanh"]), RATE)
    observed.program = observed.program.rewrite(
        lambda n: replace(n, name=f"other_{n.name}") if _spikes(n) else n
    )
    assert observed.units_of("act0") is None


# ------------------------------------------------------------------------------- what it says


def test_the_layer_where_more_levels_help_most():
    layers = layer("a", predicted=0.04, without=0.03), layer("b", units=10, without=0.04)
    found = made_up(0.05, *layers)
    assert found.predicted == pytest.approx(0.05)
    assert found.share(found.layers[0]) == pytest.approx(0.64)
    assert found.largest.name == "a"
    assert found.advice() == (
        "More levels would help most in b (core.1), which has 20% of the units: were it exact, "
        "the error would fall from 5.00e-02 to 4.00e-02. The largest predicted contribution is "
        "that of a."
    )
    unnamed = tuple(structs.replace(one, units=None) for one in found.layers)
    unknown = structs.replace(found, layers=unnamed)
    assert unknown.advice() == (
        "More levels would help most in a (core.1): were it exact, the error would fall from "
        "5.00e-02 to 3.00e-02."
    )


def test_no_layer_may_be_worth_more_levels():
    found = made_up(0.05, layer("a", without=0.06))
    assert found.advice() == (
        "No layer alone is worth more levels: were it exact, the error would not fall."
    )


@pytest.mark.parametrize(("together", "said"), [(0.03, False), (0.12, True), (0.02, True)])
def test_errors_too_large_for_first_order(together, said):
    found = made_up(together, layer("a"))
    expected = (
        "Errors are too large for a first-order prediction: all layers together are predicted to "
        f"give {together / 0.05:.2g} times the measured error."
    )
    assert found.caution() == (expected if said else None)
