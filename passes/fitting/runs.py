"""A run through maps and what lies between them, and the derivatives on the way back."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pinnir.diagnosis.derivatives import bend_of
from pinnir.ir.evaluate import add
from pinnir.ir.graph import Activation, Affine, Node
from pinnir.numerics.adam import Parameters
from pinnir.numerics.matrix import Array, apply, by_weight, transposed
from pinnir.passes.fitting.operations import with_values


def maps_of(nodes: Iterable[Node], parameters: Parameters) -> dict[Node, Affine]:
    """The maps among nodes, with these parameters where they have some."""
    return {
        node: with_values(node, parameters[node.name]) if node.name in parameters else node.op
        for node in nodes
        if isinstance(node.op, Affine)
    }


@dataclass(frozen=True, eq=False)
class Run:
    """One run of nodes.

    Attributes:
        nodes: In running order.
        maps: The affine maps among them, with the parameters they have.
        values: Of every node that ran or entered, means over the steps, ``(samples, columns)``.
        slopes: Of every activation or staircase at its pre-activation, same shape.
    """

    nodes: tuple[Node, ...]
    maps: Mapping[Node, Affine]
    values: dict[Node, Array]
    slopes: dict[Node, Array] = field(default_factory=dict)

    def arriving(self, node: Node) -> Array:
        """What the node is computed from: the sum of its operands."""
        return add([self.values[operand] for operand in node.operands])

    def compute(self, node: Node) -> None:
        """The value of a map."""
        op = self.maps[node]
        self.values[node] = apply(op.weight, self.arriving(node)) + op.bias

    def with_parameters(self, node: Node, parameters: tuple[Array, Array]) -> Run:
        """The run with other parameters of a map, whose value follows; what is behind does not."""
        maps = {**self.maps, node: with_values(node, parameters)}
        run = replace(self, maps=maps)
        run.compute(node)
        return run

    def sweep(
        self, by: Mapping[Node, Array], extra: Mapping[Node, Array] | None = None
    ) -> dict[Node, Array]:
        """Derivative of a loss by every node's value, backwards.

        Args:
            by: Derivative by each value that leaves, ``(samples, columns)``.
            extra: What to add to the derivative by the pre-activation of some activations.
        """
        found, inside = dict(by), set(self.nodes)
        for node in reversed(self.nodes):
            operands = [operand for operand in node.operands if operand in inside]
            if node not in found or not operands:
                continue
            if node in self.maps:
                back = apply(transposed(self.maps[node].weight), found[node])
            else:
                back = found[node] * self.slopes[node]
                back = back + extra[node] if extra and node in extra else back
            for operand in operands:
                found[operand] = found[operand] + back if operand in found else back
        return found

    def derivatives(self, swept: Mapping[Node, Array], names: Container[str]) -> Parameters:
        """Derivatives by the parameters of these maps, from those by every node's value."""
        return {
            node.name: (
                by_weight(op.weight, swept[node], self.arriving(node)),
                swept[node].sum(axis=0),
            )
            for node, op in self.maps.items()
            if node.name in names and node in swept
        }

    def bends(self) -> dict[Node, Array]:
        """Second derivative of every activation, ``(samples, neurons)``."""
        return {
            node: bend_of(node.op, self.arriving(node), self.values[node])
            for node in self.slopes
            if isinstance(node.op, Activation)
        }


def run_maps(nodes: tuple[Node, ...], parameters: Parameters, values: Mapping[Node, Array]) -> Run:
    """A run of maps alone, with these parameters where they have some, on values that arrive."""
    run = Run(nodes, maps_of(nodes, parameters), dict(values))
    for node in nodes:
        run.compute(node)
    return run
