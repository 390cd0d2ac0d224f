"""Integrate-and-fire units over all steps of time: one loop, with numpy or compiled by Numba.

Both do what the units' ``step`` does, with the same operations in the same order on the same
numbers; a term that is zero for a whole step is left out, as adding it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from pinnir.engine import jit
from pinnir.ir.graph import Node
from pinnir.numerics.matrix import Array

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Integrators:
    """A population of integrate-and-fire units behind one sum, copied to its units.

    The current of unit ``u`` in step ``t`` is ``(z[column] + before) * weight + offset + after``.

    Attributes:
        node: The population.
        column: Of the sum that each unit reads, ``(units,)``.
        weight: What it is multiplied by, likewise.
        offset: What is added then, likewise.
        before: What spikes of units that no input reaches add to the sum, ``(columns, steps)``.
        after: What they add to the current, ``(units, steps)``.
        threshold: ``(units,)``.
        low: Where units fire -1 at or below, likewise; -inf where they do not.
        start: Potential before the first step, likewise.
        hard: Whether a spike sets the potential to zero, instead of subtracting the threshold.
        floored: Whether the potential is never below zero.
        feedback: From the spikes of the last step, blocks ``(blocks, size, size)``; a block's size
            is 1 and its number 0 if there is none.
        heights: What a spike of each unit counts in what is handed on, ``(units,)``.
        together: Units that are handed on as one sum.
    """

    node: Node
    column: NDArray[np.intp]
    weight: Array
    offset: Array
    before: Array
    after: Array
    threshold: Array
    low: Array
    start: Array
    hard: bool
    floored: bool
    feedback: Array
    heights: Array
    together: int

    @property
    def units(self) -> int:
        """How many."""
        return int(self.threshold.size)

    @property
    def handed_on(self) -> int:
        """Columns of what is handed on."""
        return int(self.units // self.together)

    @property
    def steps(self) -> int:
        """How many."""
        return int(self.after.shape[1])

    @cached_property
    def plain(self) -> bool:
        """Whether units are unsigned, with soft reset and without feedback."""
        signed = bool(np.isfinite(self.low).any())
        return not (signed or self.hard or self.floored or len(self.feedback))

    @cached_property
    def copies(self) -> bool:
        """Whether units read the columns as they are."""
        plain = np.array_equal(self.column, np.arange(self.units))
        return plain and bool(np.all(self.weight == 1) and not self.offset.any())


# (units, their sum (columns, steps or 1, samples), where what is handed on goes, spikes so far)
Scan = Callable[[Integrators, Array, Array, Counts], None]


def scan(units: Integrators, z: Array, out: Array, counts: Counts) -> None:
    """Run units over all steps, with numpy.

    Args:
        units: The population.
        z: Its sum ``(columns, steps, samples)``; one step if it is the same in all.
        out: Where what is handed on goes, ``(sums, steps, samples)``.
        counts: Spikes of every unit so far, ``(units,)``; these are added.
    """
    samples = z.shape[2]
    potential = np.tile(units.start[:, None], (1, samples))
    spikes = np.zeros_like(potential)
    threshold, low = units.threshold[:, None], units.low[:, None]
    signed = bool(np.isfinite(units.low).any())
    for step in range(units.steps):
        current = _current(units, z[:, min(step, z.shape[1] - 1)], step)
        if len(units.feedback):
            potential = potential + _fed_back(units.feedback, spikes)
        potential = potential + current
        if units.floored:
            np.maximum(potential, 0.0, out=potential)
        fired = potential >= threshold
        spikes = fired.astype(np.float64)
        counts += np.count_nonzero(fired, axis=1)
        if signed:
            down = potential <= low
            spikes -= down
            counts += np.count_nonzero(down, axis=1)
        if units.hard:
            potential[fired] = 0.0
        else:
            potential -= threshold * spikes
        if units.together == 1:
            np.multiply(spikes, units.heights[:, None], out=out[:, step])
        else:
            worth = spikes * units.heights[:, None]
            np.sum(worth.reshape(-1, units.together, samples), axis=1, out=out[:, step])


def _current(units: Integrators, z: Array, step: int) -> Array:
    before, after = units.before[:, step, None], units.after[:, step, None]
    if before.any():
        z = z + before
    if units.copies:
        return z + after if after.any() else z
    current: Array = z[units.column]
    current *= units.weight[:, None]
    current += units.offset[:, None]
    if after.any():
        current += after
    return current


def _fed_back(feedback: Array, spikes: Array) -> Array:
    blocks, size, _ = feedback.shape
    last = spikes.reshape(blocks, size, -1)
    total = feedback[:, :, 0, None] * last[:, None, 0]
    for place in range(1, size):
        total = total + feedback[:, :, place, None] * last[:, None, place]
    return total.reshape(spikes.shape)


@cache
def compiled() -> Scan | None:
    """The same compiled by Numba; None if that cannot be imported."""
    if jit.numba() is None:
        return None
    plain, other = jit.compiled(_scan_plain), jit.compiled(_scan)

    def run(units: Integrators, z: Array, out: Array, counts: Counts) -> None:
        samples, size = z.shape[2], units.feedback.shape[1]
        currents = (units.column, units.weight, units.offset, units.before, units.after)
        sums = (units.heights, units.together)
        out.fill(0.0)
        if units.plain:
            state = np.empty((1, samples))
            plain(z, currents, units.threshold, units.start, sums, state[0], out, counts)
        else:
            state = np.empty((3 * size, samples))
            rules = (units.threshold, units.low, units.start, units.hard, units.floored)
            other(z, currents, rules, units.feedback, sums, state, out, counts)

    return run


def _scan_plain(
    z: Array,
    currents: tuple[NDArray[np.intp], Array, Array, Array, Array],
    threshold: Array,
    start: Array,
    sums: tuple[Array, int],
    v: Array,
    out: Array,
    counts: Counts,
) -> None:
    """Unsigned units with soft reset and without feedback, one after the other.

    Here and below places are unsigned, because Numba looks whether signed ones are negative, and
    inner loops have no branches, so that they become vector instructions.
    """
    column, weight, offset, before, after = currents
    heights, together = sums
    samples = z.shape[2]
    for unit in range(threshold.size):
        u, c, r = np.uint64(unit), np.uint64(column[unit]), np.uint64(unit // together)
        w, b, theta, height = weight[u], offset[u], threshold[u], heights[u]
        for j in range(samples):
            v[j] = start[u]
        n = 0
        for step in range(out.shape[1]):
            t, k = np.uint64(step), np.uint64(min(step, z.shape[1] - 1))
            early, late = before[c, t], after[u, t]
            if early != 0.0 or late != 0.0:
                for j in range(samples):
                    p = v[j] + (((z[c, k, j] + early) * w + b) + late)
                    n += 1 if p >= theta else 0
                    v[j] = p - (theta if p >= theta else 0.0)
                    out[r, t, j] += height if p >= theta else 0.0
            else:
                for j in range(samples):
                    p = v[j] + (z[c, k, j] * w + b)
                    n += 1 if p >= theta else 0
                    v[j] = p - (theta if p >= theta else 0.0)
                    out[r, t, j] += height if p >= theta else 0.0
        counts[u] += n


def _scan(
    z: Array,
    currents: tuple[NDArray[np.intp], Array, Array, Array, Array],
    rules: tuple[Array, Array, Array, bool, bool],
    feedback: Array,
    sums: tuple[Array, int],
    state: Array,
    out: Array,
    counts: Counts,
) -> None:
    """All units; those that feed each other step by step together."""
    column, weight, offset, before, after = currents
    threshold, low, start, hard, floored = rules
    heights, together = sums
    samples, size, looped = z.shape[2], feedback.shape[1], feedback.shape[0] > 0
    for block in range(threshold.size // size):
        for place in range(size):
            p = np.uint64(place)
            for j in range(samples):
                state[p, j] = start[block * size + place]
                state[np.uint64(size + place), j] = 0.0
        for step in range(out.shape[1]):
            t, k = np.uint64(step), np.uint64(min(step, z.shape[1] - 1))
            for other in range(size if looped else 0):
                now, last = np.uint64(size + other), np.uint64(2 * size + other)
                for j in range(samples):
                    state[last, j] = state[now, j]
            for place in range(size):
                unit = block * size + place
                u, c, r = np.uint64(unit), np.uint64(column[unit]), np.uint64(unit // together)
                v, s = np.uint64(place), np.uint64(size + place)
                w, b, theta, height = weight[u], offset[u], threshold[u], heights[u]
                early, late = before[c, t], after[u, t]
                if looped:
                    for j in range(samples):
                        state[s, j] = feedback[block, place, 0] * state[np.uint64(2 * size), j]
                    for other in range(1, size):
                        f, last = feedback[block, place, other], np.uint64(2 * size + other)
                        for j in range(samples):
                            state[s, j] += f * state[last, j]
                    for j in range(samples):
                        state[v, j] += state[s, j]
                for j in range(samples):
                    state[v, j] += ((z[c, k, j] + early) * w + b) + late
                for j in range(samples if floored else 0):
                    state[v, j] = max(state[v, j], 0.0)
                for j in range(samples):
                    state[s, j] = 1.0 if state[v, j] >= theta else 0.0
                for j in range(samples if low[u] > -np.inf else 0):
                    state[s, j] -= 1.0 if state[v, j] <= low[u] else 0.0
                for j in range(samples if hard else 0):
                    state[v, j] = 0.0 if state[s, j] != 0.0 else state[v, j]
                for j in range(0 if hard else samples):
                    state[v, j] -= theta * state[s, j]
                n = 0
                for j in range(samples):
                    out[r, t, j] += height * state[s, j]
                    n += 1 if state[s, j] != 0.0 else 0
                counts[u] += n
