"""What a search of one family of programs promises.

It may be asked again: after a program failed on the evaluation points, or because the cheapest
program of another family did, so that dearer ones are of interest now.
"""

from __future__ import annotations

from typing import Protocol

from pinnir.program.frontier import Point

# What a program costs, and between equals its synaptic operations.
Rank = tuple[float, float]


class FamilySearch(Protocol):
    """Proposes programs of one family."""

    def propose(self, bound: Rank) -> Point | None:
        """The cheapest sufficient program, or None if none is known to be cheaper than ``bound``.

        The same one again until :meth:`failed` is told of it.
        """
        ...

    def failed(self, one: Point, error: float) -> None:
        """Tell that a proposed program had this error (its bound) on the evaluation points."""
        ...
