"""Passes, pipelines and the manager that runs them.

A pass takes a graph that obeys the rules of its level and returns a new one that does too;
between the two it may build whatever it likes. Its dataclass fields are its options. Dumping,
diffing, timing and measuring are observers' work, not the passes'.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np

from pinnir.checkpoint import Checkpoints
from pinnir.domain import Domain
from pinnir.errors import PinnirError, PipelineError
from pinnir.ir import Array, Graph, Level
from pinnir.registry import imported, look_up
from pinnir.target import Target
from pinnir.verify import verify


@dataclass(frozen=True)
class Context:
    """What passes may look at besides the graph.

    Attributes:
        source: The tensor graph that calibrating passes compare layers with.
        calibration: Points of the domain to fit on, ``(samples, columns)``.
        target: What the program is compiled for.
        seed: Of every random choice.
        domain: Where more points may be drawn; None if the calibration points are all there are.
        retrained: The network after a pass that trained it, whose layers later passes compare
            with; its outputs are still compared with ``source``.
        progress: Told what a long pass is doing.
        checkpoints: Where a long pass keeps its state.
    """

    source: Graph
    calibration: Array
    target: Target
    seed: int = 0
    domain: Domain | None = None
    retrained: Graph | None = None
    progress: Callable[[str], None] = lambda text: None
    checkpoints: Checkpoints = field(default_factory=Checkpoints)

    @property
    def layers(self) -> Graph:
        """The network that layers are compared with."""
        return self.retrained or self.source

    def key(self, current: Pass) -> str:
        """What the state of a pass depends on, besides the graph it is given."""
        points = hashlib.sha256(self.calibration.tobytes()).hexdigest()
        return f"{current} {self.seed} {self.domain} {points}"

    def fresh(self, count: int, round_: int) -> Array:
        """Points to fit on, ``(count, columns)``: new ones of the domain, and some on its faces.

        Without a domain they are chosen from the calibration points.

        Args:
            count: How many.
            round_: Different rounds give different points.
        """
        seed = int(np.random.SeedSequence([self.seed, round_]).generate_state(1)[0])
        rng = np.random.default_rng(seed)
        if self.domain is None:
            return self.calibration[rng.integers(len(self.calibration), size=count)]
        whole = 1 << (count - 1).bit_length()  # Sobol points come in powers of two
        points = self.domain.sample(whole, seed)[:count]
        faces = self.domain.boundary(max(2, whole // 64), seed)
        share = min(len(faces), count // 8)
        points[rng.permutation(count)[:share]] = faces[rng.permutation(len(faces))[:share]]
        return points


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


_ITEM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)")


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """Passes of a pipeline string such as ``"fuse-affine,lower{coding=rate}"``.

    Raises:
        PipelineError: If the text is malformed or names an unknown pass or option.
    """
    passes: list[Pass] = []
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise PipelineError(
                f"malformed pipeline at character {position}: {text[position : position + 20]!r}",
                hint='write "pass{option=value},pass"',
            )
        passes.append(make_pass(match[1], _parse_options(match[1], match[2] or "")))
        position = match.end()
    if not passes:
        raise PipelineError("the pipeline is empty", hint='write "pass{option=value},pass"')
    return tuple(passes)


def _parse_options(name: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = item.partition("=")
        if not equals:
            raise PipelineError(f"option {item!r} has no value", node=name, op="pass")
        options[key.strip().replace("-", "_")] = value.strip()
    return options


def pass_class(name: str) -> type[Pass]:
    """The pass of that name, imported on demand.

    Raises:
        PipelineError: If there is none.
    """
    from pinnir.passes import PASSES

    found: type[Pass] = imported(look_up(PASSES, name, "pass", PipelineError))
    return found


def make_pass(name: str, options: dict[str, str]) -> Pass:
    """A pass from its name and its options as text.

    Raises:
        PipelineError: If the pass or an option is unknown, or a value cannot be read.
    """
    cls = pass_class(name)
    hints = get_type_hints(cls)
    known = [one.name for one in fields(cls)]
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise PipelineError(
                f"has no option {key!r}", node=name, op="pass",
                hint=f"its options are {', '.join(known) or 'none'}",
            )  # fmt: skip
        values[key] = _convert(name, key, text, hints[key])
    return cls(**values)


def _convert(name: str, key: str, text: str, kind: Any) -> Any:
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        if text in choices:
            return text
        expected = "one of " + ", ".join(choices)
    elif kind is bool:
        if text in ("true", "false"):
            return text == "true"
        expected = "true or false"
    else:
        try:
            return kind(text)
        except ValueError:
            expected = {int: "a whole number", float: "a number"}.get(kind, str(kind))
    raise PipelineError(f"option {key}={text!r} must be {expected}", node=name, op="pass")


def describe(name: str) -> tuple[str, Sequence[str]]:
    """First line of a pass's docstring and its options as ``name=default``, for listings."""
    cls = pass_class(name)
    summary = (cls.__doc__ or "").strip().splitlines()[0]
    return summary, [f"{one.name}={one.default}" for one in fields(cls)]
