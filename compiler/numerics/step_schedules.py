"""Schedules of sign gradient descent: how long the steps are, and when a layer starts.

A neuron that starts at ``y_0`` and takes steps ``eta_t c`` gets no further than ``c sum eta_t``,
and ends within about its last step of where it wants to be, if it could follow until then. With

    exponential   eta_t = eta decay^t
    inverse       eta_t = eta / (t + 1)
    constant      eta_t = eta

(S. Oh, Y. Lee, ICML 2024), short last steps ask for a fast decay, and reach for a slow one. But a
neuron follows a moving value: what the layer before still has to go, its own steps must cover.
So a layer starts ``delay`` steps after the layer before: then its steps are longer than theirs by
``decay^-delay``, all the time, and the decay may be fast. ``delay=0`` is the published form.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Literal, TypeAlias, get_args

import numpy as np

from pinnir.numerics.matrix import Array

Kind: TypeAlias = Literal["exponential", "inverse", "constant"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Schedule:
    """Steps of all layers of a program.

    Attributes:
        kind: How steps become shorter.
        eta: The first step of a layer, in units of its neurons' scale.
        decay: Of an exponential schedule.
        delay: Steps between the starts of a layer and the next.
    """

    kind: Kind
    eta: float
    decay: float = 1.0
    delay: float = 0.0

    def rates(self, steps: int, depth: int) -> Array:
        """``eta_t`` of a layer, ``(steps,)``, zero before it starts.

        Args:
            steps: Of the program.
            depth: How many layers come before.
        """
        first = floor(self.delay * depth)
        time = np.arange(steps) - self.delay * depth
        since = np.maximum(np.arange(steps) - first, 0)
        rates = {
            # A layer that starts between two steps starts at the earlier one, with a longer step.
            "exponential": self.eta * self.decay**time,
            "inverse": self.eta / (since + 1),
            "constant": np.full(steps, self.eta),
        }[self.kind]
        rates[:first] = 0.0
        return rates

    def __str__(self) -> str:
        parts = [f"{self.kind} from {self.eta:.4g}"]
        parts += [f"decay {self.decay:.4g}"] if self.kind == "exponential" else []
        parts += [f"{self.delay:.4g} steps between layers"] if self.delay else []
        return ", ".join(parts)


def reaching(kind: Kind, decay: float, steps: int, reach: float) -> float:
    """The ``eta`` with which so many steps of a layer add up to ``reach``."""
    return reach / float(Schedule(kind, 1.0, decay).rates(steps, 0).sum())
