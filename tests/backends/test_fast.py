"""The fast backend counts what the oracle counts, unit by unit, and gives its values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnir
from pinnir.backends.fast import FastBackend
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.targets import TARGETS
from pinnir.engine import counted_core, event_run, network_run, stepped_run
from pinnir.engine.kernels import compiled as numba_kernels
from pinnir.ir.graph import Graph
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.points.streaming_order import Streaming
from pinnir.program.program import Program
from pinnir.program.reading import from_bytes
from tests.backends.networks import (
    EXAMPLES,
    RATE,
    SIGNED_RATE,
    population,
    run_core,
    same_spikes,
    small_program,
)
from tests.helpers import compiled, core_graph, points, residual_core
from tests.integer_programs import program as integer_program
from tests.networks import FAMILIES, family
from tests.program.test_program_streams import SEVERAL, streamed
from tests.strategies import core_graphs

# Rounding of sums, relative to the largest output.
ROUNDING = 1e-12
# Ramps; signed units, split in two; as they are; with other initial potentials; ramps whose maps
# were fitted to spikes unit by unit.
_SIGNED = "balance-thresholds{steps=8},quantise-activations{levels=17,rounding=zero},lower"
_RAMPS = "split-thresholds{units=3},quantise-activations{levels=9},lower"
RATES = {
    "ramps": RATE,
    "signed, split": SIGNED_RATE,
    "signed": f"{_SIGNED}{{coding=rate,steps=8}}",
    "centred": "split-thresholds{units=1},quantise-activations{levels=17,rounding=signed},"
    "lower{coding=rate,steps=8},legalise",
    "calibrated": f"{_SIGNED}{{coding=rate,steps=8}},calibrate-light,legalise",
    "refitted": f"{_RAMPS}{{coding=rate,steps=8}},refit-spikes,legalise",
}
SPLIT = ("ramps", "centred", "refitted")
EXAMPLE_PROGRAMS = sorted(path.parent.name for path in EXAMPLES.glob("*/program.nir"))


COMPILING = st.sampled_from((False,) if numba_kernels() is None else (False, True))


@pytest.fixture(params=["numpy", "numba"])
def kernels(request, monkeypatch) -> str:
    """With numpy alone, and compiled from the first point on."""
    if request.param == "numba" and numba_kernels() is None:
        pytest.skip("numba is not installed")
    worth = 0 if request.param == "numba" else 2**60
    for module in (counted_core, stepped_run):
        monkeypatch.setattr(module, "_WORTH_COMPILING", worth)
    return str(request.param)


def same_counts(core: Graph, x: Array, lines: int = 1, compiling: bool | None = None) -> None:
    """Every unit of a core fires as often, and its output is the same."""
    backends = (FastBackend(compiling=compiling), ReferenceBackend())
    (one, output), (other, expected) = (run_counted(b, core, x, lines) for b in backends)
    assert one.keys() == other.keys()
    for name, spikes in other.items():
        np.testing.assert_array_equal(one[name], spikes, err_msg=name)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(output, expected, rtol=0, atol=ROUNDING * scale)


def run_counted(
    backend: FastBackend | ReferenceBackend, core: Graph, x: Array, lines: int
) -> tuple[dict[str, Array], Array]:
    """Spikes of every unit, and the output, of a core that is run in three pieces."""
    run, counter = backend.load(core, lines), SpikeCounter()
    assert not backend.handed_over
    cuts = [len(x) // 3 // lines * lines, len(x) // 2 // lines * lines]
    pieces = [run(piece, counter) for piece in np.split(x, cuts) if len(piece)]
    return counter.spikes, np.concatenate(pieces)


def same_results(program: Program, x: Array, streaming: Streaming | None = None) -> None:
    """The program's values and figures are those of the oracle."""
    one, other = (program.run(x, name, streaming=streaming) for name in ("fast", "reference"))
    for name, spikes in other.spikes.items():
        np.testing.assert_array_equal(one.spikes[name], spikes, err_msg=name)
    scale = float(np.abs(other.outputs).max())
    np.testing.assert_allclose(one.outputs, other.outputs, rtol=0, atol=ROUNDING * scale)
    assert one.layers == other.layers
    counted = ("spikes", "synops", "energy_45nm_pj", "analog_macs", "spiking_rate", "samples")
    assert {k: one.metrics[k] for k in counted} == {k: other.metrics[k] for k in counted}


@settings(deadline=None)
@given(graph=core_graphs(), levels=st.integers(2, 200), compiling=COMPILING)
def test_population_programs_of_random_networks(graph, levels, compiling):
    core = compiled(graph, population(levels))
    same_counts(core, points(core, 200, 1), compiling=compiling)


@settings(deadline=None)
@given(
    graph=core_graphs(),
    levels=st.integers(2, 60),
    coding=st.sampled_from(("delta", "delta,events=graded", "phase")),
    lines=st.sampled_from((1, 2, 7)),
    compiling=COMPILING,
)
def test_streamed_programs_of_random_networks(graph, levels, coding, lines, compiling):
    lower = f"quantise-activations{{levels={levels}}},fixed-point,lower{{coding={coding}}}"
    core = compiled(graph, lower).streamed
    assert core is not None
    same_counts(core, points(core, 150, 1), lines, compiling)


@settings(deadline=None)
@given(graph=core_graphs(("tanh",)), pipeline=st.sampled_from(sorted(RATES)), compiling=COMPILING)
def test_rate_programs_of_random_networks(graph, pipeline, compiling):
    core = compiled(graph, RATES[pipeline])
    same_counts(core, points(core, 100, 1), compiling=compiling)


