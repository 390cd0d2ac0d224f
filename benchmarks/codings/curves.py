"""Error against cost: programs of many sizes in every coding, on the same points."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.codings.cases import job_of
from benchmarks.codings.streams import Row, built, row_of, streamed
from pinnir.codings.signgd import SignGradientCoding
from pinnir.passes import pipelines

LEVELS = (16, 36, 64, 144, 256, 576, 1024, 2304)
# Time steps and units of rate programs, from cheap to dear.
RATES = ((8, 4), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32))
DELTA_LINES = (256, 4096)
# Time steps of sign-gradient programs; more of them leave the figure downwards.
FOLLOWING = (8, 12, 16, 20, 24)
# Of the population program beside them, which is not measured.
_BESIDE = 16
_POINTS = 1024


def curve_rows(network: str) -> Iterator[Row]:
    """Programs of every coding; delta on lines, the others on selection points."""
    points = job_of(network).combined(job_of(network).selection[:_POINTS])
    for steps, units in RATES:
        program = built(network, pipelines.rate(steps, units))
        told = program.run(points).metrics
        yield row_of(told, network, "rate", steps * units + 1, options=f"{steps} steps")
    for steps in FOLLOWING:
        program = built(network, pipelines.signgd(steps, SignGradientCoding(levels=_BESIDE)))
        told = program.run(points).metrics
        yield row_of(told, network, "signgd", 0, options=f"{steps} steps")
    for levels in LEVELS:
        for coding in ("population", "phase"):
            pipeline = getattr(pipelines, f"{coding}_refitted")(levels)
            told = built(network, pipeline).run(points).metrics
            yield row_of(told, network, coding, levels)
        delta = built(network, pipelines.delta_refitted(levels))
        yield from (streamed(delta, network, levels, length) for length in DELTA_LINES)
