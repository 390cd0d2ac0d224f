"""Passes, pipelines and the manager that runs them.

A pass takes a graph that obeys the rules of its level and returns a new one that does too;
between the two it may build whatever it likes. Its dataclass fields are its options. Dumping,
diffing, timing and measuring are observers' work, not the passes'.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeAlias

from pinnir.base.errors import PinnirError, PipelineError
from pinnir.ir.graph import Graph, Level
from pinnir.ir.rules import check_rules
from pinnir.pipeline.context import Context
from pinnir.pipeline.options import (
    Limits,
    check_limits,
    defaults,
    no_such_option,
    read_options,
    written_options,
)


@dataclass(frozen=True)
class Pass:
    """Base of all passes.

    Attributes:
        name: Kebab-case name in pipelines.
        accepts: The levels of graph it takes.
        limits: Name, smallest and largest value of numeric options.
        spelled: Options that a pipeline's text names even where they have their default value.
        retrains: Whether the layers' values change on purpose, so that later passes compare layers
            with those of this pass's result.
    """

    name: ClassVar[str]
    accepts: ClassVar[tuple[Level, ...]]
    limits: ClassVar[Limits] = ()
    spelled: ClassVar[tuple[str, ...]] = ()
    retrains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.limits:
            check_limits(self, self.limits, self.name)

    @classmethod
    def of(cls, options: dict[str, str]) -> Self:
        """The pass with these options, given as text.

        Raises:
            PipelineError: If there is no such option, or a value cannot be read.
        """
        known = [one.name for one in fields(cls)]
        for key in options:
            if key not in known:
                raise no_such_option(cls.name, key, known)
        return cls(**read_options(cls, options, cls.name))

    @classmethod
    def options(cls) -> list[str]:
        """All options as ``name=default``, for listings."""
        return defaults(cls)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Return the transformed graph; ``graph`` itself is not changed."""
        raise NotImplementedError

    def written(self, *, spelled: bool) -> list[tuple[str, Any]]:
        """Name and value of options that are no defaults, and if asked of those to be spelled."""
        return written_options(self, self.spelled if spelled else ())

    @classmethod
    def refusal(cls, problem: str, hint: str) -> PipelineError:
        """An error that names the pass."""
        return PipelineError(problem, node=cls.name, op="pass", hint=hint)

    def __str__(self) -> str:
        return _call(self.name, [f"{key}={value}" for key, value in self.written(spelled=False)])

    def in_pipeline(self) -> str:
        """Its text in a pipeline, which can be read again."""
        options = self.written(spelled=True)
        return _call(self.name, [f"{k.replace('_', '-')}={_told(v)}" for k, v in options])


def _call(name: str, options: list[str]) -> str:
    return f"{name}{{{','.join(options)}}}" if options else name


def _told(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


Passes: TypeAlias = tuple[Pass, ...]


def pipeline_text(passes: Passes) -> str:
    """A pipeline as text, which ``passes/parsing.py`` reads."""
    return ",".join(one.in_pipeline() for one in passes)


# (pass, before, after, seconds)
PassObserver = Callable[[Pass, Graph, Graph, float], None]


@dataclass(frozen=True)
class PassManager:
    """Runs passes in order, verifies after each, then calls the observers."""

    passes: Passes
    observers: tuple[PassObserver, ...] = ()

    def run(self, graph: Graph, context: Context) -> Graph:
        """The graph after all passes.

        Raises:
            PipelineError: If a pass gets a graph of the wrong level.
            PinnirError: What a pass or the verifier raises, with a note of where.
        """
        check_rules(graph)
        for index, current in enumerate(self.passes):
            try:
                before, started = graph, time.perf_counter()
                _check_level(current, before)
                graph = current.apply(before, context)
                seconds = time.perf_counter() - started
                check_rules(graph)
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
        problem = f"takes a {wanted} graph, not a {graph.level.value} graph"
        raise current.refusal(problem, "check the order of the pipeline")