@pytest.mark.parametrize("pipeline", [population(40), *(RATES[name] for name in SPLIT)])
def test_residual_networks(pipeline, kernels):
    core = compiled(residual_core(), pipeline)
    same_counts(core, points(core, 1500, 1))


@pytest.mark.parametrize("pipeline", RATES)
def test_a_rate_core_by_itself(pipeline, kernels):
    core = compiled(core_graph(3, (2, 6, 5, 1), ("tanh", "tanh")), RATES[pipeline])
    same_counts(core, points(core, 300, 1))


@pytest.mark.parametrize("name", EXAMPLE_PROGRAMS)
def test_example_programs(name, kernels):
    program = from_bytes((EXAMPLES / name / "program.nir").read_bytes())
    covered = program.manifest["coding"] == "population"
    x = program.domain.sample(512, 5)[: None if covered else 8]
    same_results(program, x)
    assert ("handed_over" in program.run(x[:1], "fast").metrics) != covered


@pytest.mark.parametrize("coding", ["population", "delta", "phase", "rate"])
def test_programs(coding, kernels):
    program = small_program(coding)
    same_results(program, program.domain.sample(1024, 5))


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("coding", ["delta", "phase"])
def test_programs_of_many_kinds(name, coding):
    assert name in FAMILIES
    program = streamed(family(name), SEVERAL[name], coding)
    same_results(program, program.domain.sample(128, 2))


@pytest.mark.parametrize(
    ("coding", "target"),
    [
        ("population", "c"),
        ("delta", "lava"),
        ("rate", "c"),
        ("signed", "sanafe"),
    ],
)
def test_programs_in_integers_are_equal_to_the_bit(coding, target, kernels):
    program = integer_program("resnet", coding, target)
    x = program.domain.sample(512, 3)
    same_results(program, x)
    one, other = (program.run(x, name).outputs for name in ("fast", "reference"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("target", ["lava-stock", "spinnaker"])
def test_hard_reset_without_and_with_a_floor(target, kernels):
    pipeline = pipelines.for_target(pipelines.rate(6, 1), TARGETS[target])
    program = pinnir.compile(family("pfnn"), "-1:1", target=target, pipeline=pipeline)
    same_results(program, program.domain.sample(512, 3))


@pytest.mark.parametrize("lines", [1, 3, 64, 500])
def test_lines(lines, kernels):
    program = small_program("delta")
    same_results(program, program.domain.sample(1024, 4), Streaming("hilbert", lines))


@pytest.mark.parametrize("coding", ["population", "delta", "phase", "rate"])
def test_threads_and_blocks_change_nothing(coding, monkeypatch, kernels):
    (core,) = small_program(coding).running
    x = points(core, 5000, 2)
    wanted, output = SpikeCounter(), None
    for threads in (1, 3):
        counter = SpikeCounter()
        found = FastBackend(threads).load(core, 5)(x, counter)
        if output is None:
            wanted, output = counter, found
            monkeypatch.setattr(network_run, "_BLOCKS", (128, 128))
            monkeypatch.setattr(stepped_run, "_BLOCKS", (128, 128))
            continue
        np.testing.assert_array_equal(found, output)
        for name, spikes in wanted.spikes.items():
            np.testing.assert_array_equal(counter.spikes[name], spikes)


def test_who_watches_every_spike_sees_the_oracles():
    core = compiled(core_graph(0, (2, 5, 1), ("tanh",)), population(12))
    x = points(core, 30, 0)
    (one, spikes), (other, expected) = (
        run_core(core, backend, x) for backend in (FastBackend(), ReferenceBackend())
    )
    np.testing.assert_array_equal(one, other)
    assert same_spikes(spikes, expected) > 0


@pytest.mark.parametrize("pipeline", [population(300), *RATES.values()])
def test_numba_gives_the_same_bits(pipeline):
    if numba_kernels() is None:
        pytest.skip("numba is not installed")
    core = compiled(core_graph(1, (2, 20, 20, 1), ("tanh", "tanh")), pipeline)
    x = points(core, 5_000, 3)
    outputs = [FastBackend(compiling=c).load(core)(x, SpikeCounter()) for c in (False, True)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("lines", [1, 4])
@pytest.mark.parametrize("most", [-1.0, 0.02, 0.5])
def test_events_are_followed_until_too_much_changes(lines, most, monkeypatch):
    if numba_kernels() is None:
        pytest.skip("numba is not installed")
    monkeypatch.setattr(event_run, "_BLOCK", 64)
    monkeypatch.setattr(event_run, "_MOST_CHANGING", most)
    monkeypatch.setattr(counted_core, "_WORTH_COMPILING", 10_000)
    (core,) = small_program("delta").running
    smooth = np.linspace(-1, 1, 600)[:, None] * [1.0, 0.2]
    same_counts(core, np.concatenate([smooth, points(core, 200, 1)]), lines)
    same_counts(core, np.concatenate([points(core, 200, 1), smooth]), lines)


def test_handed_over():
    core = compiled(
        core_graph(0, (2, 5, 1), ("tanh",)),
        "quantise-activations{levels=9},fixed-point,lower{coding=delta,hysteresis=0.5}",
    ).streamed
    assert core is not None
    backend = FastBackend()
    x = points(core, 30, 0)
    found = backend.load(core)(x, SpikeCounter())
    assert backend.handed_over == ("delta neurons with hysteresis",)
    assert backend.points_at_once is None
    np.testing.assert_array_equal(found, ReferenceBackend().load(core)(x, SpikeCounter()))
