"""What a membrane makes of a constant current in a number of steps, measured as a staircase.

An integrate-and-fire unit's count rises evenly with its current. That of another membrane is
measured: units from rest under currents over a range, all of them simulated as they will run. The
spikes counted are the levels, and the currents between which the count changes are the boundaries,
up or down: it may fall, where a strong current keeps a membrane depolarised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinnir.ir.graph import Staircase
from pinnir.neurons.membranes.conversion import Conversion
from pinnir.neurons.membranes.integrators import Scheme, integrate, start
from pinnir.neurons.membranes.membrane import Membrane
from pinnir.neurons.membranes.synapse import Synapse
from pinnir.numerics.matrix import Array

# Currents that a response is measured at, over twice the range that a ramp has.
_CURRENTS = 2001


@dataclass(frozen=True, eq=False)
class Response(Staircase):
    """A staircase that a population of membranes executes: its levels are counts of spikes.

    Attributes:
        model: The membrane.
        scheme: How it is simulated.
        gain: From the pre-activation to the current, ``(neurons,)``.
        offset: Current at pre-activation zero, ``(neurons,)``.
        kick: Current that is added in the first step.
        synapse: What makes the current of what arrives, if anything does.
    """

    model: Membrane
    scheme: Scheme
    gain: Array
    offset: Array
    kick: float
    synapse: Synapse | None

    def by_current(self, steps: int) -> Staircase:
        """The share of steps in which a unit fires, by current instead of pre-activation."""
        boundaries = self.gain[:, None] * self.boundaries + self.offset[:, None]
        none = np.zeros_like(self.base)
        return Staircase(boundaries, self.directions, self.start, none, none + 1.0 / steps)


def counts(
    model: Membrane, scheme: Scheme, currents: Array, steps: int, kick: float = 0.0
) -> Array:
    """Spikes of units from rest under constant currents, in the shape of these.

    Args:
        model: The membrane.
        scheme: How it is simulated.
        currents: Of any shape.
        steps: How many.
        kick: Added to the current in the first step.
    """
    state, total = start(model, currents.shape), np.zeros_like(currents)
    for number in range(steps):
        now = currents + kick if number == 0 else currents
        spikes, state = integrate(model, scheme, state, now)
        total += spikes
    return total


def measured(conversion: Conversion, ends: tuple[Array, Array], steps: int) -> Response:
    """The response of units whose ramps lie between their own ends.

    Args:
        conversion: The membrane, and what it runs at.
        ends: Pre-activations at which a ramp begins and ends, ``(neurons,)`` each.
        steps: Time steps of the program.

    Returns:
        Its values follow the ramps as well as counts can, by least squares over the ramps.
    """
    model, scheme, kick = conversion.model, conversion.scheme, conversion.kick
    (low, high), (weak, strong) = ends, conversion.drive
    margin = (strong - weak) / 2
    currents = np.linspace(weak - margin, strong + margin, _CURRENTS)
    synapse = conversion.synapse
    bounded = currents if synapse is None else synapse.saturated(currents)
    found = counts(model, scheme, bounded, steps, kick)
    changes = np.diff(found).astype(int)
    between = np.repeat((currents[1:] + currents[:-1]) / 2, np.abs(changes))
    directions = np.repeat(np.sign(changes), np.abs(changes)).astype(np.int8)
    inside = (currents >= weak) & (currents <= strong)
    share = (currents[inside] - weak) / (strong - weak)
    spread = found[inside] - found[inside].mean()
    slope = float(spread @ share / max(float(spread @ spread), np.finfo(float).tiny))
    silent = float(share.mean() - slope * found[inside].mean())
    width = high - low
    gain = (strong - weak) / width
    offset = weak - gain * low
    return Response(
        (between[None, :] - offset[:, None]) / gain[:, None],
        np.broadcast_to(directions, (low.size, directions.size)).copy(),
        np.full(low.size, int(found[0]), np.int32),
        low + width * silent,
        width * slope,
        model,
        scheme,
        gain,
        offset,
        kick,
        synapse,
    )
