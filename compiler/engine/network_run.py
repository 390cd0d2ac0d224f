"""Runs a layered network over samples, block after block, on as many threads as there are cores.

Values are feature-major, ``(columns, samples)``, and a block is so short that what one operation
writes is still in the cache when the next one reads it. Blocks begin at the same samples however
many threads there are, so that results do not depend on these.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinnir.engine.kernels import PLAIN, Counts, Kernels, Scratch
from pinnir.engine.layered_network import LayeredNetwork, Sum
from pinnir.engine.level_changes import ChangeCounter
from pinnir.engine.shares import block_of, in_shares
from pinnir.numerics.matrix import Array

# Numbers that the widest slot holds for one block, samples of a block at least and at most, and
# blocks that are worth a thread.
_BLOCK_NUMBERS = 160 * 1024
_BLOCKS = (128, 4096)
_BLOCKS_A_THREAD = 4


@dataclass(eq=False)
class Seen:
    """What one thread sees of a network's layers.

    Attributes:
        histograms: How often each interval of each layer was found; empty if nobody asks.
        changes: How each layer's numbers change from sample to sample; empty likewise.
    """

    histograms: list[Counts]
    changes: list[ChangeCounter]


def allowed_threads() -> int:
    """How many threads the machine and ``OMP_NUM_THREADS`` allow."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(found or 1, int(asked) if asked.isdigit() else found or 1))


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """A network that is ready to run.

    Attributes:
        network: The network.
        lines: If changes are counted instead of intervals, how many samples follow each other side
            by side, each on a line of its own; 0 otherwise.
        workers: Threads, at most.
    """

    network: LayeredNetwork
    lines: int = 0
    workers: int = 1

    @property
    def block(self) -> int:
        """Samples of a block: a power of two, or a multiple of the lines."""
        power = block_of(_BLOCK_NUMBERS, max(self.network.columns), _BLOCKS)
        return max(1, power // self.lines) * self.lines if self.lines else power

    def __call__(
        self, entering: Sequence[Array], kernels: Kernels = PLAIN, *, counting: bool = True
    ) -> tuple[list[Array], list[Seen]]:
        """Run samples.

        Args:
            entering: ``(samples, columns)`` for each value that enters.
            kernels: What is done with every neuron and sample.
            counting: Whether somebody wants to know what is seen.

        Returns:
            ``(samples, columns)`` for each value that leaves, and what was seen, of one thread
            after the other in the order of samples.
        """
        samples, block = len(entering[0]), self.block
        sizes = [self.network.columns[slot] for slot in self.network.leaving]
        leaving = [np.empty((samples, size)) for size in sizes]

        def share(starts: range) -> Seen:
            seen, scratch = self._nothing(counting), Scratch()
            for start in starts:
                part = slice(start, min(start + block, samples))
                self._block(entering, leaving, part, kernels, seen, scratch)
            return seen

        return leaving, in_shares(share, samples, block, self.workers, _BLOCKS_A_THREAD)

    def _nothing(self, counting: bool) -> Seen:
        layers = self.network.layers if counting else ()
        if self.lines:
            return Seen([], [ChangeCounter(self.lines, layer.graded) for layer in layers])
        return Seen([np.zeros(layer.table.intervals, np.int64) for layer in layers], [])

    def _block(
        self,
        entering: Sequence[Array],
        leaving: Sequence[Array],
        part: slice,
        kernels: Kernels,
        seen: Seen,
        scratch: Scratch,
    ) -> None:
        network, size = self.network, part.stop - part.start
        held = {
            slot: scratch.take(f"buffer {buffer}", (network.columns[slot] + 1, size))
            for slot, buffer in network.buffers.items()
        }
        for slot, value in zip(network.entering, entering, strict=True):
            held[slot][:-1], held[slot][-1] = value[part].T, 1.0
        number = 0
        for one in network.operations:
            if isinstance(one, Sum):
                _add(one, held, scratch)
                continue
            found = held[one.target]
            histogram = seen.histograms[number] if seen.histograms else None
            kernels.look_up(one, held[one.source][:-1], found[:-1], scratch, histogram)
            found[-1] = 1.0
            if seen.changes:
                seen.changes[number].add(found[:-1], kernels, scratch)
            number += 1
        for slot, value in zip(network.leaving, leaving, strict=True):
            value[part] = held[slot][:-1].T


def _add(one: Sum, held: dict[int, Array], scratch: Scratch) -> None:
    """A sum; the row of ones at the end of every slot brings the bias with the first map."""
    target = held[one.target]
    total, target[-1] = target[:-1], 1.0
    first, *rest = one.terms
    if first.mapped:
        np.matmul(one.extended, held[first.source], out=total)
    else:
        np.multiply(held[first.source][:-1], first.weight, out=total)
        total += one.bias[:, None]
    for term in rest:
        product = scratch.take("product", (total.shape[0], total.shape[1]))
        if term.mapped:
            np.matmul(term.weight, held[term.source][:-1], out=product)
        else:
            np.multiply(held[term.source][:-1], term.weight, out=product)
        total += product
