"""What the passes that train must all do: never harm, repeat, go on from where they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pinnir.base.errors import ProgramFileError
from pinnir.base.targets import TARGETS
from pinnir.ir.graph import Graph
from pinnir.pipeline.checkpoints import Checkpoints
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass
from pinnir.points.domain import Domain
from tests.helpers import points, weights_of


class InterruptionError(Exception):
    """What stops a pass in the middle of its work."""


def where(source: Graph, samples: int = 256, **fields) -> Context:
    """A context with the cube [-1, 1] as the domain."""
    wide = sum(node.op.width for node in source.inputs)
    names = tuple(f"x{column}" for column in range(wide))
    axes = tuple(node.op.axis for node in source.inputs for _ in range(node.op.width))
    box = Domain(names, -np.ones(wide), np.ones(wide), axes if any(axes) else ())
    return Context(source, points(source, samples, 0), TARGETS["nir"], domain=box, **fields)


def assert_resumes(current: Pass, graph: Graph, source: Graph, folder: Path, after: int) -> None:
    """Stopped after its so-many-th report, then started again: the same bytes, and less work."""
    whole: list[str] = []
    wanted = current.apply(graph, where(source, progress=whole.append))

    def stop(text: str) -> None:
        told.append(text)
        if len(told) == after:
            raise InterruptionError

    told: list[str] = []
    saved = where(source, progress=stop, checkpoints=Checkpoints(folder))
    with pytest.raises(InterruptionError):
        current.apply(graph, saved)
    rest: list[str] = []
    found = current.apply(graph, replace(saved, progress=rest.append))
    assert told == whole[:after]
    assert rest[-1] == whole[-1]
    assert weights_of(found) == weights_of(wanted)
    assert weights_of(current.apply(graph, replace(saved, progress=rest.append))) == weights_of(
        wanted
    )


def assert_refuses_damage(current: Pass, graph: Graph, source: Graph, folder: Path) -> None:
    """Every state file that is read, one after the other; a result stands for all before it."""
    saved = where(source, checkpoints=Checkpoints(folder))
    current.apply(graph, saved)
    for path in sorted(folder.iterdir()):
        states = {other: other.read_bytes() for other in folder.iterdir() if other != path}
        data = path.read_bytes()
        path.write_bytes(data[:100])
        for other in states:
            other.unlink()
        with pytest.raises(ProgramFileError, match="cannot be read") as caught:
            current.apply(graph, saved)
        assert str(path) in caught.value.message
        for other, state in {path: data, **states}.items():
            other.write_bytes(state)


def assert_deterministic(current: Pass, graph: Graph, source: Graph) -> None:
    """And another seed gives another network."""
    one, other, third = (
        weights_of(current.apply(graph, where(source, seed=seed))) for seed in (0, 0, 1)
    )
    assert one == other != third
