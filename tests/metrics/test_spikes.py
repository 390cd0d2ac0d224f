"""Every figure against a value worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

import pinnir
from pinnir.base.errors import DomainError
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Constant, Graph, Input, Level, Node, Op, Primitive
from pinnir.metrics.field_errors import field_errors, reference_errors, relative_l2
from pinnir.metrics.source_cost import SourceCost, node_synapses, source_cost
from pinnir.metrics.spikes import SpikeCounter, depth, layer_rates, program_size, spike_costs
from pinnir.neurons import IF, Threshold
from pinnir.numerics.matrix import BlockDiagonal, dense
from pinnir.passes.pipelines import TIDY
from tests.backends.networks import DOMAIN, RATE, fourier, model, population, small_program
from tests.helpers import compiled, core_graph, points, record
from tests.strategies import core_graphs

X = Node("x", Input(1))
PAIR = Node("pair", Input(2))


def affine(name: str, weight, *operands: Node, bias: float = 0.0) -> Node:
    matrix = weight if isinstance(weight, BlockDiagonal) else np.array(weight, np.float64)
    return Node(name, Affine(matrix, np.full(matrix.shape[0], bias)), operands, "core.1")


def neurons(name: str, op: Op, *operands: Node) -> Node:
    return Node(name, op, operands, "core.1")


def thresholds(*values: float) -> Threshold:
    count = len(values)
    return Threshold(np.array(values), np.ones(count, np.int32), np.zeros(1, np.int32))


def two_layers() -> Graph:
    """Two threshold units, then three, one step.

    Non-zero weights: entry 2, middle 4 (unit 0 feeds 3, unit 1 feeds 1), exit 2 (units 0 and 2).
    """
    entry = affine("entry", [[1], [2]], X)
    first = neurons("first", thresholds(1.0, 1.0), entry)
    middle = affine("middle", [[1, 0], [1, 1], [1, 0]], first)
    second = neurons("second", thresholds(1.0, 2.0, 5.0), middle)
    return Graph(Level.SPIKING, (X,), (affine("exit", [[1, 0, 3]], second, bias=1.0),))


def looped() -> Graph:
    """One IF unit with threshold 1 that holds itself back by a half, four steps."""
    half = affine("half", [[0.5]], X)
    unit = neurons("unit", IF(np.ones(1), feedback=BlockDiagonal(np.full((1, 1, 1), -0.5))), half)
    return Graph(Level.SPIKING, (X,), (affine("exit", [[3.0], [0.0]], unit),), 4, "mean")


def counted(core: Graph, x) -> dict[str, np.ndarray]:
    counter = SpikeCounter()
    evaluate(core, {"x": np.array(x, np.float64)[:, None]}, counter)
    return counter.spikes


COST = SourceCost(macs=40, core_macs=30, activations=5)


# --------------------------------------------------------------------------------------- errors


def test_relative_l2():
    assert relative_l2(np.array([3.0, 4.0]), np.array([0.0, 4.0])) == 3 / 4
    assert relative_l2(np.array([[1.0], [1.0]]), np.array([[1.0], [1.0]])) == 0
    assert relative_l2(np.array([3.0, 4.0]), np.zeros(2)) == 5


def test_field_errors():
    value = np.array([[1.0, 2.0], [2.0, -2.0]])
    truth = np.array([[1.0, 2.0], [0.0, -4.0]])
    assert field_errors(value, truth) == {
        "rel_l2": np.sqrt(8) / np.sqrt(21),
        "max_abs": 2.0,
        "rel_l2_per_output": [2.0, pytest.approx(2 / np.sqrt(20))],
    }


def test_reference_errors():
    value, source, truth = np.array([[3.0]]), np.array([[1.0]]), np.array([[2.0]])
    assert reference_errors(value, source, truth) == {
        "rel_l2_reference": 0.5,
        "source_rel_l2_reference": 0.5,
    }
    assert reference_errors(np.array([[5.0]]), None, truth) == {"rel_l2_reference": 1.5}


@pytest.mark.parametrize("truth", [np.zeros(3), np.zeros((3, 2)), np.full((3, 1), np.inf)])
def test_reference_that_does_not_fit(truth):
    with pytest.raises(DomainError) as caught:
        reference_errors(np.zeros((3, 1)), None, truth)
    problem = (
        "holds NaN or infinite values"
        if truth.shape == (3, 1)
        else f"has shape {truth.shape}, the network gives (3, 1)"
    )
    assert str(caught.value) == (
        f"the reference solution {problem}\n"
        "hint: save points and outputs with one row a point and one column an output"
    )


# ------------------------------------------------------------------------------------- the source


def test_source_cost():
    graph = compiled(core_graph(0, (2, 5, 4, 3), ("tanh", "tanh")), TIDY)
    macs = 2 * 5 + 5 * 4 + 4 * 3
    assert source_cost(graph) == SourceCost(macs=macs, core_macs=macs, activations=9)
    assert source_cost(graph).core_mac_share == 1.0


def test_source_cost_counts_zeros_of_a_dense_layer():
    graph = core_graph(0, (2, 5, 1), ("tanh",))
    sparse = graph.rewrite(
        lambda n: n.with_op(Affine(n.op.weight * [0, 1], n.op.bias)) if n.name == "affine0" else n
    )
    assert source_cost(sparse).macs == 15


def test_source_cost_with_a_host_part():
    """An affine map outside the chain is the host's; shares add up."""
    entry = Node("host_map", Affine(np.full((3, 1), 2.0), np.zeros(3)), (X,), "host.0")
    feature = Node("feature", Activation("sin"), (entry,), "host.0")
    first = affine("first", np.ones((4, 3)), feature)
    act = Node("act", Activation("tanh"), (first,), "core.1")
    graph = Graph(Level.TENSOR, (X,), (affine("last", np.ones((2, 4)), act),))
    cost = source_cost(graph)
    assert cost == SourceCost(macs=3 + 12 + 8, core_macs=20, activations=4)
    copying = graph.rewrite(
        lambda node: node.with_op(Affine(np.ones((3, 1)), np.zeros(3))) if node is entry else node
    )
    assert source_cost(copying).macs == 12 + 8
    assert cost.core_mac_share == 20 / 23


