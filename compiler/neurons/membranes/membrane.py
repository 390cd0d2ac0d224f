"""What the models of a nerve cell's membrane have in common: state, slope, spike and reset.

The equations are written once, for numpy and for torch: a model is given the module that has
``exp`` and ``where``, and everything else is arithmetic, which arrays and tensors share. How time
passes is no part of a model; it is in ``integrators.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

# A number, a numpy array or a torch tensor.
Value: TypeAlias = Any
State: TypeAlias = tuple[Value, ...]
# (potential, threshold) -> 1.0 where the potential is at or above the threshold, else 0.0
Heaviside: TypeAlias = Callable[[Value, float], Value]


@dataclass(frozen=True)
class Membrane:
    """A model of a membrane with its parameters.

    Attributes:
        name: As the command line spells it.
        variables: Names of the state variables, the membrane potential first.
        time_unit: Of time, steps and time constants; empty where the model has none.
        current_unit: Of the input current; empty where the model has none.
        drive: Constant currents, lowest and highest, that the model is meant for.
        fine_step: Step at which Runge-Kutta 4 leaves no error that a figure would show.
        settling: Time after which the firing under a constant current is regular.
        resets: Whether a spike resets the state. The potential of other models comes down by
            itself, and passing the threshold upwards is the spike.
        threshold: Potential at which the unit fires.
    """

    name: ClassVar[str]
    variables: ClassVar[tuple[str, ...]]
    time_unit: ClassVar[str]
    current_unit: ClassVar[str]
    drive: ClassVar[tuple[float, float]]
    fine_step: ClassVar[float]
    settling: ClassVar[float]
    resets: ClassVar[bool]

    threshold: float

    def rest(self) -> tuple[float, ...]:
        """The state that the model stays in without current."""
        raise NotImplementedError

    def slope(self, state: State, current: Value, xp: Any = np) -> State:
        """Right-hand side: time derivative of every variable.

        Args:
            state: Variables of the same shape.
            current: Input current, of that shape too.
            xp: ``numpy`` or ``torch``.
        """
        raise NotImplementedError

    def spikes(self, before: State, after: State, heaviside: Heaviside) -> Value:
        """1.0 where a unit fired on the way from one state to the next, before any reset."""
        above = heaviside(after[0], self.threshold)
        return above if self.resets else above * (before[0] < self.threshold)

    def reset(self, state: State, spikes: Value) -> State:
        """The state after these spikes; itself where spikes reset nothing."""
        return state
