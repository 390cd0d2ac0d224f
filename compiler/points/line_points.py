"""What streaming costs: measured on lines through the domain, because single points say nothing."""

from __future__ import annotations

import numpy as np

from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.points.streaming_order import along_curve

LINE_POINTS = 256


def line_points(domain: Domain, lines: int, seed: int) -> Array:
    """Points along lines through a domain, ``(points, columns)``, in the order of streaming.

    Each line has LINE_POINTS points along the last column, from one end of the domain to the
    other, every other line backwards; in the other columns lines lie at Sobol points, and follow
    each other along a Hilbert curve. A network of several sample axes gets one line along each:
    a column that has an axis of its own runs along it, others are Sobol points.

    Args:
        domain: The domain.
        lines: How many; a power of two.
        seed: Of the Sobol points.
    """
    steps = np.linspace(domain.low, domain.high, LINE_POINTS)
    if domain.axis_count > 1:
        points = domain.sample(LINE_POINTS, seed)
        along = [domain.along(axis) for axis in range(domain.axis_count)]
        single = [columns[0] for columns in along if len(columns) == 1]
        points[:, single] = steps[:, single]
        return points
    if len(domain.columns) == 1:
        return steps
    beside = domain.sample(lines, seed)[:, :-1]
    rest = Domain(domain.columns[:-1], domain.low[:-1], domain.high[:-1])
    beside = beside[along_curve(beside, rest)]
    there_and_back = np.where(np.arange(lines)[:, None] % 2, steps[::-1, -1], steps[:, -1])
    return np.column_stack([np.repeat(beside, LINE_POINTS, axis=0), there_and_back.reshape(-1)])
