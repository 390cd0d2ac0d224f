"""What a coding is: a frozen dataclass that lowers graphs, and whose fields are its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pinnir.ir.graph import Graph, Level
from pinnir.pipeline.context import Context
from pinnir.pipeline.options import Limits, check_limits


@dataclass(frozen=True)
class Coding:
    """Base of all codings; ``lower{coding=NAME,...}`` is a pass with one of them.

    Attributes:
        name: As the command line spells it.
        takes: Level of the graphs that it lowers.
        length: Its number of steps in words, where they cannot be chosen.
        neurons_must: What neurons must be able to do that NIR cannot say: only targets with
            programmable neurons run such a coding. Empty for the others.
        limits: Name, smallest and largest value of numeric options.
    """

    name: ClassVar[str]
    takes: ClassVar[Level] = Level.STAIRCASE
    length: ClassVar[str] = "one step"
    neurons_must: ClassVar[str] = ""
    limits: ClassVar[Limits] = ()

    def __post_init__(self) -> None:
        check_limits(self, self.limits, "lower")

    @property
    def levels_beside(self) -> int:
        """Levels of the population program beside it; 0 if there is none, or it comes with it."""
        return 0

    def lower(self, graph: Graph, context: Context, steps: int) -> Graph:
        """The spiking graph.

        Args:
            graph: Of the level ``takes``, after ``gather-synapses``.
            context: Of the pass; it holds the calibration points.
            steps: Time steps T of one inference, where they can be chosen.

        Raises:
            LegalizeError: If the coding cannot say the graph.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name
