"""Chains in numpy: what a reader computes, in single precision and in an order of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pinnir.backends.nir.reader_process import ReaderResult
from pinnir.backends.nir.stock.chain import Chain
from pinnir.backends.nir.stock.stock import Stock, stage_name
from pinnir.backends.nir.verify import compare
from pinnir.backends.verify import Comparison
from pinnir.numerics.matrix import Array


@dataclass(frozen=True)
class Habits:
    """What readers do differently, and a stock variant must stand.

    Attributes:
        dtype: Of all numbers.
        inclusive: Whether units fire at their threshold.
        order: Seed of the order in which columns are summed.
    """

    dtype: Any = np.float32
    inclusive: bool = False
    order: int = 0


def simulate(chain: Chain, x: Array, habits: Habits) -> ReaderResult:
    """Outputs and spikes of a chain whose input is held."""
    rng = np.random.default_rng(habits.order)

    def apply(weight: Array, values: Array) -> Array:
        columns = rng.permutation(weight.shape[1])
        small = weight.astype(habits.dtype)
        product: Array = values[:, columns] @ small[:, columns].T
        return product

    sums: dict[int, Array] = {}
    last: dict[int, Array] = {}
    outputs: list[Array] = []
    spikes: dict[str, list[Array]] = {}
    for _ in range(chain.steps):
        values = x.astype(habits.dtype)
        for number, stage in enumerate(chain.stages):
            for weight, bias in stage.maps:
                values = apply(weight, values) + bias.astype(habits.dtype)
            if stage.loop is not None and number in last:
                values = values + apply(stage.loop, last[number])
            if stage.keep is not None:
                if number in sums:
                    values = values + sums[number] * stage.keep.astype(habits.dtype)
                sums[number] = values
            fired = values >= 0.5 if habits.inclusive else values > 0.5
            values = last[number] = fired.astype(habits.dtype)
            spikes.setdefault(stage_name(number), []).append(values)
        weight, bias = chain.read_out
        outputs.append(apply(weight, values) + bias.astype(habits.dtype))
    found = {name: np.stack(steps).astype(np.float64) for name, steps in spikes.items()}
    return ReaderResult(np.stack(outputs).astype(np.float64), found)


def compared(core: Stock, x: Array, habits: Habits = Habits()) -> Comparison:
    """A simulated reader against the oracle."""
    return compare("numpy", core, x, simulate(core.chain, x, habits))
