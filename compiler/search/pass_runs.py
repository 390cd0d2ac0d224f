"""What pipelines gave, pass by pass, so that what pipelines begin with in common is run once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from pinnir.ir.graph import Affine, Graph, Staircase
from pinnir.numerics.matrix import entries
from pinnir.pipeline.manager import Passes

# Numbers of weights and boundaries that are kept, in all.
_MOST_KEPT = 2**25


class Ran(NamedTuple):
    """A pass that was run: what it gave, and the seconds that it took."""

    graph: Graph
    seconds: float


@dataclass(frozen=True)
class PassRuns:
    """The last pipelines of a compilation, as many as fit into memory; always the very last."""

    _known: dict[Passes, tuple[Ran, ...]] = field(default_factory=dict)
    _sizes: dict[Passes, int] = field(default_factory=dict)

    def begun(self, passes: Passes) -> tuple[Ran, ...]:
        """What is known of the first passes of a pipeline."""
        found: tuple[Ran, ...] = ()
        for known, runs in self._known.items():
            pairs = zip(passes, known, strict=False)
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            found = runs[:common] if common > len(found) else found
        return found

    def keep(self, passes: Passes, runs: Sequence[Ran]) -> None:
        """Remember a pipeline; the oldest ones make room."""
        self._known.pop(passes, None)
        self._known[passes] = tuple(runs)
        self._sizes[passes] = _size(runs)
        while sum(self._sizes.values()) > _MOST_KEPT and len(self._known) > 1:
            oldest = next(iter(self._known))
            del self._known[oldest], self._sizes[oldest]


def _size(runs: Sequence[Ran]) -> int:
    ops = {id(node.op): node.op for ran in runs for node in ran.graph.nodes}
    weights = sum(entries(op.weight).size for op in ops.values() if isinstance(op, Affine))
    return weights + sum(op.boundaries.size for op in ops.values() if isinstance(op, Staircase))
