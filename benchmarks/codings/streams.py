"""Measure delta and phase programs: events, synaptic operations, energy, and drift."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.codings.cases import job_of, smallest
from pinnir import pipelines
from pinnir.build import assemble
from pinnir.candidates import Candidate
from pinnir.evaluate import preactivations
from pinnir.ir import Array, Staircase
from pinnir.neurons import Delta
from pinnir.order import Streaming
from pinnir.program import Program
from pinnir.proof import pooled
from pinnir.streaming import DeltaStream

# Points of a line, along the last column; in all other columns together there are about as many
# lines as this.
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
_LINES = 16
_DRIFT_GRID = 1000


@dataclass(frozen=True)
class Row:
    """Figures of one program on one set of points.

    Attributes:
        network: Its name.
        coding: Of the program.
        asked: Tolerance that the levels were chosen for.
        levels: Levels per neuron, if they were spent evenly.
        line: Points of a line, None for points in any order.
        order: Of streaming, likewise.
        error: Relative L2 error on these points.
        events: Spikes or events per activation and point.
        synops: Synaptic operations per multiply-accumulate of the network.
        energy: Of the network at 45 nm, divided by the program's.
        options: Of the coding.
    """

    network: str
    coding: str
    asked: float
    levels: int
    line: int | None
    order: str | None
    error: float
    events: float
    synops: float
    energy: float
    options: str = ""


def built(network: str, coding: str, pipeline: str, levels: int) -> Program:
    """The program of a pipeline, not measured yet."""
    return assemble(job_of(network), Candidate("given", coding, 1, levels, pipeline))


def delta_rows(network: str, tolerance: float, lengths: tuple[int, ...] = LENGTHS) -> list[Row]:
    """A delta program on lines of several lengths."""
    levels = smallest(network, tolerance, pipelines.refitted)
    program = built(network, "delta", pipelines.delta_refitted(levels), levels)
    rows = [_streamed(program, network, tolerance, levels, length) for length in lengths]
    return rows + _variants(program, network, tolerance, levels)


def _variants(program: Program, network: str, tolerance: float, levels: int) -> list[Row]:
    """Graded events, hysteresis, and the other order, on lines of 256 points."""
    changed = [("graded", {"graded": True})]
    changed += [(f"hysteresis {h:g}", {"hysteresis": h}) for h in (0.25, 0.5, 1.0)]
    rows = []
    for name, options in changed:
        other = with_neurons(program, **options)
        row = _streamed(other, network, tolerance, levels, 256)
        rows.append(replace(row, options=name))
    if len(program.domain.columns) <= 3 and program.domain.axis_count == 1:
        side = {1: 256, 2: 256, 3: 64}[len(program.domain.columns)]
        for order in ("boustrophedon", "hilbert"):
            shape = (side,) * len(program.domain.columns)
            told = program.run_grid(shape, order=order).metrics
            row = _row(told, network, "delta", tolerance, levels, side, order)
            rows.append(replace(row, options=f"grid {'x'.join(map(str, shape))}"))
    return rows


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


def _streamed(program: Program, network: str, asked: float, levels: int, length: int) -> Row:
    told = program.run_grid(shape_of(program, length), order="boustrophedon").metrics
    return _row(told, network, "delta", asked, levels, length, "boustrophedon")


def shape_of(program: Program, length: int) -> tuple[int, ...]:
    """A grid whose last column has so many points, and all others about _LINES together.

    A separable network streams every coordinate for itself: all of them have as many points.
    """
    columns = len(program.domain.columns)
    if program.domain.axis_count > 1:
        return (min(length, 256),) * (columns - 1) + (length,)
    others = max(2, round(_LINES ** (1 / max(1, columns - 1))))
    return (others,) * (columns - 1) + (length,)


def _row(
    told: dict[str, float],
    network: str,
    coding: str,
    asked: float,
    levels: int,
    line: int | None,
    order: str | None,
) -> Row:
    return Row(
        network, coding, asked, levels, line, order, told["rel_l2"],
        told["spikes_per_activation"], told["synops_per_mac"], 1 / told["energy_ratio"],
    )  # fmt: skip


def phase_row(network: str, tolerance: float) -> Row:
    """A phase program on the evaluation points."""
    levels = smallest(network, tolerance, pipelines.refitted)
    program = built(network, "phase", pipelines.phase_refitted(levels), levels)
    job = job_of(network)
    told = pooled([program.run(points) for points in job.sets(job.evaluation, 2**16)])
    return _row(told, network, "phase", tolerance, levels, None, None)


def drift(network: str, levels: int) -> tuple[int, int]:
    """Levels compared after streaming a million points along one line, and how many differ."""
    rounded = job_of(network).lower(f"{pipelines.refitted(levels)},fixed-point")
    program = built(network, "delta", pipelines.delta_refitted(levels), levels)
    (core,) = program.running
    shape = (_DRIFT_GRID, _DRIFT_GRID)
    points = program.domain.grid(shape)
    points = points[Streaming("boustrophedon", 1, shape).rows(0, points, program.domain)]
    stream, level = DeltaStream(core, 1), {}
    compared = different = 0
    with threadpool_limits(1):
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
