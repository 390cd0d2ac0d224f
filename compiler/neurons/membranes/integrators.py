"""How time passes for a membrane: forward Euler and classical Runge-Kutta 4, for all models.

The input current is held for a step and all its sub-steps. Spikes are looked for after every
sub-step, so a unit fires at sub-steps' ends only and may fire more than once a step. Between
spikes the methods have their full order; a spike's time is known to a sub-step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinnir.base.errors import PinnirError
from pinnir.base.registry import look_up
from pinnir.neurons.membranes.membrane import Heaviside, Membrane, State, Value

Slope = Callable[[State], State]


def _euler(slope: Slope, state: State, step: float) -> State:
    return _moved(state, slope(state), step)


def _rk4(slope: Slope, state: State, step: float) -> State:
    first = slope(state)
    second = slope(_moved(state, first, step / 2))
    third = slope(_moved(state, second, step / 2))
    fourth = slope(_moved(state, third, step))
    slopes = zip(first, second, third, fourth, strict=True)
    mean = tuple((a + 2.0 * (b + c) + d) / 6.0 for a, b, c, d in slopes)
    return _moved(state, mean, step)


def _moved(state: State, slope: State, step: float) -> State:
    return tuple(one + step * change for one, change in zip(state, slope, strict=True))


@dataclass(frozen=True)
class Integrator:
    """A one-step method.

    Attributes:
        order: Its global error falls with this power of the step.
        evaluations: Of the right-hand side, a step.
        advance: ``(slope, state, step)`` to the state a step later.
    """

    order: int
    evaluations: int
    advance: Callable[[Slope, State, float], State]


INTEGRATORS = {"euler": Integrator(1, 1, _euler), "rk4": Integrator(4, 4, _rk4)}


@dataclass(frozen=True)
class Scheme:
    """How a membrane is simulated.

    Attributes:
        integrator: Name in the INTEGRATORS table.
        step: Time of one step of a program, in the model's unit.
        substeps: Equal parts that a step is integrated in.
    """

    integrator: str
    step: float
    substeps: int = 1

    def __post_init__(self) -> None:
        look_up(INTEGRATORS, self.integrator, "integrator")
        if not (np.isfinite(self.step) and self.step > 0 and self.substeps >= 1):
            raise PinnirError(
                f"a step of {self.step:g} in {self.substeps} parts is no step",
                node=self.integrator,
                hint="give a positive step and at least one sub-step",
            )

    @property
    def method(self) -> Integrator:
        """The method itself."""
        return INTEGRATORS[self.integrator]

    @property
    def substep(self) -> float:
        """Time of a sub-step, in the model's unit."""
        return self.step / self.substeps

    @property
    def evaluations(self) -> int:
        """Evaluations of the right-hand side, a step."""
        return self.substeps * self.method.evaluations


def heaviside(potential: Value, threshold: float) -> Value:
    """1.0 where the potential is at or above the threshold, else 0.0; for numpy arrays."""
    return np.asarray(potential >= threshold, np.float64)


def integrate(
    model: Membrane,
    scheme: Scheme,
    state: State,
    current: Value,
    xp: Any = np,
    above: Heaviside = heaviside,
) -> tuple[Value, State]:
    """One step of a membrane, the same for numpy and torch.

    Args:
        model: The membrane.
        scheme: How it is simulated.
        state: Its variables, all of one shape.
        current: Input current in the model's unit, of that shape; held for the step.
        xp: ``numpy`` or ``torch``.
        above: Tells potentials at or above a threshold; a training run's has a surrogate gradient.

    Returns:
        Spikes of each unit in the step, and the new state.
    """

    def slope(at: State) -> State:
        return model.slope(at, current, xp)

    count: Value = 0.0
    for _ in range(scheme.substeps):
        after = scheme.method.advance(slope, state, scheme.substep)
        spikes = model.spikes(state, after, above)
        state = model.reset(after, spikes)
        count = count + spikes
    return count, state


def start(model: Membrane, shape: tuple[int, ...]) -> State:
    """The model's state of rest for units of that shape, as numpy arrays."""
    return tuple(np.full(shape, value) for value in model.rest())
