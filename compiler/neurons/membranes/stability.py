"""Up to which step an integrator is stable on a model, and the refusal of longer ones.

Explicit methods blow up if the step is too long for the fastest decay of the model. There is no
formula for it: the fastest decay depends on where the trajectory goes, and a decay that is too fast
for the step does no harm while it lasts for a moment only, as at the peak of a spike. So the limit
is measured, near the one that linearisation gives. With J the Jacobian and R(z) what the method
makes of y' = z y in a step of 1, a mode of eigenvalue l that decays in truth decays in the
simulation if ``|R(h l)| <= 1``.

1. Reference runs at fine steps, for currents over the model's whole range, show where trajectories
   go. The least ``h`` at which the fastest decay of all their states still decays is where the
   search begins.
2. Beyond the ``h`` of the state of rest, silence itself is unstable: no step is longer than that.
3. Runs decide: a step is too long if a variable leaves the reference's range by more than that
   range's width. From the beginning the search goes down by small factors to a step that is not
   too long, or up to the first that is, and then halves the interval between the two. It does not
   jump, since some longer steps may again be stable by chance.

A stable step is not yet an accurate one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import PinnirError
from pinnir.neurons.membranes.integrators import INTEGRATORS, Integrator, Scheme, integrate, start
from pinnir.neurons.membranes.membrane import Membrane, State
from pinnir.numerics.matrix import Array

# Currents of the runs, over the model's range.
_CURRENTS = 8
# States of a reference run at which it is linearised.
_LINEARISED = 200
# The search goes up by this factor, and ends with the limit known to this share.
_FACTOR, _SHARE = 1.1, 0.01
# No model's limit is longer, in its unit of time.
_LONGEST = 2.0**20


@dataclass(frozen=True, eq=False)
class _Reference:
    """Where the model's trajectories go.

    Attributes:
        states: ``(states, variables)``, along all runs.
        low: Least value of each variable.
        high: Largest value of each variable.
    """

    states: Array
    low: Array
    high: Array

    def holds(self, state: State) -> bool:
        """Whether a state is finite and no further out than the range is wide."""
        values, reach = np.stack(state, axis=1), self.high - self.low
        return bool(((values >= self.low - reach) & (values <= self.high + reach)).all())


def check_scheme(model: Membrane, scheme: Scheme) -> None:
    """Find out whether a scheme is stable on a model, over the model's range of currents.

    Raises:
        PinnirError: If it is not; it names the largest stable step.
    """
    limit = largest_stable_step(model, scheme.integrator)
    if scheme.substep > limit:
        most, unit = limit * scheme.substeps, f" {model.time_unit}" if model.time_unit else ""
        parts = f" in {scheme.substeps} sub-steps" if scheme.substeps > 1 else ""
        raise PinnirError(
            f"a step of {scheme.step:g}{unit}{parts} blows up under {scheme.integrator}",
            node=model.name,
            op="neuron",
            hint=f"the largest stable step{parts} is {_rounded_down(most):g}{unit}; or take more "
            "sub-steps",
        )


def _rounded_down(value: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(np.floor(value / unit) * unit)


@cache
def largest_stable_step(model: Membrane, integrator: str) -> float:
    """The longest step, without sub-steps, up to which no run of the model blows up.

    Args:
        model: The membrane.
        integrator: Name in the INTEGRATORS table.

    Returns:
        In the model's unit of time, to a hundredth and on the safe side.
    """
    method, reference = INTEGRATORS[integrator], _reference(model)
    rest = _decays_up_to(method, _eigenvalues(model, np.array(model.rest())))
    fastest = min(_eigenvalues(model, state).real.min() for state in reference.states)

    def too_long(step: float) -> bool:
        with np.errstate(all="ignore"):  # overflow is what is looked for
            return not all(map(reference.holds, _states(model, Scheme(integrator, step))))

    good = min(rest, _decays_up_to(method, np.array([fastest])))
    while too_long(good):
        good /= _FACTOR
    bad = good
    while not too_long(bad):
        if bad >= rest:
            return rest
        good, bad = bad, min(bad * _FACTOR, rest)
    while bad > good * (1 + _SHARE):
        middle = (good + bad) / 2
        good, bad = (good, middle) if too_long(middle) else (middle, bad)
    return good


def _states(model: Membrane, scheme: Scheme) -> Iterator[State]:
    """States of runs from rest, one after the other, for currents over the model's range."""
    current, state = np.linspace(*model.drive, _CURRENTS), start(model, (_CURRENTS,))
    yield state
    for _ in range(int(np.ceil(model.settling / 2 / scheme.step))):
        _, state = integrate(model, scheme, state, current)
        yield state


@cache
def _reference(model: Membrane) -> _Reference:
    """Case 1: runs from rest at twice the fine step, which RK4 still follows closely."""
    seen = [np.stack(one, axis=1) for one in _states(model, Scheme("rk4", 2 * model.fine_step))]
    every = max(1, (len(seen) - 1) * _CURRENTS // _LINEARISED)
    states = np.concatenate(seen)
    return _Reference(states[::every], states.min(axis=0), states.max(axis=0))


def _decays_up_to(method: Integrator, eigenvalues: NDArray[Any]) -> float:
    """Longest step at which every one of these modes decays that decays in truth."""
    falling = eigenvalues[eigenvalues.real < 0]
    good, bad = 0.0, _LONGEST
    while bad > good * (1 + 1e-9):
        middle = (good + bad) / 2
        grown = _amplification(method, middle * falling)
        good, bad = (middle, bad) if (np.abs(grown) <= 1.0).all() else (good, middle)
    return good


def _amplification(method: Integrator, z: NDArray[Any]) -> NDArray[Any]:
    """``R(z)``: what a step of 1 makes of y = 1 under y' = z y."""
    (grown,) = method.advance(lambda state: (z * state[0],), (np.ones_like(z),), 1.0)
    return np.asarray(grown)


def _eigenvalues(model: Membrane, state: Array) -> NDArray[Any]:
    """Of the Jacobian, by central differences; the current, which only adds, does not matter."""
    columns = []
    for place in range(len(state)):
        step = np.zeros_like(state)
        step[place] = 1e-6 * max(1.0, abs(state[place]))
        ahead, behind = (np.array(model.slope(tuple(state + side), 0.0)) for side in (step, -step))
        columns.append((ahead - behind) / (2 * step[place]))
    return np.asarray(np.linalg.eigvals(np.stack(columns, axis=1)))
