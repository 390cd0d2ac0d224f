"""How fast programs run: the fast backend against ONNX Runtime and against the reference backend.

``python -m benchmarks.speed`` writes ``docs/speed.md``. All ratios are of runs that took turns in
one process, on one thread, in CPU seconds.
"""

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import pinnir
from benchmarks.common import EXAMPLES, ONE_CORE, table, third_party_cases, write_page
from pinnir.backends.fast import FastBackend
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.targets import TARGETS
from pinnir.base.threads import one_thread
from pinnir.engine.kernels import compiled
from pinnir.engine.staircase_graph import run_staircases
from pinnir.frontend.reader import import_bytes
from pinnir.ir.evaluate import evaluate
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import PassManager
from pinnir.program.program import Program
from pinnir.program.running import chunk_of
from pinnir.program.simulators import Backend, find_backend

DOMAIN = "x=-1:1,t=0:1"
# Points.
POINTS, RATE_POINTS, REFERENCE_POINTS = 40_960, 2_048, 2_048
NORSE_POINTS = 512
STEPS = 32
LINES, ALONG = 8, 4_096
DELTA_LEVELS = 156
LEVELS, STAIRCASE_POINTS = 169, 8_192
ROUNDS = 7

_HEAD = f"""# Measured: speed

Written by `python -m benchmarks.speed`. One thread, CPU seconds, median of {ROUNDS} rounds in
which all took turns; the machine had other work, so single values move by 15 % and ratios by less.
*k points/s* are thousands of points in a CPU second of a core that is loaded; *tables* is what
loading it takes besides, once a run. ONNX Runtime runs the source network in float32. *Of ONNX
Runtime* is its speed divided by that of the program, *of reference* the program's speed divided by
the reference backend's on the same points. In every row all spikes of every unit are equal to the
reference's (*spikes*: how many were counted), and outputs differ by no more than
*output* times the largest one. Separable examples, whose programs are several cores, are left out.
"""

Run = Callable[[], object]


@dataclass(frozen=True)
class Speeds:
    """Thousands of points in a CPU second, by what ran, in each round."""

    rounds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Speed of one."""
        return float(np.median(self.rounds[name]))

    def ratio(self, one: str, other: str) -> float:
        """Speed of one as a multiple of the other's, the median over the rounds."""
        pairs = zip(self.rounds[one], self.rounds[other], strict=True)
        return float(np.median([a / b for a, b in pairs]))


def measured(runs: Mapping[str, tuple[Run, int]]) -> Speeds:
    """Run all in turns; each is given with the points that it runs."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, (run, points) in runs.items():
            begun = time.process_time()
            run()
            found[name].append(points / (time.process_time() - begun) / 1e3)
    return Speeds({name: own[1:] for name, own in found.items()})  # the first round warms up


def fast_backends() -> dict[str, FastBackend]:
    """With numpy alone, and with Numba if it is there."""
    found = {"numpy": FastBackend(1, compiling=False)}
    if importlib.util.find_spec("numba") is not None:
        found["numba"] = FastBackend(1, compiling=True)
    return found


def core_run(backend: Backend, program: Program, x: Array, lines: int) -> Run:
    """A program's only core in chunks as a run takes them; loaded anew if it keeps state."""
    (core,) = program.running
    loaded = backend.load(core, lines)
    size = chunk_of([core], backend.points_at_once) // lines * lines
    pieces = np.split(x, np.arange(size, len(x), size))

    def run() -> None:
        runner = backend.load(core, lines) if program.streams else loaded
        for piece in pieces:
            runner(piece, SpikeCounter())

    return run


