"""Place a program as it is: run it to see how often its units fire, then place them."""

from __future__ import annotations

from pinnir.base.chips import Chip
from pinnir.ir.placement import Placement
from pinnir.mapping.connectivity import connectivity
from pinnir.mapping.firing_rates import LINES, POINTS
from pinnir.mapping.occupancy import Occupancy
from pinnir.mapping.place import place
from pinnir.numerics.matrix import Array
from pinnir.program.line_costs import along_lines
from pinnir.program.program import Program
from pinnir.program.simulators import find_backend


def place_program(
    program: Program, chip: Chip, chips: int = 1, seed: int = 0
) -> tuple[Placement, Occupancy]:
    """Place a program's units on the cores of a chip.

    Args:
        program: What to place; its streamed form, if it has one.
        chip: Its limits are kept.
        chips: How many such chips.
        seed: Of the points that the program runs on, and of the search.

    Returns:
        The placement, and what the cores then hold and send.

    Raises:
        LegalizeError: If the units do not fit.
    """
    return place(connectivity(program.running), program_rates(program, seed), chip, chips, seed)


def program_rates(program: Program, seed: int) -> dict[str, Array]:
    """Mean spikes of every unit of a program, ``(units,)`` by population.

    Args:
        program: Runs on Sobol points of its domain, or along lines through it.
        seed: Of the points.
    """
    points = program.domain.sample(POINTS, seed)
    streaming = None
    if program.streams:
        points, streaming = along_lines(program.domain, LINES, seed)
    _, counters = program.run_cores(points, find_backend("reference"), streaming)
    return {name: count / c.samples for c in counters for name, count in c.spikes.items()}
