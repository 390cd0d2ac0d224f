"""Whether the fast backend does what the oracle does: ``python -m benchmarks.equality``.

It writes ``docs/equality.md`` and ends with an error if anything differs. *Unit outputs* are the
spikes of one unit for one sample: the oracle's are seen as they are sent, the fast backend's are
its counts when it is given one sample. *Levels* are those of one neuron for one sample, of delta
programs, whose sums are whole numbers.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import pinnir
from benchmarks.common import EXAMPLES, ONE_CORE, table, write_page
from benchmarks.growth import network
from benchmarks.speed import fast_backends
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.targets import TARGETS
from pinnir.base.threads import one_thread
from pinnir.engine.kernels import PLAIN, compiled
from pinnir.engine.network_run import NetworkRun
from pinnir.engine.planning import layered_core
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.metrics.spikes import SpikeCounter
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.program.program import Program

SQUARE = "x=-1:1,y=-1:1"
COMPILED = {"burgers": "x=-1:1,t=0:1", "poisson": SQUARE}
# How many random networks, and their width and depth.
RANDOM, RANDOM_SIZE = 3, (24, 3)
# Unit outputs of all programs together, and levels.
UNIT_OUTPUTS, LEVELS = 10**8, 10**9
_BLOCK = 4096

_HEAD = """# Measured: equality

