"""How large a program will be and what making it takes, told before the work.

A staircase program of ``L`` levels has about ``2 sqrt(L) - 2`` units a neuron and ``L`` lateral
synapses. What a weight, a unit and a lateral synapse take in memory, bytes and seconds is fitted to
``docs/growth.json`` (``python -m benchmarks.growth --fit``); ``docs/growth.md`` says how far off
predictions are. Only what is predicted to need clearly more than there is, is refused.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pinnir.base.errors import SizeError
from pinnir.base.files import LARGEST
from pinnir.metrics.source_cost import SourceCost
from pinnir.program.frontier import Candidate
from pinnir.search.candidates import Family, Size, level_counts

# What a program takes for: itself, a weight, a unit, a lateral synapse.
MEMORY_BYTES = (1.15e8, 167.0, 7530.0, 73.0)
FILE_BYTES = (2e4, 29.0, 16.3, 6.9)
CPU_SECONDS = (1.56, 1.92e-5, 7.6e-5, 1.5e-5)
# Predictions beyond a limit by this factor are refused: they are off by less.
SLACK = 1.5
_MOST_SECONDS = 24 * 3600.0
# Levels that ``pinnir check`` tells sizes of.
TOLD = (64, 256, 1024)
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class PredictedSize:
    """What one program is predicted to take.

    Attributes:
        levels: A neuron's; 0 where neurons have none.
        units: Of all cores.
        memory_bytes: Largest memory of the process that compiles it.
        file_bytes: Of its file.
        cpu_seconds: Of making, measuring and writing it; a search makes several. None for what
            runs for many steps, where it depends on them.
        fits: Whether this machine can make it, as far as that is clear.
    """

    levels: int
    units: int
    memory_bytes: float
    file_bytes: float
    cpu_seconds: float | None
    fits: bool

    def __str__(self) -> str:
        """In words."""
        told = f"{self.units:,} units, {_bytes(self.memory_bytes)} of memory, "
        told += f"a file of {_bytes(self.file_bytes)}"
        return told if self.cpu_seconds is None else f"{told}, {_time(self.cpu_seconds)} of CPU"


def staircase_size(cost: SourceCost, levels: int) -> PredictedSize:
    """Of a population program; phase and delta programs are kept beside one.

    Args:
        cost: Of the network.
        levels: A neuron's.
    """
    each = max(1, math.ceil(2 * math.sqrt(levels) - 2))
    return _predicted(cost, levels, each, levels, timed=True)


def candidate_size(cost: SourceCost, size: Candidate | Size, *, staircase: bool) -> PredictedSize:
    """Of a candidate of a search, or of a size that a family has.

    Args:
        cost: Of the network.
        size: The candidate, or what tells it from its family's others.
        staircase: Whether its neurons are populations that count levels.
    """
    if staircase:
        return staircase_size(cost, size.levels)
    return _predicted(cost, size.levels, size.units or 1, 0, timed=False)


def _predicted(
    cost: SourceCost, levels: int, each: int, laterals: int, *, timed: bool
) -> PredictedSize:
    sizes = numbers(cost.core_macs, cost.activations, each, laterals)

    def total(of: Iterable[float]) -> float:
        return sum(one * size for one, size in zip(of, sizes, strict=True))

    seconds = total(CPU_SECONDS) if timed else None
    memory, file = total(MEMORY_BYTES), total(FILE_BYTES)
    size = PredictedSize(levels, each * cost.activations, memory, file, seconds, fits=True)
    return replace(size, fits=not list(_exceeded(size)))


def _exceeded(size: PredictedSize) -> Iterator[str]:
    """The limits that a program is clearly beyond."""
    if size.memory_bytes > SLACK * memory_limit():
        yield f"this machine has {_bytes(memory_limit())} of memory"
    if size.file_bytes > SLACK * LARGEST:
        yield f"program files may have {_bytes(LARGEST)}"
    if (size.cpu_seconds or 0.0) > SLACK * _MOST_SECONDS:
        yield f"compiling one may take {_time(_MOST_SECONDS)}"


def numbers(weights: int, neurons: int, each: float, laterals: int) -> tuple[float, ...]:
    """What constants are for: 1, weights, units, lateral synapses.

    Args:
        weights: Of the core's maps.
        neurons: Of the core.
        each: Units of a neuron.
        laterals: Lateral synapses of a neuron.
    """
    return 1.0, float(weights), neurons * each, float(neurons * laterals)


def check_size(cost: SourceCost, size: PredictedSize) -> None:
    """Let a program pass that this machine can make.

    Raises:
        SizeError: If it clearly cannot; with what would fit.
    """
    if size.fits:
        return
    largest = max((n for n in level_counts() if staircase_size(cost, n).fits), default=0)
    plain = _predicted(cost, 0, 1, 0, timed=False)
    other = "or --coding rate, which takes " + str(plain) if plain.fits else ""
    fewer = f"up to {largest:,} levels fit: allow a larger --rtol, or give --levels" * bool(largest)
    raise SizeError(
        f"the program would take about {size}; {', '.join(_exceeded(size))}",
        hint="; ".join(filter(None, (fewer, other)))
        or "no program of this network fits: compile a smaller network, or on a larger machine",
    )


def fitting(families: Iterable[Family], cost: SourceCost, left_out: dict[str, str]) -> list[Family]:
    """Families without the sizes that this machine cannot make.

    Args:
        families: To be searched.
        cost: Of the network.
        left_out: Gets a line for every family that loses some.

    Raises:
        SizeError: If nothing is left; of the first family's smallest program.
    """
    kept: list[Family] = []
    smallest: PredictedSize | None = None
    for family in families:
        members = list(family.sizes(None))
        sizes = [candidate_size(cost, one, staircase=family.exact) for one in members]
        beyond = [size for size in sizes if not size.fits]
        smallest = smallest or min(sizes, key=lambda one: one.memory_bytes)
        if beyond:
            least = min(beyond, key=lambda one: one.units)
            left_out[f"{family.name}, larger programs"] = f"from {least} on they are too large"
        if len(beyond) < len(sizes):
            kept.append(_only_fitting(family, cost) if beyond else family)
    if not kept and smallest is not None:
        check_size(cost, smallest)
    return kept


def _only_fitting(family: Family, cost: SourceCost) -> Family:
    def sizes(steps: int | None) -> Iterator[Size]:
        for one in family.sizes(steps):
            if candidate_size(cost, one, staircase=family.exact).fits:
                yield one

    return replace(family, sizes=sizes)


def memory_limit() -> float:
    """Bytes of memory that this process may have: of the machine, its container, its limits."""
    found = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        found.append(float(own))
    if _CGROUP.is_file():
        told = _CGROUP.read_text().strip()
        found += [float(told)] if told != "max" else []
    return min(found)


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return f"{count / 1e3:,.0f} kB"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.3g} {unit}"
    return f"{seconds:.2g} s"
