"""What a delta program costs on lines through its domain."""

from __future__ import annotations

from typing import Any

from pinnir.points.line_points import LINE_POINTS, line_points
from pinnir.points.streaming_order import Streaming
from pinnir.program.program import Program

# Figures that depend on the order of the points.
_COSTS = (
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


def stream_costs(program: Program, lines: int, seed: int) -> dict[str, Any]:
    """The costs of a delta program per point of lines through its domain; of others, nothing.

    Args:
        program: The program.
        lines: How many, one after the other; a power of two.
        seed: Says where they lie.
    """
    if not program.streams:
        return {}
    points = line_points(program.domain, lines, seed)
    order = "given" if program.domain.axis_count == 1 else "hilbert"
    told = program.run(points, streaming=Streaming(order)).metrics
    return {name: told[name] for name in _COSTS} | {"line_points": LINE_POINTS}