Written by `python -m benchmarks.equality`: the fast backend against the oracle, sample by sample
on random points. *Unit outputs* are the spikes of one unit for one sample, over all its steps;
*levels* those of one neuron for one sample. The command ends with an error if any differs.
"""


@dataclass(frozen=True)
class Ask:
    """A program to compare.

    Attributes:
        name: On the page.
        program: Of one core.
    """

    name: str
    program: Program

    @property
    def core(self) -> Graph:
        """What runs."""
        (core,) = self.program.running
        return core

    @property
    def units(self) -> int:
        """Of all populations."""
        return sum(node.op.units for node in self.core.nodes if isinstance(node.op, Neuron))

    def points(self, seed: int, count: int) -> Array:
        """Random points of its domain."""
        domain = self.program.domain
        generator = np.random.default_rng(seed)
        return generator.uniform(domain.low, domain.high, (count, len(domain.columns)))


def asked() -> Iterator[Ask]:
    """Programs of all codings that the engine runs: of examples and of random networks."""
    for name in ONE_CORE:
        yield Ask(f"{name}, population", pinnir.read(EXAMPLES / name / "program.nir"))
    models: dict[str, tuple[Any, str]] = {
        name: (EXAMPLES / name / "model.onnx", domain) for name, domain in COMPILED.items()
    }
    models |= {f"random {seed}": (network(*RANDOM_SIZE, seed), SQUARE) for seed in range(RANDOM)}
    stock = TARGETS["lava-stock"]
    hard = pipelines.for_target(pipelines.rate(32, 2), stock)
    made: dict[str, dict[str, Any]] = {
        "population": {"pipeline": pipelines.population(96)},
        "phase": {"pipeline": pipelines.phase(128), "target": "programmable"},
        "delta": {"pipeline": pipelines.delta(128), "target": "programmable"},
        "rate": {"pipeline": pipelines.rate(32, 8)},
        "signed rate, split": {"pipeline": pipelines.rate_signed(32)},
        "rate, hard reset": {"pipeline": hard, "target": stock.name},
    }
    for model, (source, domain) in models.items():
        for coding, options in made.items():
            yield Ask(f"{model}, {coding}", pinnir.compile(source, domain, **options))


class PerSample:
    """An observer that keeps the spikes of every unit for every sample, over all steps."""

    def __init__(self) -> None:
        self.spikes: dict[str, Array] = {}

    def __call__(self, step: int, node: Node, value: Array) -> None:
        """Add one step of one node."""
        if isinstance(node.op, Neuron):
            own = node.op.events(value)
            self.spikes[node.name] = self.spikes.get(node.name, 0.0) + own


def compare_units(ask: Ask, samples: int) -> tuple[int, int]:
    """Unit outputs that were compared on every backend, and how many differ on any of them."""
    x = ask.points(1, samples)
    oracle = ReferenceBackend().load(ask.core)
    loaded = []
    for backend in fast_backends().values():
        loaded.append(backend.load(ask.core))
        assert not backend.handed_over, f"{ask.name} is handed over: {backend.handed_over}"
    compared = differ = 0
    for start in range(0, samples, _BLOCK // 16):
        part, expected = x[start : start + _BLOCK // 16], PerSample()
        oracle(part, expected)
        wrong = {name: np.zeros(value.shape, bool) for name, value in expected.spikes.items()}
        for run in loaded:
            for row in range(len(part)):
                counter = SpikeCounter()
                run(part[row : row + 1], counter)
                for name, value in expected.spikes.items():
                    wrong[name][row] |= counter.spikes[name] != value[row]
        compared += sum(one.size for one in wrong.values())
        differ += sum(int(one.sum()) for one in wrong.values())
    return compared, differ


class Changes:
    """An observer that keeps the changes of level of every neuron, ``(samples, neurons)``."""

    def __init__(self) -> None:
        self.nodes: list[Array] = []

    def __call__(self, step: int, node: Node, value: Array) -> None:
        """Keep what one layer sent."""
        if isinstance(node.op, Neuron):
            self.nodes.append(value)


def compare_levels(ask: Ask, levels: int) -> tuple[int, int]:
    """Levels that were compared on every backend, and how many differ on any of them."""
    network = layered_core(ask.core)
    network = replace(network, leaving=tuple(layer.target for layer in network.layers))
    kernels = [one for one in (PLAIN, compiled()) if one is not None]
    run, oracle = NetworkRun(network), ReferenceBackend().load(ask.core)
    before: Sequence[Array] = [np.zeros((1, layer.table.rows)) for layer in network.layers]
    compared = differ = seed = 0
    while compared < levels:
        seed += 1
        x, changes = ask.points(seed, _BLOCK), Changes()
        oracle(x, changes)
        expected = [
            last[-1:] + np.cumsum(c, axis=0) for last, c in zip(before, changes.nodes, strict=True)
        ]
        found = [run([x], one, counting=False)[0] for one in kernels]
        for number, level in enumerate(expected):
            wrong = np.any([level != own[number] for own in found], axis=0)
            compared, differ = compared + wrong.size, differ + int(wrong.sum())
        before = expected
    return compared, differ


def main() -> None:
    """Compare, and write the page."""
    begun, rows, total = time.process_time(), [], [0, 0, 0, 0]
    with one_thread():
        programs = list(asked())
        samples = -(-UNIT_OUTPUTS // sum(one.units for one in programs))
        streams = [one for one in programs if one.program.streams]
        for ask in programs:
            units = compare_units(ask, samples)
            levels = (0, 0)
            if ask.program.streams:
                levels = compare_levels(ask, -(-LEVELS // len(streams)))
            total = [a + b for a, b in zip(total, (*units, *levels), strict=True)]
            shown = [f"{value:,}" for value in (ask.units, *units, *levels)]
            rows.append([ask.name, *shown])
            print(rows[-1], round(time.process_time() - begun), flush=True)
    rows.append(["all", "", *(f"{value:,}" for value in total)])
    minutes = (time.process_time() - begun) / 60
    headings = ["program", "units", "unit outputs", "differ", "levels", "differ"]
    foot = f"With {' and '.join(fast_backends())}, in {minutes:.0f} CPU minutes.\n"
    write_page("equality.md", _HEAD, table(headings, rows), foot)
    if total[1] or total[3]:
        raise SystemExit("the fast backend differs from the oracle")


if __name__ == "__main__":
    main()