def network_run(model: Path, x: Array) -> Run:
    """The source network by ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    inputs = session.get_inputs()
    columns = np.split(x.astype(np.float32), len(inputs), axis=1)
    given = {one.name: part for one, part in zip(inputs, columns, strict=True)}
    return lambda: session.run(None, given)


def row(name: str, program: Program, model: Path, x: Array, lines: int = 1) -> list[object]:
    """Figures of one program on points ``(points, columns)``."""
    few = x if program.streams else x[:REFERENCE_POINTS]
    runs = {
        "network": (network_run(model, x), len(x)),
        "reference": (core_run(ReferenceBackend(), program, few, lines), len(few)),
    }
    backends = fast_backends()
    for kind, backend in backends.items():
        runs[kind] = (core_run(backend, program, x, lines), len(x))
    with one_thread():
        speeds = measured(runs)
        begun = time.process_time()
        FastBackend(1).load(replace(program.running[0]), lines)  # tables stay with their graph
        loading = time.process_time() - begun
        spikes, apart = compared(program, few, lines)
    return [*cells_of(name, speeds), f"{1e3 * loading:.0f} ms", f"{spikes:,}", f"{apart:.0e}"]


def cells_of(name: str, speeds: Speeds) -> list[object]:
    """Speed of the network, and of both fast backends with their ratios."""
    cells: list[object] = [name, f"{speeds.median('network'):,.4g}"]
    for kind in ("numpy", "numba"):
        if kind not in speeds.rounds:
            cells += ["-", "-", "-"]
            continue
        cells += [
            f"{speeds.median(kind):,.3g}",
            f"{speeds.ratio('network', kind):.1f}",
            f"{speeds.ratio(kind, 'reference'):.1f}",
        ]
    return cells


def compared(program: Program, x: Array, lines: int) -> tuple[int, float]:
    """Spikes that all backends count alike, and how far apart outputs are.

    Raises:
        AssertionError: If a unit's spikes differ.
    """
    (core,) = program.running
    counter = SpikeCounter()
    expected = ReferenceBackend().load(core, lines)(x, counter)
    apart = 0.0
    for backend in fast_backends().values():
        own = SpikeCounter()
        found = backend.load(core, lines)(x, own)
        apart = max(apart, float(np.abs(found - expected).max() / np.abs(expected).max()))
        for name, spikes in counter.spikes.items():
            assert np.array_equal(own.spikes[name], spikes), f"{program}: {name}"
    return int(sum(spikes.sum() for spikes in counter.spikes.values())), apart


def _uniform(program: Program, count: int) -> Array:
    domain = program.domain
    return np.random.default_rng(0).uniform(domain.low, domain.high, (count, len(domain.columns)))


def _population() -> list[list[object]]:
    rows = []
    for name in ONE_CORE:
        program = pinnir.read(EXAMPLES / name / "program.nir")
        rows.append(row(name, program, EXAMPLES / name / "model.onnx", _uniform(program, POINTS)))
    return rows


def _others() -> list[list[object]]:
    """Programs of networks trained by others, which have host parts: whole runs."""
    rows = []
    for case in third_party_cases():
        program = pinnir.compile(case.model, case.domain)
        x = _uniform(program, POINTS)
        few = x[:REFERENCE_POINTS]
        runs: dict[str, tuple[Run, int]] = {
            "network": (network_run(case.model, x), len(x)),
            "reference": (partial(program.run_cores, few, ReferenceBackend()), len(few)),
        }
        for kind, backend in fast_backends().items():
            runs[kind] = (partial(program.run_cores, x, backend), len(x))
        with one_thread():
            speeds = measured(runs)
        rows.append(cells_of(case.name, speeds))
    return rows


def norse_row(name: str, program: Program) -> list[object]:
    """The Norse backend, which is imported only here, beside the others."""
    norse = find_backend("norse")
    few, many = _uniform(program, NORSE_POINTS), _uniform(program, RATE_POINTS)
    runs = {
        "norse": (core_run(norse, program, few, 1), len(few)),
        "reference": (core_run(ReferenceBackend(), program, few, 1), len(few)),
    }
    for kind, backend in fast_backends().items():
        runs[kind] = (core_run(backend, program, many, 1), len(many))
    with one_thread():
        speeds = measured(runs)
    others = [kind for kind in ("reference", "numpy", "numba") if kind in runs]
    ratios = {kind: f"{speeds.ratio(kind, 'norse'):.3g}" for kind in others}
    shown = [ratios.get(kind, "-") for kind in ("reference", "numpy", "numba")]
    return [name, f"{speeds.median('norse'):.2g}", *shown]


def _norse() -> list[list[object]]:
    model = EXAMPLES / "burgers" / "model.onnx"
    population = pinnir.read(EXAMPLES / "burgers" / "program.nir")
    rate = pinnir.compile(model, DOMAIN, pipeline=pipelines.rate(STEPS, 8))
    return [
        norse_row("population", population),
        norse_row(f"rate, {STEPS} steps, 8 ramps a neuron", rate),
    ]


def _rate() -> list[list[object]]:
    model = EXAMPLES / "burgers" / "model.onnx"
    stock = TARGETS["lava-stock"]
    made: dict[str, dict[str, Any]] = {
        "8 ramps a neuron": {"pipeline": pipelines.rate(STEPS, 8)},
        "one signed unit, split": {"pipeline": pipelines.rate_signed(STEPS)},
        "two units, hard reset": {
            "pipeline": pipelines.for_target(pipelines.rate(STEPS, 2), stock),
            "target": stock.name,
        },
    }
    rows = []
    for name, ask in made.items():
        program = pinnir.compile(model, DOMAIN, **ask)
        rows.append(row(name, program, model, _uniform(program, RATE_POINTS)))
    return rows


def _delta() -> list[list[object]]:
    model = EXAMPLES / "burgers" / "model.onnx"
    pipeline = pipelines.delta_refitted(DELTA_LEVELS)
    program = pinnir.compile(model, DOMAIN, target="programmable", pipeline=pipeline)
    times, places = np.linspace(0, 1, LINES), np.linspace(-1, 1, ALONG)
    x = np.stack([np.repeat(places, LINES), np.tile(times, ALONG)], axis=1)
    name = f"burgers, {DELTA_LEVELS} levels, {LINES} lines of {ALONG:,} points"
    return [row(name, program, model, x, LINES)]


def _staircases() -> list[list[object]]:
    """Staircase networks, as searches try them: the oracle, and tables."""
    rows: list[list[object]] = []
    for name in ("burgers", "poisson"):
        model = import_bytes((EXAMPLES / name / "model.onnx").read_bytes())
        domain = pinnir.read(EXAMPLES / name / "program.nir").domain
        context = Context(model.graph, domain.sample(1024, 0), TARGETS["nir"], 0)
        graph = PassManager(pipelines.staircase(LEVELS)).run(model.graph, context)
        x = domain.sample(STAIRCASE_POINTS, 1)
        given = graph.bind(x)
        runs: dict[str, tuple[Run, int]] = {
            "oracle": (partial(evaluate, graph, given), len(x)),
            "numpy": (partial(run_staircases, graph, given), len(x)),
        }
        loops = compiled()
        if loops is not None:
            runs["numba"] = (partial(run_staircases, graph, given, kernels=loops), len(x))
        with one_thread():
            speeds = measured(runs)
        apart = np.abs(run_staircases(graph, given)[0] - evaluate(graph, given)[0]).max()
        cells: list[object] = [name, f"{speeds.median('oracle'):,.3g}"]
        for kind in ("numpy", "numba"):
            there = kind in runs
            cells.append(f"{speeds.median(kind):,.3g}" if there else "-")
            cells.append(f"{speeds.ratio(kind, 'oracle'):.1f}" if there else "-")
        rows.append([*cells, f"{apart:.0e}"])
    return rows


def main() -> None:
    """Measure, and write the page."""
    headings = ["", "ONNX Runtime, k points/s"]
    for kind in ("numpy", "numba"):
        headings += [f"{kind}, k points/s", "of ONNX Runtime", "of reference"]
    headings += ["tables", "spikes", "output"]
    write_page(
        "speed.md",
        _HEAD,
        f"## Population programs of the examples, {POINTS:,} points\n",
        table(headings, _population()),
        f"## Programs of networks trained by others, {POINTS:,} points\n",
        "Whole runs, host parts included; tables are there already.\n",
        table(headings[:-3], _others()),
        f"## Rate programs of Burgers, {STEPS} steps, {RATE_POINTS:,} points\n",
        table(headings, _rate()),
        f"## Norse on programs of Burgers, {NORSE_POINTS:,} points\n",
        table(["", "Norse, k points/s", "reference, of Norse", "numpy", "numba"], _norse()),
        "## Delta programs\n",
        table(headings, _delta()),
        f"## Staircase networks of {LEVELS} levels, {STAIRCASE_POINTS:,} points\n",
        _STAIRCASES,
        table(
            ["", "oracle, k points/s", "numpy", "of oracle", "numba", "of oracle", "apart"],
            _staircases(),
        ),
        _FOOT,
    )


_STAIRCASES = """\
`run_staircases` in `compiler/engine/staircase_graph.py` against `evaluate`. The oracle looks
levels up in tables too; when it searched boundaries instead it took 2.7 times as long on Burgers,
and the reference backend 1.3 times on the delta program.
"""

_FOOT = """## How it works, and what is equal

