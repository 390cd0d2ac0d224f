"""Names of new nodes: what is wished for, or that with a number where another node has it."""

from __future__ import annotations

from collections.abc import Iterable

from pinnir.ir.graph import Graph


class Names:
    """The names that are taken, and new ones.

    Args:
        taken: Names that nothing new may have.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    @classmethod
    def of(cls, graph: Graph) -> Names:
        """The names of a graph's nodes."""
        return cls(node.name for node in graph.nodes)

    def fresh(self, wish: str) -> str:
        """The name that is wished for, or ``wish_2`` and so on; from now on it is taken."""
        name, number = wish, 1
        while name in self._taken:
            number += 1
            name = f"{wish}_{number}"
        self._taken.add(name)
        return name
