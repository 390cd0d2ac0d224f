"""What is measured of a membrane, on any simulator: four protocols of physiology.

1. f-I curve: rate of the firing that lasts under a constant current, from the mean interval.
2. Spike shape: under a current that sets in at rest, the time to the first spike, the highest and
   lowest potential above rest and the time above the threshold; potentials of models that reset
   end at the threshold, so these have no height and no width.
3. Threshold current: the least current that sets in at rest and brings a spike.
4. Refractoriness: how strong a second pulse must be for a second spike, so and so long after a
   first pulse that brought one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.neurons import MEMBRANES

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """A simulation from rest.

    Attributes:
        potential: At the end of every step, ``(steps, cells)``.
        spikes: Whether a cell fired in a step, ``(steps, cells)``.
        step: Time of a step.
    """

    potential: Array
    spikes: NDArray[np.bool_]
    step: float


# (model, currents (cells,) at a time) -> trace; times are those of steps' beginnings
Drive = Callable[[float], Array]
# (model, drive, duration) -> trace
Simulator = Callable[[str, Drive, float], Trace]


@dataclass(frozen=True)
class Settings:
    """Currents and times of a model's protocols, in the model's units.

    Attributes:
        currents: Of the f-I curve.
        settling: Time before its intervals count.
        window: Time in which they count.
        onset: Current of the spike shape.
        shape_window: How long it lasts.
        threshold: Currents between which the threshold lies.
        threshold_window: How long a spike may take.
        pulse: Length of the pulses.
        first: Current of the first pulse.
        second: Currents between which the second pulse's threshold lies.
        gaps: From the beginning of one pulse to that of the next.
    """

    currents: tuple[float, ...]
    settling: float
    window: float
    onset: float
    shape_window: float
    threshold: tuple[float, float]
    threshold_window: float
    pulse: float
    first: float
    second: tuple[float, float]
    gaps: tuple[float, ...]


_IZHIKEVICH = Settings(
    (8, 12, 16, 20, 24, 32, 40), 150, 100, 10, 25, (2, 4), 80, 1, 40, (0, 100), (6, 12)
)
SETTINGS: dict[str, Settings] = {
    "lif": Settings(
        (21, 24, 30, 40, 60, 80, 100), 50, 150, 30, 40, (18, 22), 200, 5, 100, (30, 110), (10, 25)
    ),
    "fitzhugh-nagumo": Settings(
        (0.4, 0.5, 0.7, 0.9, 1.1, 1.3), 50, 100, 0.5, 60, (0.1, 0.2), 60, 2, 1, (0, 1), (30, 45)
    ),
    "izhikevich": _IZHIKEVICH,
    "izhikevich-fast": _IZHIKEVICH,
    "hodgkin-huxley": Settings(
        (8, 10, 15, 20, 40, 60, 80), 40, 50, 15, 15, (1.5, 3), 25, 0.5, 30, (0, 150), (7, 10)
    ),
}
# Rounds in which a threshold is bracketed, and cells of each.
_ROUNDS, _CELLS = 2, 24


def measure(name: str, simulate: Simulator) -> dict[str, Any]:
    """All protocols of a model."""
    asked = SETTINGS[name]
    return {
        "f_i": _rates(name, simulate, asked),
        "shape": _shape(name, simulate, asked),
        "threshold_current": _threshold(name, simulate, asked),
        "second_pulse": {f"{gap:g}": _second(name, simulate, asked, gap) for gap in asked.gaps},
    }


def _rates(name: str, simulate: Simulator, asked: Settings) -> dict[str, float]:
    """Protocol 1: spikes per unit of time, by current."""
    currents = np.array(asked.currents, float)
    trace = simulate(name, lambda time: currents, asked.settling + asked.window)
    rates = [rate_of(spikes, trace.step, asked.settling) for spikes in trace.spikes.T]
    return {f"{current:g}": rate for current, rate in zip(currents, rates, strict=True)}


def rate_of(spikes: NDArray[np.bool_], step: float, settling: float) -> float:
    """Rate of the regular firing of one cell, from the mean interval; 0 without two spikes."""
    times = (np.flatnonzero(spikes) + 1) * step
    times = times[times > settling]
    return 0.0 if times.size < 2 else float((times.size - 1) / (times[-1] - times[0]))


def _shape(name: str, simulate: Simulator, asked: Settings) -> dict[str, float]:
    """Protocol 2."""
    model = MEMBRANES[name]
    trace = simulate(name, lambda time: np.array([asked.onset]), asked.shape_window)
    potential, spikes = trace.potential[:, 0], trace.spikes[:, 0]
    first = int(np.flatnonzero(spikes)[0])
    after = potential[first:] - model.rest()[0]
    found = {"latency": (first + 1) * trace.step, "trough": float(after.min())}
    if not model.resets:
        above = potential[first:] >= model.threshold
        found["width"] = int(np.argmin(above)) * trace.step
        found["peak"] = float(after.max())
    return found


def _threshold(name: str, simulate: Simulator, asked: Settings) -> float:
    """Protocol 3."""

    def fires(currents: Array) -> NDArray[np.bool_]:
        trace = simulate(name, lambda time: currents, asked.threshold_window)
        return np.asarray(trace.spikes.any(axis=0))

    return _least(fires, *asked.threshold)


def _second(name: str, simulate: Simulator, asked: Settings, gap: float) -> float:
    """Protocol 4: least current of a second pulse for a second spike."""

    def fires(currents: Array) -> NDArray[np.bool_]:
        def drive(time: float) -> Array:
            # Steps begin at multiples of the step, up to rounding.
            if time < asked.pulse - 1e-9:
                return np.full_like(currents, asked.first)
            if gap - 1e-9 <= time < gap + asked.pulse - 1e-9:
                return currents
            return np.zeros_like(currents)

        spikes = simulate(name, drive, 1.5 * gap).spikes
        return np.asarray(spikes.sum(axis=0) >= 2)

    return _least(fires, *asked.second)


def _least(fires: Callable[[Array], NDArray[np.bool_]], low: float, high: float) -> float:
    """Least current that has an effect, bracketed round by round."""
    for _ in range(_ROUNDS):
        currents = np.linspace(low, high, _CELLS)
        effect = fires(currents)
        if effect[0] or not effect.any():
            raise ValueError(f"the threshold does not lie between {low} and {high}")
        place = int(np.argmax(effect))
        low, high = float(currents[place - 1]), float(currents[place])
    return high
