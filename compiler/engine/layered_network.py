"""A staircase network as the engine runs it: sums, and layers that give every neuron its number.

Values stand in *slots*, arrays ``(columns, samples)``. A layer's number in an interval of its
pre-activation is its level, counted from wherever it pleases whoever made the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinnir.engine.threshold_units import UnitRuns
from pinnir.ir.graph import Node
from pinnir.neurons import Delta
from pinnir.numerics.bucket_table import BucketTable
from pinnir.numerics.matrix import Array


@dataclass(frozen=True, eq=False)
class Term:
    """What a slot adds to a sum.

    Attributes:
        source: The slot.
        weight: ``(rows, columns)``; or what each row is multiplied by, ``(rows, 1)``, if the slot
            is added as it is (``mapped`` is False).
        mapped: Whether the weight is a matrix.
    """

    source: int
    weight: Array
    mapped: bool = True


@dataclass(frozen=True, eq=False)
class Sum:
    """Adds up terms.

    Attributes:
        target: Slot of the result.
        terms: What is added, those that are mapped first.
        bias: ``(rows,)``.
    """

    target: int
    terms: tuple[Term, ...]
    bias: Array

    @cached_property
    def extended(self) -> Array:
        """The first weight with the bias as its last column, for a slot that ends in ones."""
        return np.ascontiguousarray(np.column_stack([self.terms[0].weight, self.bias]))


@dataclass(frozen=True, eq=False)
class Layer:
    """Neurons that send the number of the interval that their pre-activation lies in.

    Attributes:
        source: Slot of the pre-activations, scaled for the table.
        target: Slot of the numbers.
        table: Finds the interval.
        numbers: Of every interval, counted over all neurons.
        node: What the graph has in its place, if that is one node.
        runs: The threshold units that fire in these intervals.
    """

    source: int
    target: int
    table: BucketTable
    numbers: Array
    node: Node | None = None
    runs: tuple[UnitRuns, ...] = ()

    @property
    def changing(self) -> bool:
        """Whether its neurons send what their numbers change by."""
        return self.node is not None and isinstance(self.node.op, Delta)

    @property
    def graded(self) -> bool:
        """Whether a change of its numbers is one event, however large."""
        return self.node is not None and isinstance(self.node.op, Delta) and self.node.op.graded


@dataclass(frozen=True, eq=False)
class LayeredNetwork:
    """Sums and layers in running order.

    Attributes:
        columns: Of every slot.
        entering: Slots of the values that enter.
        operations: What is computed, in this order.
        leaving: Slots of the values that leave.
    """

    columns: tuple[int, ...]
    entering: tuple[int, ...]
    operations: tuple[Sum | Layer, ...]
    leaving: tuple[int, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers."""
        return tuple(one for one in self.operations if isinstance(one, Layer))

    @property
    def neurons(self) -> int:
        """Of all layers."""
        return sum(layer.table.rows for layer in self.layers)

    @cached_property
    def buffers(self) -> dict[int, int]:
        """Numbers for the slots, so that slots of one number are never needed at once."""
        last: dict[int, int] = {}
        for place, one in enumerate(self.operations):
            read = [term.source for term in one.terms] if isinstance(one, Sum) else [one.source]
            last |= dict.fromkeys((*read, one.target), place)
        last |= dict.fromkeys(self.leaving, len(self.operations))
        found = {slot: number for number, slot in enumerate(self.entering)}
        free: list[int] = []
        count = len(found)
        for place, one in enumerate(self.operations):
            if not free:
                free.append(count)
                count += 1
            found[one.target] = free.pop()
            free += [found[slot] for slot in found if last.get(slot) == place]
        return found


def as_numbers(values: np.ndarray) -> Array:
    """Whole numbers of any kind as floating-point ones."""
    return np.asarray(values, np.float64)