`compiler/engine/` derives, from the units of a core as they are in the file, the numbers at which
a unit of a neuron changes as the neuron's pre-activation rises (`threshold_units.py`). Between two
of them all units of the neuron are known, so a layer is one product of matrices, one table that
finds the interval (`compiler/numerics/bucket_table.py`), and a count of how often each interval
was found, from which the spikes of every unit follow. Delta and phase neurons hold their staircase
in the file. Rate units run layer by layer over all steps. Every other unit and coding, delta
neurons with hysteresis, and whoever wants to see every spike, get the reference backend.

Sums are added up in another order than in the oracle. So outputs differ by rounding, and a unit
fires differently where a pre-activation lies within rounding of the number at which it changes;
changes less than 32 roundings of the largest number in a unit's sum apart are taken for one. Sums
of whole numbers, in delta, phase and integer programs, are equal to the last bit, and so are the
pre-activations of layers that read what enters only. Numba changes no bit.

## What was tried

Nanoseconds are of one neuron (a look-up with its count) or of one unit in one step, Burgers.

| what | way | figure |
|---|---|---|
| look-up, numpy | a layer at once | 6.6 to 7.6 ns |
| | neuron by neuron, blocks of 1,024 / 8,192 points | 15 / 7.2 ns |
| | ONNX Runtime by it, function_regression, blocks of 16 / 32 to 320 thousand | 11.5 / 9.4 to 9.6 |
| look-up, Numba | one loop a neuron | 4.2 ns, 4.8 with a loop for crowded cells |
| | a simple loop for each operation | 2.9 ns |
| | the same with unsigned places | 1.9 ns |
| rate units, Numba | rows of arrays as views | 2.9 ns, 7.9 times the reference |
| | places, spikes of every sample kept | 0.45 ns, 12 times |
| | places, spikes added up in a register | 0.33 ns, 16 to 18 times |
| rate units, numpy | all units of a layer, step by step | 2.1 times the reference |
| delta, numpy | all levels multiplied | 2.6 times the reference |
| delta, Numba | all levels multiplied | 5.0 times |
| | event by event, flags for eight neurons, table | 5.9 times |
| | event by event, one interval to the next | 7.2 times |
| Norse | all nodes in turn, step by step | population 5.3, rate 0.46 k points/s |
| | layer by layer, no reset of a state that nobody reads | 1.3 and 1.2 times |
| | copies as look-ups of columns | slower than products with zeros |
| | copies multiplied by neuron, into memory that stays | 1.3 and 1.6 to 1.9 times |

The reference backend takes time for every unit, the fast one for every neuron: of programs that
take fewer units it is ahead by less.

Without Numba, rate programs stay far from 15 times the reference: every unit and step is about
eight passes over memory, as it is there. With hard reset most of the time goes into products of
dense maps that have no ramps to share, which the reference backend computes as well. Sign-gradient
programs are left to the reference backend: on Burgers at T = 64 the activations themselves take
37 % of its time, clipping their arguments 10 % and products 11 %.

Three times the speed of Norse as it was is not reached: on Burgers at 32 steps a third of the time
goes into products of all ramps and half into the eight passes over memory that a call of Norse's
cell makes for every unit and step.

Two threads share blocks of points. How much they gain could not be measured: on the machine, busy
with other work, two threads of nothing but matrix products took 1.06 to 1.21 times as long as one.
What stays outside the threads bounds the gain to 1.7 (population, numpy), 1.6 (Numba) and 1.9 to
2.0 (rate).
"""


if __name__ == "__main__":
    main()
