"""A core on a chip whose spikes take a step: groups of units, and the synapses between them.

Populations begin one after the other (``mapping/chip_steps.py``). A last group that never fires
adds up what leaves the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnir.ir.graph import Node, width
from pinnir.mapping.chip_steps import after, first_steps, waiting
from pinnir.mapping.flat_units import FlatCore, FlatPopulation, flatten
from pinnir.mapping.integer_cores import IntegerCore, Whole

SUMS = "sums"


@dataclass(frozen=True, eq=False)
class ChipGroup:
    """Units that begin together.

    Attributes:
        name: In the network.
        node: The population, or None.
        begin: Step of the chip in which they begin.
        steps: How many steps are theirs.
        threshold: ``(units,)``; here and below in the network's numbers.
        potential: To begin with, for an input of zeros, ``(units,)``.
        from_input: What one of every input adds, ``(units, inputs)``.
    """

    name: str
    node: Node | None
    begin: int
    steps: int
    threshold: NDArray[Any]
    potential: NDArray[Any]
    from_input: Whole

    @property
    def units(self) -> int:
        """How many units."""
        return self.threshold.size


Group = TypeVar("Group", bound=ChipGroup)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one group to another.

    Attributes:
        source: Name of the group that fires.
        target: Name of the group that listens.
        delay: Steps from a spike to its arrival.
        weight: ``(target units, source units)``, whole numbers; 0 is no synapse.
    """

    source: str
    target: str
    delay: int
    weight: Whole


@dataclass(frozen=True, eq=False)
class ChipNetwork(Generic[Group]):
    """A core as a chip runs it.

    Attributes:
        groups: In running order, last the sums that leave.
        projections: Between them.
    """

    groups: tuple[Group, ...]
    projections: tuple[Projection, ...]

    @property
    def steps(self) -> int:
        """Steps of the chip until the sums are there."""
        return self.groups[-1].begin + self.groups[-1].steps


@dataclass(frozen=True, eq=False)
class SteppedCore:
    """A core of units and synapses that take a step.

    Attributes:
        whole: The core.
        most_waiting: Steps that a synapse can make a spike wait, beyond the one that any takes.
    """

    whole: IntegerCore
    most_waiting: int

    @cached_property
    def flat(self) -> FlatCore:
        """Its units and synapses."""
        return flatten(self.whole)

    @cached_property
    def begin(self) -> dict[Node, int]:
        """Step in which each population begins."""
        return first_steps(self.flat)

    @cached_property
    def names(self) -> dict[Node, str]:
        """What the populations' groups are called."""
        return {one.node: f"p{number}" for number, one in enumerate(self.flat.populations)}

    def arriving(self, one: FlatPopulation) -> list[Projection]:
        """Synapses to a population.

        Raises:
            LegalizeError: If one would have to wait for too long.
        """
        name, begin = self.names[one.node], self.begin[one.node]
        found = [
            self._projection(source, name, begin, weight, one.node)
            for source, weight in one.synapses.items()
        ]
        if one.feedback is not None:
            found.append(Projection(name, name, 1, one.feedback))
        return found

    def _projection(
        self, source: Node, target: str, begin: int, weight: Whole, node: Node
    ) -> Projection:
        waits = waiting(begin, self.begin[source], self.most_waiting, node)
        return Projection(self.names[source], target, 1 + waits, weight)

    def leaving(self) -> tuple[int, Whole, Whole, list[Projection]]:
        """What the group of sums adds up.

        Returns:
            Step in which it begins, current for one of every input ``(columns, inputs)``, current
            of every step besides ``(columns,)``, and the synapses to it.

        Raises:
            LegalizeError: As :meth:`arriving`.
        """
        (entry,), (end,) = self.whole.core.inputs, self.whole.core.outputs
        arriving, bias = self.flat.sums
        from_input = arriving.pop(entry, np.zeros((bias.size, width(entry)), np.int64))
        begin = after(self.begin, arriving)
        found = [
            self._projection(source, SUMS, begin, weight, end)
            for source, weight in arriving.items()
        ]
        return begin, from_input, bias, found
