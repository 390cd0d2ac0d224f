"""A spiking core with every map in one of two forms, to be rounded and cut into stages.

1. A *direct* map reads populations or the core's input.
2. A *copying* map reads direct maps only, and gives each of its units one of their sums, with a
   sign: its entries are -1, 0 and 1, at most one a row.

Every other map is multiplied out into direct maps, one a source. What the core computes stays the
same but for the rounding of those products.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pinnir.backends.recording import populations
from pinnir.base.errors import LegalizeError
from pinnir.ir.graph import Affine, Graph, Input, Neuron, Node, width
from pinnir.mapping.multiplied_out import multiplied_out
from pinnir.neurons import IF, HardResetIF, Threshold
from pinnir.numerics.matrix import Array, Matrix, dense, entries


def canonical(core: Graph) -> Graph:
    """The core with direct and copying maps only.

    Raises:
        LegalizeError: If it holds neurons other than unsigned integrate-and-fire and threshold
            units, or its input leaves it without passing a neuron.
    """
    for node in populations(core):
        _check_neuron(node)
    builder = _Builder(core.inputs[0])
    (sink,) = (builder.of(output) for output in core.outputs)
    if not reads(sink):
        raise sink.error(LegalizeError, "does not depend on any neuron")
    return replace(core, outputs=(sink,))


def is_direct(node: Node) -> bool:
    """Whether a map reads populations or the input."""
    return not any(isinstance(operand.op, Affine) for operand in node.operands)


def reads(node: Node) -> tuple[Node, ...]:
    """Populations, and the input, that a population's or map's value depends on."""
    found: dict[Node, None] = {}
    for operand in node.operands:
        if not isinstance(operand.op, Affine):
            found[operand] = None
        elif np.any(entries(operand.op.weight)):
            found |= dict.fromkeys(reads(operand))
    if isinstance(node.op, Affine) and not np.any(entries(node.op.weight)):
        return ()
    return tuple(found)


def _check_neuron(node: Node) -> None:
    op, problem, hint = node.op, "", ""
    if isinstance(op, HardResetIF):
        problem = "forgets at a spike, and the stock form's memory takes the threshold off"
        hint = "compile with --target nir, or use the plain files of export --target nir"
    elif not isinstance(op, IF | Threshold):
        problem = "no NIR reader has such a neuron"
        hint = "write the population program of equal values instead"
    elif isinstance(op, IF) and op.signed:
        problem, hint = "no NIR reader has a signed neuron", "run the pass split-signs first"
    elif isinstance(op, IF) and np.any(op.bias):
        problem = "no NIR reader has a constant current in a neuron"
        hint = "run the pass legalise first"
    if problem:
        raise node.error(LegalizeError, problem, hint)


@dataclass(eq=False)
class _Builder:
    """Rebuilds a core from its output backwards; nodes that are not needed are left out."""

    entry: Node
    known: dict[Node, Node] = field(default_factory=dict)
    known_parts: dict[Node, tuple[Node, ...]] = field(default_factory=dict)

    def of(self, node: Node) -> Node:
        """The new node in place of the input, a population, or the map that leaves the core."""
        if node not in self.known:
            if isinstance(node.op, Input):
                self.known[node] = node
            elif isinstance(node.op, Neuron):
                operands = tuple(part for o in node.operands for part in self.parts(o))
                self.known[node] = Node(node.name, node.op, operands, node.segment)
            else:
                self.known[node] = self._sink(node)
        return self.known[node]

    def parts(self, node: Node) -> tuple[Node, ...]:
        """Direct maps, or one copying map, whose sum a map's value is."""
        if node not in self.known_parts:
            self.known_parts[node] = self._parts(node)
        return self.known_parts[node]

    def _parts(self, node: Node) -> tuple[Node, ...]:
        op = node.op_as(Affine)
        if not np.any(entries(op.weight)):
            constant = Affine(np.zeros((op.bias.size, width(self.entry))), op.bias)
            return (Node(node.name, constant, (self.entry,), node.segment),)
        if is_direct(node):
            return (node.with_operands(*map(self.of, node.operands)),)
        if _is_copying(op.weight):
            operands = tuple(part for o in node.operands for part in self.parts(o))
            if all(map(is_direct, operands)):
                return (node.with_operands(*operands),)
        return self._multiplied_out(node, *multiplied_out(node))

    def _sink(self, node: Node) -> Node:
        """The read-out: a map that copies a sum of direct maps."""
        matrices, bias = multiplied_out(node)
        if any(isinstance(s.op, Input) and np.any(matrix) for s, matrix in matrices.items()):
            raise node.error(
                LegalizeError,
                "the core's input goes around all neurons, which no chain of populations does",
                "use the plain files of export --target nir",
            )
        parts = self._multiplied_out(node, matrices, np.zeros_like(bias))
        return Node(node.name, Affine(np.eye(bias.size), bias), parts, node.segment)

    def _multiplied_out(
        self, node: Node, matrices: dict[Node, Array], bias: Array
    ) -> tuple[Node, ...]:
        """A direct map for each source; the first one takes the bias."""
        found: list[Node] = []
        for source, matrix in matrices.items():
            op = Affine(matrix, np.zeros_like(bias) if found else bias)
            name = f"{node.name}_of_{source.name}"
            found.append(Node(name, op, (self.of(source),), node.segment))
        return tuple(found)


def _is_copying(weight: Matrix) -> bool:
    values = dense(weight)
    return bool(np.isin(values, (-1.0, 0.0, 1.0)).all() and (values != 0).sum(axis=1).max() <= 1)
