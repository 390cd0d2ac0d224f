"""Observe a compilation: which values of its program stand for which layer of the network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Activation, Affine, Graph, Input, Level, Neuron, Node, Staircase
from pinnir.ir.sample_axes import columns_in, layouts
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass

# Passes that change how a spiking graph is written, but nothing that it does.
_REWRITES = ("fixed-point", "split-signs", "legalise", "place")
_SPLIT = "split-thresholds"


@dataclass
class ObservedLayers:
    """Finds which values of a program stand for which layer; an observer of the passes.

    Attributes:
        context: Of the compilation.
        reference: The network that layers are compared with: the source network, or what the last
            pass that retrains made of it.
        converted: What the program does, with the names of the network's maps: the staircase
            graph for a program that equals it, else the spiking graph as it was lowered.
        program: The last graph.
        staircases: Of the last staircase graph, by name.
        splits: From the ramps of a split activation to its value, by its name.
        lowered: From populations to the value of the staircase they stand for, by its name.
    """

    context: Context
    reference: Graph = field(init=False)
    converted: Graph = field(init=False)
    program: Graph = field(init=False)
    staircases: dict[str, Staircase] = field(default_factory=dict)
    splits: dict[str, Graph] = field(default_factory=dict)
    lowered: dict[str, Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reference = self.converted = self.program = self.context.source

    def __call__(self, done: Pass, before: Graph, after: Graph, seconds: float) -> None:
        """Observe one pass."""
        self.program, after = after.executed, after.meaning
        if done.name in _REWRITES and after.level is Level.STAIRCASE:
            return
        if done.retrains:
            self.reference, self.splits = after, {}
        if done.name == _SPLIT:
            widths = {node.name: columns_in(shape) for node, shape in layouts(before).items()}
            self.splits = self._readings(done, before, widths)
        if after.level is Level.STAIRCASE:
            self.staircases = {n.name: n.op for n in after.nodes if isinstance(n.op, Staircase)}
        if after.level is Level.SPIKING and after.read_out == "last":
            return
        if before.level is Level.STAIRCASE and after.level is Level.SPIKING:
            widths = {name: op.base.size for name, op in self.staircases.items()}
            self.lowered = self._readings(done, before, widths)
        if done.name not in _REWRITES:
            self.converted = after

    def _readings(self, done: Pass, graph: Graph, widths: Mapping[str, int]) -> dict[str, Graph]:
        """How layers are read behind a pass: it is applied to identity maps behind them as well."""
        layers = [n for n in graph.nodes if n.in_core and isinstance(n.op, Activation | Staircase)]
        probes = [_identity(node, widths[node.name]) for node in layers]
        probed = done.apply(replace(graph, outputs=(*graph.outputs, *probes)), self.context)
        given = {n.name for n in probed.nodes if isinstance(n.op, Activation | Neuron)}
        read = probed.outputs[len(graph.outputs) :]
        return {
            layer.name: cut(probed, given, [node.name])
            for layer, node in zip(layers, read, strict=True)
        }

    def can_read(self, layer: Node) -> bool:
        """Whether the program has values that stand for a layer of ``reference``, and for it only.

        The layer's operands must be maps.
        """
        stair = self.staircases.get(layer.name)
        first = layer.operands[0].op
        if stair is None or not isinstance(first, Affine):
            return False
        if layer.name not in self.splits and stair.base.size != first.bias.size:
            return False
        if self.converted.level is not Level.SPIKING:
            return True
        there = {node.name: node.op for node in self.converted.nodes}
        read = self.lowered.get(layer.name)
        return read is not None and all(
            isinstance(there.get(n.name), Neuron) for n in read.nodes if isinstance(n.op, Input)
        )

    def read(self, layer: str, means: Mapping[str, Array]) -> Array:
        """Value of a layer, ``(samples, neurons)``, from the program's values.

        Args:
            layer: That can be read.
            means: Means over the time steps of every staircase or population, by name.
        """
        value = means[layer]
        if self.converted.level is Level.SPIKING:
            (value,) = evaluate(self.lowered[layer], means)
        if layer in self.splits:
            (value,) = evaluate(self.splits[layer], {layer: value})
        return value

    def units_of(self, layer: str) -> int | None:
        """Spiking units that stand for a layer; None if the program has others than these."""
        populations = {n.name: n.op for n in self.program.nodes if isinstance(n.op, Neuron)}
        owners = {name: _layer_of(name, self.staircases) for name in populations}
        if None in owners.values():
            return None
        return sum(op.units for name, op in populations.items() if owners[name] == layer)


def _identity(node: Node, columns: int) -> Node:
    """An identity map behind a node."""
    op = Affine(np.eye(columns), np.zeros(columns))
    return Node(f"{node.name} read", op, (node,), node.segment)


def cut(graph: Graph, given: Iterable[str], wanted: Iterable[str]) -> Graph:
    """The part of a graph that computes the ``wanted`` values from the ``given`` ones."""
    names = set(given)
    new: dict[str, Node] = {}
    for node in graph.nodes:
        if node.name in names:
            new[node.name] = Node(node.name, Input())
        else:
            new[node.name] = node.with_operands(*(new[operand.name] for operand in node.operands))
    return replace(graph, inputs=(), outputs=tuple(new[name] for name in wanted))


def _layer_of(population: str, layers: Iterable[str]) -> str | None:
    """Codings name populations after their staircase."""
    name = re.sub(r"(_(coarse|fine)(_g\d+)?|_start)$", "", population)
    return next((one for one in (population, name) if one in layers), None)
