"""Measure delta and phase programs: events, synaptic operations, energy, and drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.codings.cases import job_of, smallest
from pinnir.base.threads import one_thread
from pinnir.ir.evaluate import preactivations
from pinnir.ir.graph import Staircase
from pinnir.neurons import Delta
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.pipeline.manager import Passes
from pinnir.points.streaming_order import Streaming
from pinnir.program.program import Program
from pinnir.program.streamed_cores import DeltaStream
from pinnir.search.build import assemble, pooled
from pinnir.search.candidates import given

# Points of a line; in all other columns together there are about as many lines as _LINES.
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
_LINES = 16
_HYSTERESIS = (0.25, 0.5, 1.0)
# On long lines, where the steps of the layers before move deep neurons back and forth.
_LONG, _SMALL_HYSTERESIS = 4096, 0.1
# Levels are chosen on the selection points; on the points of a grid the error may be larger.
_MARGIN = 0.9
_DRIFT_GRID = 1000


@dataclass(frozen=True)
class Row:
    """Figures of one program on one set of points.

    Attributes:
        network: Its name.
        coding: Of the program.
        levels: Levels per neuron, if they were spent evenly; 0 if neurons have none.
        error: Relative L2 error on these points.
        events: Spikes or events per activation and point.
        synops: Synaptic operations per multiply-accumulate of the network.
        energy: Of the network at 45 nm, divided by the program's.
        asked: Tolerance that the levels were chosen for, None if they were given.
        line: Points of a line, None for points in any order.
        order: Of streaming, likewise.
        along: Column that lines run along, likewise.
        options: Of the coding, or the grid.
    """

    network: str
    coding: str
    levels: int
    error: float
    events: float
    synops: float
    energy: float
    asked: float | None = None
    line: int | None = None
    order: str | None = None
    along: str | None = None
    options: str = ""


def built(network: str, passes: Passes) -> Program:
    """The program of a pipeline, not measured yet."""
    return assemble(job_of(network), given(passes))


def delta_rows(
    network: str, tolerance: float, lengths: tuple[int, ...] = LENGTHS, *, variants: bool = True
) -> list[Row]:
    """A delta program on lines of several lengths along every column, and with other options."""
    levels = smallest(network, _MARGIN * tolerance, _streamed_staircase)
    program = built(network, pipelines.delta_refitted(levels))
    columns = range(len(program.domain.columns)) if program.domain.axis_count == 1 else [0]
    rows = [
        streamed(program, network, levels, length, column)
        for column in columns
        for length in lengths
    ]
    rows += _variants(program, network, levels) if variants else []
    return [replace(row, asked=tolerance) for row in rows]


def _streamed_staircase(levels: int) -> str:
    return pipelines.refitted(levels, tidy=pipelines.STREAMED_TIDY)


def _variants(program: Program, network: str, levels: int) -> list[Row]:
    """Graded events, hysteresis on short and long lines, both orders on a square grid."""
    changed: list[tuple[str, dict[str, object]]] = [("graded", {"graded": True})]
    changed += [(f"hysteresis {h:g}", {"hysteresis": h}) for h in _HYSTERESIS]
    rows = [
        replace(streamed(with_neurons(program, **options), network, levels, 256), options=name)
        for name, options in changed
    ]
    rows.append(late_row(program, network, levels))
    side = {2: 256, 3: 64}.get(len(program.domain.columns))
    if side is not None and program.domain.axis_count == 1:
        shape = (side,) * len(program.domain.columns)
        for order in ("boustrophedon", "hilbert"):
            told = program.run_grid(shape, order=order).metrics
            grid = f"grid {'x'.join(map(str, shape))}"
            rows.append(row_of(told, network, "delta", levels, order=order, options=grid))
    return rows


def late_row(program: Program, network: str, levels: int) -> Row:
    """A small hysteresis on long lines."""
    late = with_neurons(program, hysteresis=_SMALL_HYSTERESIS)
    options = f"hysteresis {_SMALL_HYSTERESIS:g}, lines of {_LONG:,}"
    return replace(streamed(late, network, levels, _LONG), options=options)


def with_neurons(program: Program, **options: object) -> Program:
    """The program with other options of its delta neurons."""
    segments = tuple(
        replace(
            one,
            streamed=one.streamed
            and one.streamed.rewrite(
                lambda node: (
                    node.with_op(replace(node.op, **options))
                    if isinstance(node.op, Delta)
                    else node
                )
            ),
        )
        for one in program.segments
    )
    return replace(program, segments=segments)


def streamed(program: Program, network: str, levels: int, length: int, column: int = -1) -> Row:
    """A delta program on lines of so many points along a column, as one stream there and back.

    Of a separable network every coordinate is a stream for itself, so one line along all of them
    says what it costs; the error is that of the field.
    """
    domain = program.domain
    if domain.axis_count > 1:
        told = program.run(np.linspace(domain.low, domain.high, length)).metrics
        field = program.run(job_of(network).combined(job_of(network).selection)).metrics
        told |= {"rel_l2": field["rel_l2"]}
        return row_of(told, network, "delta", levels, line=length, along="every axis")
    others = max(2, round(_LINES ** (1 / max(1, len(domain.columns) - 1))))
    shape = [others] * len(domain.columns)
    shape[column] = length
    told = program.run_grid(tuple(shape), order="boustrophedon").metrics
    along = domain.columns[column]
    return row_of(told, network, "delta", levels, line=length, order="boustrophedon", along=along)


def row_of(told: Mapping[str, Any], network: str, coding: str, levels: int, **more: Any) -> Row:
    """The row of a run's metrics."""
    return Row(
        network,
        coding,
        levels,
        told["rel_l2"],
        told["spikes_per_activation"],
        told["synops_per_mac"],
        1 / told["energy_ratio"],
        **more,
    )


def phase_row(network: str, tolerance: float) -> Row:
    """A phase program on the evaluation points."""
    levels = smallest(network, _MARGIN * tolerance, pipelines.refitted)
    program = built(network, pipelines.phase_refitted(levels))
    job = job_of(network)
    told = pooled([program.run(points) for points in job.sets(job.evaluation, 2**16)])
    return row_of(told, network, "phase", levels, asked=tolerance)


def drift(network: str, levels: int) -> tuple[int, int]:
    """Levels compared after streaming a million points along one line, and how many differ."""
    rounded = job_of(network).lower(f"{_streamed_staircase(levels)},fixed-point")
    program = built(network, pipelines.delta_refitted(levels))
    (core,) = program.running
    shape = (_DRIFT_GRID, _DRIFT_GRID)
    points = program.domain.grid(shape)
    points = points[Streaming("boustrophedon", 1, shape).rows(0, points, program.domain)]
    stream, level = DeltaStream(core, 1), {}
    compared = different = 0
    with one_thread():
        for part in np.array_split(points, 100):
            seen: dict[str, Array] = {}
            stream(part, lambda step, node, value: seen.__setitem__(node.name, value))  # noqa: B023
            for (name, events), (own, z) in zip(
                seen.items(), preactivations(rounded, rounded.bind(part)).items(), strict=True
            ):
                op, neuron = rounded.node(own).op, core.node(name).op
                assert isinstance(op, Staircase) and isinstance(neuron, Delta)
                found = level.get(name, neuron.staircase.base) + np.cumsum(events, axis=0)
                level[name] = found[-1]
                compared += found.size
                different += int((found != op.levels(z)).sum())
    return compared, different
