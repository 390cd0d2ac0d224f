"""What a delta program costs on lines through its domain."""

from __future__ import annotations

from typing import Any

from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.points.line_points import LINE_POINTS, line_points
from pinnir.points.streaming_order import Streaming
from pinnir.program.program import Program

# Figures that differ from points to points, and with their order.
VARYING = (
    "spikes",
    "spikes_per_activation",
    "events_per_activation",
    "spiking_rate",
    "synops",
    "synops_per_mac",
    "analog_macs",
    "energy_45nm_pj",
    "energy_ratio",
    "spikes_per_point",
)


def along_lines(domain: Domain, lines: int, seed: int) -> tuple[Array, Streaming]:
    """Points on lines through a domain, and how they are streamed along these.

    Args:
        domain: The domain.
        lines: How many, one after the other; a power of two.
        seed: Says where they lie.
    """
    points = line_points(domain, lines, seed)
    return points, Streaming("given" if domain.axis_count == 1 else "hilbert")


def stream_costs(program: Program, lines: int, seed: int) -> dict[str, Any]:
    """The costs of a delta program per point of lines through its domain; of others, nothing.

    Args:
        program: The program.
        lines: How many, one after the other; a power of two.
        seed: Says where they lie.
    """
    if not program.streams:
        return {}
    points, streaming = along_lines(program.domain, lines, seed)
    told = program.run(points, streaming=streaming).metrics
    return {name: told[name] for name in VARYING} | {"line_points": LINE_POINTS}
