"""Passes, pipelines and the manager that runs them.

A pass takes a graph that obeys the rules of its level and returns a new one that does too;
between the two it may build whatever it likes. Its dataclass fields are its options. Dumping,
diffing, timing and measuring are observers' work, not the passes'.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from pinnir.base.errors import PinnirError, PipelineError
from pinnir.ir.graph import Graph, Level
from pinnir.ir.verify import verify
from pinnir.pipeline.context import Context


@dataclass(frozen=True)
class Pass:
    """Base of all passes.

    Attributes:
        name: Kebab-case name in pipelines.
        accepts: The levels of graph it takes.
        limits: Name, smallest and largest value of numeric options.
        retrains: Whether the layers' values change on purpose, so that later passes compare layers
            with those of this pass's result.
    """

    name: ClassVar[str]
    accepts: ClassVar[tuple[Level, ...]]
    limits: ClassVar[tuple[tuple[str, float, float], ...]] = ()
    retrains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for key, low, high in self.limits:
            value = getattr(self, key)
            if not low <= value <= high:
                raise PipelineError(
                    f"option {key}={value} must lie between {low:g} and {high:g}",
                    node=self.name,
                    op="pass",
                )

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Return the transformed graph; ``graph`` itself is not changed."""
        raise NotImplementedError

    def __str__(self) -> str:
        options = [(one.name, getattr(self, one.name)) for one in fields(self)]
        changed = [
            f"{name}={value}"
            for (name, value), one in zip(options, fields(self), strict=True)
            if value != one.default
        ]
        return f"{self.name}{{{','.join(changed)}}}" if changed else self.name


# (pass, before, after, seconds)
PassObserver = Callable[[Pass, Graph, Graph, float], None]


@dataclass(frozen=True)
class PassManager:
    """Runs passes in order, verifies after each, then calls the observers."""

    passes: tuple[Pass, ...]
    observers: tuple[PassObserver, ...] = ()

    def run(self, graph: Graph, context: Context) -> Graph:
        """The graph after all passes.

        Raises:
            PipelineError: If a pass gets a graph of the wrong level.
            PinnirError: What a pass or the verifier raises, with a note of where.
        """
        verify(graph)
        for index, current in enumerate(self.passes):
            try:
                before, started = graph, time.perf_counter()
                _check_level(current, before)
                graph = current.apply(before, context)
                seconds = time.perf_counter() - started
                verify(graph)
                if current.retrains:
                    context = replace(context, retrained=graph)
            except PinnirError as error:
                done = ", ".join(str(one) for one in self.passes[:index]) or "the frontend"
                error.add_note(f"in pass {current} after {done}")
                raise
            for observer in self.observers:
                observer(current, before, graph, seconds)
        return graph


def _check_level(current: Pass, graph: Graph) -> None:
    if graph.level not in current.accepts:
        wanted = " or ".join(level.value for level in current.accepts)
        raise PipelineError(
            f"takes a {wanted} graph, not a {graph.level.value} graph",
            node=current.name,
            op="pass",
            hint="check the order of the pipeline",
        )