def test_source_cost_of_an_imported_network():
    """A bias that is handed on is no second factor, and scaling by numbers is not counted."""
    weight, bias = Node("w", Constant(np.ones((3, 2)))), Node("b", Constant(np.ones(3)))
    handed_on = Node("i", Primitive("Identity"), (bias,))
    product = Node("p", Primitive("Gemm", {"transB": 1}), (PAIR, weight, handed_on))
    scaled = Node("s", Primitive("Mul"), (product, bias))
    other = Node("e", Primitive("Einsum", {"equation": "ij, kj -> ik"}), (PAIR, weight))
    total = Node("t", Primitive("Add"), (scaled, other))
    square = Node("q", Primitive("Einsum", {"equation": "bi,bi->b"}), (total, total))
    original = Graph(Level.TENSOR, (PAIR,), (square,))
    after = Graph(Level.TENSOR, (PAIR,), (affine("last", np.ones((3, 2)), PAIR),))
    assert source_cost(after, original).macs == 3 * 2 + 3 * 2 + 3


# ----------------------------------------------------------------------------------------- spikes


def test_spike_counter():
    """x = 1 fires both first units, x = 0.5 the second only, x = 0 none."""
    spikes = counted(two_layers(), [1.0, 0.5, 0.0])
    np.testing.assert_array_equal(spikes["first"], [1, 2])
    np.testing.assert_array_equal(spikes["second"], [1, 1, 0])


def test_spike_counter_over_steps_and_chunks():
    """Spikes 1, 0, 1, 1: the half of x = 2 a step, less a half after each spike."""
    counter = SpikeCounter()
    for _ in range(3):
        evaluate(looped(), {"x": np.array([[2.0], [0.0]])}, counter)
    np.testing.assert_array_equal(counter.spikes["unit"], [9.0])


def test_negative_spikes_count():
    unit = neurons("unit", IF(np.ones(1), signed=True), affine("entry", [[1.0]], X))
    core = Graph(Level.SPIKING, (X,), (affine("exit", [[1.0]], unit),), 3, "mean")
    np.testing.assert_array_equal(counted(core, [-1.0, 1.0])["unit"], [6.0])


