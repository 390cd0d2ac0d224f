"""Counts how levels change from point to point of lines, in pieces that follow each other."""

from __future__ import annotations

import numpy as np

from pinnir.engine.kernels import Kernels, Scratch
from pinnir.numerics.matrix import Array


class ChangeCounter:
    """Events of a layer's neurons over samples that come block after block.

    Attributes:
        lines: Samples that stand side by side, each on a line of its own: ``i`` follows ``i -
            lines``.
        graded: Whether a change is one event, however large.
        events: Inside what was added so far, ``(neurons,)``; 0 before that.
        begun: Numbers at the first sample of each line, ``(neurons, lines)``; None before.
        ended: At the last sample of each line, likewise.
    """

    def __init__(self, lines: int, graded: bool) -> None:
        self.lines, self.graded = lines, graded
        self.events: Array = np.zeros(1)
        self.begun: Array | None = None
        self.ended: Array | None = None

    def add(self, numbers: Array, kernels: Kernels, scratch: Scratch) -> None:
        """Go on along the lines.

        Args:
            numbers: ``(neurons, samples)``: the next sample of every line, then the one after
                that; only the last samples of all may leave out lines, which are the last ones.
            kernels: Count the changes inside.
            scratch: Of this thread.
        """
        samples = numbers.shape[1]
        first = numbers[:, : self.lines]
        if self.ended is None:
            self.begun = first.copy()
            self.ended = first.copy()
        else:
            self.follow(first)
        if samples > self.lines:
            inside = kernels.changes(numbers, self.lines, self.graded, scratch)
            self.events = self.events + inside
        # The last sample of each line, wherever the last step ends.
        last = samples - 1 - (samples - 1 - np.arange(min(self.lines, samples))) % self.lines
        self.ended[:, : last.size] = numbers[:, last]

    def follow(self, first: Array) -> None:
        """Count the changes to the next sample of each line, or of the first lines."""
        assert self.ended is not None
        change = np.abs(first - self.ended[:, : first.shape[1]])
        self.events = self.events + (change > 0 if self.graded else change).sum(axis=1)


def joined(before: Array, counters: list[ChangeCounter]) -> tuple[Array, Array]:
    """Events of pieces that follow each other.

    Args:
        before: Numbers of each line before the first piece, ``(neurons, lines)``.
        counters: Of the pieces.

    Returns:
        Events of each neuron, and numbers of each line after the last piece.
    """
    events, ended = np.zeros(len(before)), before.copy()
    for one in counters:
        if one.begun is None or one.ended is None:
            continue
        link = ChangeCounter(one.lines, one.graded)
        link.ended = ended
        link.follow(one.begun)
        events += one.events + link.events
        ended = ended.copy()
        ended[:, : one.ended.shape[1]] = one.ended
    return events, ended
