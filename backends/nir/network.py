"""The stock variants of a program's cores, what enters each of them, and what the oracle says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pinnir.backends.nir.stock.stock import Stock, stock
from pinnir.base.errors import LegalizeError
from pinnir.ir.evaluate import Observer, evaluate
from pinnir.ir.graph import Graph, Neuron, Node
from pinnir.numerics.matrix import Array
from pinnir.program.program import Program
from pinnir.program.simulators import Backend, CoreRunner

# Points on which the range of every core's input is seen.
_POINTS, _SEED = 1024, 0


@dataclass(frozen=True, eq=False)
class StockProgram:
    """A program whose cores are replaced by their stock variants.

    Attributes:
        program: The program, without the streamed form of its cores.
        cores: The stock variant of every core, by segment label; a core without one runs as it is.
    """

    program: Program
    cores: dict[str, Stock]

    def run(self, points: Array) -> tuple[Array, dict[str, Array]]:
        """The oracle's values on points, and what enters the cores.

        Args:
            points: Of the program's domain, ``(samples, columns)``.

        Returns:
            Outputs ``(samples, outputs)``, and by segment label the core's input on its grid.
        """
        labels = {s.core: s.label for s in self.program.segments if s.core is not None}
        own = {core: self.cores[label] for core, label in labels.items() if label in self.cores}
        oracle = _Oracle(own)
        outputs, _ = self.program.run_cores(points, oracle)
        return outputs, {labels[core]: np.concatenate(x) for core, x in oracle.entering.items()}


def stock_program(program: Program) -> StockProgram:
    """Make the stock variant of every core.

    Phase and delta programs are written as the population programs of equal values.

    Raises:
        LegalizeError: If a core cannot be written so, or there is none.
    """
    plain = replace(
        program, segments=tuple(replace(segment, streamed=None) for segment in program.segments)
    )
    if not plain.cores:
        raise LegalizeError("the program has no spiking core")
    _, entering = StockProgram(plain, {}).run(program.domain.sample(_POINTS, _SEED))
    found = {
        segment.label: stock(segment.core, np.abs(entering[segment.label]).max(axis=0))
        for segment in plain.segments
        if segment.core is not None
    }
    return StockProgram(plain, found)


def expected(core: Stock, x: Array) -> tuple[Array, dict[str, Array]]:
    """What the oracle gives for a core's input on its grid.

    Returns:
        Output ``(samples, columns)``, and spikes ``(steps, samples, units)`` by population.
    """
    graph = core.rounded.graph
    spikes: dict[str, list[Array]] = {}

    def keep(step: int, node: Node, value: Array) -> None:
        if isinstance(node.op, Neuron):
            spikes.setdefault(node.name, []).append(value)

    (output,) = evaluate(graph, {graph.inputs[0].name: x}, keep)
    return output, {name: np.stack(found) for name, found in spikes.items()}


class _Oracle(Backend):
    """A backend that notes what enters the cores, and runs stock variants in their place.

    Attributes:
        variants: By core; other cores run as they are.
        entering: What entered, by core.
    """

    def __init__(self, variants: Mapping[Graph, Stock]) -> None:
        self.variants, self.entering = variants, dict[Graph, list[Array]]()

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        own = self.variants.get(core)
        graph = core if own is None else own.rounded.graph
        entering = self.entering.setdefault(core, [])

        def run(x: Array, observe: Observer) -> Array:
            entering.append(x if own is None else own.rounded.points(x))
            (output,) = evaluate(graph, {graph.inputs[0].name: entering[-1]}, observe)
            return output

        return run