def test_spike_costs_by_hand():
    """Per point: spikes (1 + 2 + 1 + 1) / 3; synops (1 * 3 + 2 * 1 + 1 * 1 + 1 * 0) / 3."""
    core = two_layers()
    figures = spike_costs([core], counted(core, [1.0, 0.5, 0.0]), [3], COST)
    synops, macs = 6 / 3, 2 + 10
    assert figures == {
        "spikes": pytest.approx(5 / 3),
        "spikes_per_activation": pytest.approx(5 / 3 / 5),
        "spiking_rate": pytest.approx(5 / 3 / 5),
        "synops": pytest.approx(synops),
        "synops_per_mac": pytest.approx(synops / 40),
        "analog_macs": macs,
        "energy_45nm_pj": pytest.approx(0.9 * synops + 4.6 * macs),
        "source_energy_45nm_pj": pytest.approx(4.6 * 40),
        "energy_ratio": pytest.approx((0.9 * synops + 4.6 * macs) / (4.6 * 40)),
        "core_mac_share": 0.75,
    }


def test_spike_costs_over_time_by_hand():
    """Three spikes for x = 2: each through one weight of the exit and one of the feedback."""
    core = looped()
    figures = spike_costs([core], counted(core, [2.0]), [1], COST)
    assert figures["spikes"] == 3
    assert figures["synops"] == 3 * 2
    assert figures["spiking_rate"] == 3 / 4
    assert figures["analog_macs"] == 1 + 10
    assert figures["energy_45nm_pj"] == pytest.approx(0.9 * 6 + 4.6 * 11)


def test_expansions_behind_spikes_are_analog_in_every_step():
    """A map fed by spikes costs synops; one fed by its result costs MACs, four times here."""
    unit = neurons("unit", IF(np.ones(1)), affine("half", [[0.5]], X))
    gathered = affine("gathered", [[1.0]], unit)
    expanded = affine("expanded", BlockDiagonal(np.ones((1, 3, 1))), gathered)
    last = neurons("last", IF(np.ones(3)), expanded)
    core = Graph(Level.SPIKING, (X,), (affine("exit", [[1, 1, 0]], last),), 4, "mean")
    figures = spike_costs([core], counted(core, [2.0]), [1], COST)
    assert figures["spikes"] == 4 + 12
    assert figures["synops"] == 4 * 1 + 4 * 2
    assert figures["analog_macs"] == 1 + 4 * 3 + 10


def test_analog_maps_no_spike_reaches_are_computed_once():
    chain = affine("second", [[1.0], [1.0]], affine("first", [[0.5]], X))
    core = Graph(
        Level.SPIKING,
        (X,),
        (affine("exit", [[1, 1]], neurons("u", IF(np.ones(2)), chain)),),
        8,
        "mean",
    )
    assert spike_costs([core], counted(core, [1.0]), [1], COST)["analog_macs"] == 3 + 10


def test_one_unit_that_feeds_two_maps_pays_for_both():
    unit = neurons("unit", thresholds(0.5), affine("entry", [[1.0]], X))
    a, b = affine("a", [[1.0], [1.0]], unit), affine("b", [[1.0], [0.0]], unit)
    last = neurons("last", thresholds(9.0, 9.0), a, b)
    core = Graph(Level.SPIKING, (X,), (affine("exit", [[1, 1]], last),))
    assert spike_costs([core], counted(core, [1.0]), [1], COST)["synops"] == 3


def test_several_cores_add_up():
    one, other = two_layers(), looped()
    spikes = counted(one, [1.0]), counted(other, [1.0])
    both = spike_costs([one, other], spikes[0] | spikes[1], [1, 1], COST)
    parts = [
        spike_costs([core], own, [1], COST) for core, own in zip((one, other), spikes, strict=True)
    ]
    for figure in ("spikes", "synops"):
        assert both[figure] == sum(part[figure] for part in parts) > 0
    assert both["analog_macs"] == sum(part["analog_macs"] for part in parts) - 10


def test_cores_that_run_different_numbers_of_samples():
    """Every core's figures are for one sample of its own."""
    one, other = two_layers(), looped()
    spikes = counted(one, [1.0, 0.5, 0.0]), counted(other, [2.0])
    both = spike_costs([one, other], spikes[0] | spikes[1], [3, 1], COST)
    assert both["spikes"] == pytest.approx(5 / 3 + 3)
    assert both["synops"] == pytest.approx(6 / 3 + 6)
    assert both["spiking_rate"] == pytest.approx((5 / 3 + 3) / (5 + 4))
    rates = layer_rates([one, other], spikes[0] | spikes[1], [3, 1])
    assert rates["first"]["spikes"] == 1.0
    assert rates["unit"]["spikes"] == 3.0


