"""Graphs that readers are given, and what should come out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import nir

from ir_examples.build import DOMAINS, ROOT
from pinnir import compile as compile_network
from pinnir import read as read_program
from pinnir.backends.nir.network import StockProgram, expected, stock_program
from pinnir.backends.nir.reader_process import ReaderJob
from pinnir.ir.evaluate import evaluate
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.pipeline.manager import Passes
from pinnir.program.nir_graph import to_nir
from pinnir.program.program import Program

POINTS = 16


@dataclass(frozen=True, eq=False)
class Case:
    """A graph and its truth.

    Attributes:
        name: Good for files.
        about: One line.
        job: The graph, its input, and how long to run.
        truth: Output ``(samples, columns)`` after :attr:`decode`, or of all steps.
        decode: From outputs of all steps ``(steps, samples, columns)`` to what counts.
        spikes: For each population its NIR node, its units there, and its spikes
            ``(steps, samples, units)``.
    """

    name: str
    about: str
    job: ReaderJob
    truth: Array
    decode: Callable[[Array], Array] = lambda outputs: outputs
    spikes: dict[str, tuple[str, slice, Array]] = field(default_factory=dict)


def last(outputs: Array) -> Array:
    """What a population program's output is."""
    return outputs[-1]


def mean(outputs: Array) -> Array:
    """What a rate program's output is."""
    value: Array = outputs.mean(axis=0)
    return value


def program_cases() -> list[Case]:
    """Programs of two examples, plain and stock."""
    found: list[Case] = []
    for example, rate in (
        ("function_regression", pipelines.rate(16, 4)),
        ("poisson", pipelines.rate(32, 8)),
    ):
        population = read_program(ROOT / example / "program.nir")
        found += _both(f"{example}_population", population)
        found += _both(f"{example}_rate", _compiled(example, rate))
    signed = _compiled("function_regression", pipelines.rate_signed(16))
    return found + _both("function_regression_signed", signed)


def _compiled(example: str, pipeline: Passes) -> Program:
    return compile_network(ROOT / example / "model.onnx", DOMAINS[example], pipeline=pipeline)


def _both(name: str, program: Program) -> list[Case]:
    """The plain core and the stock variant of a program of one core, on the same points."""
    stocks = stock_program(program)
    _, entering = stocks.run(program.domain.sample(POINTS, 1))
    ((label, x),) = entering.items()
    return [_plain(name, stocks, x), _stock(name, stocks, label, x)]


def _plain(name: str, stocks: StockProgram, x: Array) -> Case:
    (core,) = stocks.program.cores
    decode = mean if core.read_out == "mean" else last
    (truth,) = evaluate(core, {core.inputs[0].name: x})
    # A plain program's step is one unit of time.
    job = ReaderJob(written(to_nir({"core.1": core})), x, core.steps, dt=1.0)
    return Case(f"{name}_plain", f"{_spelt(name)}, plain", job, truth, decode)


def _stock(name: str, stocks: StockProgram, label: str, x: Array) -> Case:
    core = stocks.cores[label]
    truth, spikes = expected(core, x)
    decode = last if core.chain.settles else mean
    job = ReaderJob(core.to_bytes(), x, core.chain.steps)
    units = {
        population: (node, slice(first, end), spikes[population])
        for population, (node, first, end) in core.places().items()
    }
    return Case(f"{name}_stock", f"{_spelt(name)}, **stock**", job, truth, decode, units)


def _spelt(name: str) -> str:
    example, _, coding = name.rpartition("_")
    kind = "rate, split signs" if coding == "signed" else coding
    return f"{example.replace('_', ' ')}, {kind}"


def written(graph: nir.NIRGraph) -> bytes:
    """The file of a graph."""
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    return buffer.getvalue()
