"""Constant tables of C99, in the narrowest integers that hold them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pinnir.ir.graph import Staircase
from pinnir.mapping.integer_cores import Whole
from pinnir.neurons import IF

_PER_LINE = 16


def table(declared: str, values: Whole) -> str:
    """A constant table; ``declared`` is its type and name."""
    flat = values.reshape(-1).tolist()
    lines = [flat[i : i + _PER_LINE] for i in range(0, len(flat), _PER_LINE)]
    body = ",\n    ".join(", ".join(map(str, line)) for line in lines)
    return f"static const {declared}[{len(flat)}] = {{\n    {body}}};"


def feedback_blocks(op: IF) -> Whole:
    """Weights from a population's spikes to its units, one step later, as blocks."""
    assert op.feedback is not None
    return np.rint(op.feedback.blocks).astype(np.int64)


def staircase_tables(name: str, number: int, op: Staircase, ends: Whole) -> Iterator[str]:
    """A staircase's boundaries without padding, where each neuron's begin, and their directions.

    Args:
        name: Of the core.
        number: Of the population.
        op: The staircase.
        ends: Its boundaries in whole numbers, ``(neurons, boundaries)``.
    """
    real = op.directions != 0
    first = np.concatenate([[0], np.cumsum(real.sum(axis=1))]).astype(np.int64)
    kept = ends[real] if real.any() else np.zeros(1, np.int64)  # C has no empty tables
    yield table(f"int32_t {name}_t{number}", kept)
    yield table(f"int32_t {name}_n{number}", first)
    yield table(f"int16_t {name}_l{number}", op.start.astype(np.int64))
    if (op.directions < 0).any():
        yield table(f"int8_t {name}_d{number}", op.directions[real].astype(np.int64))