def test_layer_rates():
    core = two_layers()
    assert layer_rates([core], counted(core, [1.0, 0.5, 0.0]), [3]) == {
        "first": {"units": 2, "spikes": 1.0, "spiking_rate": 0.5},
        "second": {
            "units": 3,
            "spikes": pytest.approx(2 / 3),
            "spiking_rate": pytest.approx(2 / 9),
        },
    }


def test_layer_rates_over_time():
    core = looped()
    assert layer_rates([core], counted(core, [2.0, 0.0]), [2]) == {
        "unit": {"units": 1, "spikes": 1.5, "spiking_rate": 0.375}
    }


# ------------------------------------------------------------------------------------------ sizes


def test_program_size():
    core = two_layers()
    assert program_size([core]) == {"neurons": 5, "synapses": 8, "steps": 1}
    assert program_size([looped()]) == {"neurons": 1, "synapses": 3, "steps": 4}
    assert program_size([core, looped()]) == {"neurons": 6, "synapses": 11, "steps": 4}
    assert program_size([]) == {"neurons": 0, "synapses": 0, "steps": 0}


def test_depth_counts_populations_in_a_row():
    assert depth(two_layers()) == 2
    assert depth(looped()) == 1
    assert depth(Graph(Level.SPIKING, (X,), (affine("only", [[1.0]], X),))) == 0


def test_node_synapses():
    core = two_layers()
    counts = {node.name: node_synapses(node) for node in core.nodes}
    assert counts == {"x": 0, "entry": 2, "first": 0, "middle": 4, "second": 0, "exit": 2}
    assert node_synapses(looped().node("unit")) == 1


# ------------------------------------------------------------------- on programs as they come out


@given(graph=core_graphs())
def test_figures_of_any_program_are_recounted(graph):
    """Every spike through every non-zero synapse, one by one."""
    for pipeline in (population(12), RATE):
        core = compiled(graph, pipeline)
        x = points(core, 20, 2)
        counter = SpikeCounter()
        evaluate(core, core.bind(x), counter)
        figures = spike_costs([core], counter.spikes, [20], COST)
        seen = record(core, x)
        spikes = synops = 0
        for node in core.nodes:
            if node.name not in counter.spikes:
                continue
            fired = np.stack(seen[node.name]).sum(axis=(0, 1))
            spikes += fired.sum()
            for user in core.users[node]:
                if isinstance(user.op, Affine):
                    synops += ((as_dense(user.op.weight) != 0) @ fired).sum()
            feedback = getattr(node.op, "feedback", None)
            if feedback is not None:
                synops += ((as_dense(feedback) != 0) @ fired).sum()
        assert figures["spikes"] == pytest.approx(spikes / 20)
        assert figures["synops"] == pytest.approx(synops / 20)
        assert 0 <= figures["spiking_rate"] <= 1


def as_dense(weight) -> np.ndarray:
    if not isinstance(weight, BlockDiagonal):
        return dense(weight)
    count, rows, columns = weight.blocks.shape
    whole = np.zeros((count * rows, count * columns))
    for i, block in enumerate(weight.blocks):
        whole[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns] = block
    return whole


def test_figures_of_a_compiled_network():
    program = small_program()
    figures = program.metrics
    macs = 2 * 8 + 8 * 8 + 8
    assert (program.cost.macs, program.cost.activations) == (macs, 16)
    assert figures["source_energy_45nm_pj"] == pytest.approx(4.6 * macs)
    assert figures["energy_45nm_pj"] == pytest.approx(
        0.9 * figures["synops"] + 4.6 * figures["analog_macs"]
    )
    assert figures["spikes_per_activation"] == pytest.approx(figures["spikes"] / 16)
    assert figures["synops_per_mac"] == pytest.approx(figures["synops"] / macs)
    assert figures["core_mac_share"] == 1.0
    assert figures["neurons"] == 16 * 6


def test_cost_of_a_network_with_host_parts():
    """Fourier features are 2 x 3 products on the host; the rest of the network is the core."""
    program = pinnir.compile(model(fourier()), DOMAIN, levels=16)
    assert program.cost == SourceCost(macs=6 + 48 + 8, core_macs=48 + 8, activations=8)
    assert program.metrics["core_mac_share"] == 56 / 62


def test_figures_are_json_values():
    for figures in (small_program().metrics, small_program("rate").metrics):
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures
